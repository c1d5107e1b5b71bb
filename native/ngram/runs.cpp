#include "runs.h"

#include <algorithm>
#include <cstring>
#include <queue>

namespace timesteps {

namespace {

constexpr std::size_t kLeastTokens = 1 << 10;
constexpr std::size_t kMostTokens = 1u << 31;  // places are 32 bits wide
constexpr std::size_t kMostMerged = 256;       // runs at a time: more would leave each too little to read ahead

/// The records of a run, read from the file piece by piece.
class Reader {
public:
    Reader(const Scratch& file, std::int64_t offset, std::int64_t records, std::size_t record, std::size_t memory)
        : file_(file), offset_(offset), left_(records), record_(record) {
        buffer_.resize(std::max<std::size_t>(memory / record, 16) * record);
        fill();
    }

    bool done() const { return at_ == end_; }
    const std::uint32_t* words() const { return reinterpret_cast<const std::uint32_t*>(buffer_.data() + at_); }
    std::int64_t count(int order) const {
        std::int64_t count;
        std::memcpy(&count, buffer_.data() + at_ + 4 * static_cast<std::size_t>(order), 8);
        return count;
    }
    void next() {
        at_ += record_;
        if (at_ == end_) fill();
    }

private:
    void fill() {
        const std::int64_t records = std::min(left_, static_cast<std::int64_t>(buffer_.size() / record_));
        at_ = 0, end_ = static_cast<std::size_t>(records) * record_;
        file_.read(buffer_.data(), static_cast<std::int64_t>(end_), offset_);
        offset_ += static_cast<std::int64_t>(end_), left_ -= records;
    }

    const Scratch& file_;
    std::int64_t offset_, left_;
    std::size_t record_, at_ = 0, end_ = 0;
    std::vector<char> buffer_;
};

/// Records on their way to the end of the file.
class Writer {
public:
    Writer(Scratch& file, std::int64_t offset, std::size_t record) : file_(file), offset_(offset), record_(record) {
        buffer_.reserve(kBytes + record);
    }
    void add(const std::uint32_t* words, std::int64_t count) {
        const std::size_t at = buffer_.size();
        buffer_.resize(at + record_);
        std::memcpy(buffer_.data() + at, words, record_ - 8);
        std::memcpy(buffer_.data() + at + record_ - 8, &count, 8);
        ++records_;
        if (buffer_.size() >= kBytes) flush();
    }
    void flush() {
        file_.write(buffer_.data(), static_cast<std::int64_t>(buffer_.size()), offset_);
        offset_ += static_cast<std::int64_t>(buffer_.size());
        buffer_.clear();
    }
    std::int64_t records() const { return records_; }
    std::int64_t offset() const { return offset_; }

private:
    static constexpr std::size_t kBytes = 1 << 18;
    Scratch& file_;
    std::int64_t offset_, records_ = 0;
    std::size_t record_;
    std::vector<char> buffer_;
};

void merge_readers(std::vector<Reader>& readers, int order, const Runs::Each& each) {
    const auto later = [&](std::size_t a, std::size_t b) {
        const std::uint32_t *left = readers[a].words(), *right = readers[b].words();
        return std::lexicographical_compare(right, right + order, left, left + order);
    };
    std::priority_queue<std::size_t, std::vector<std::size_t>, decltype(later)> heads(later);
    for (std::size_t number = 0; number < readers.size(); ++number)
        if (!readers[number].done()) heads.push(number);
    std::vector<std::uint32_t> words(static_cast<std::size_t>(order));
    std::int64_t count = 0;
    while (!heads.empty()) {
        const std::size_t number = heads.top();
        heads.pop();
        Reader& reader = readers[number];
        if (count > 0 && std::equal(words.begin(), words.end(), reader.words())) {
            count += reader.count(order);
        } else {
            if (count > 0) each(words.data(), count);
            words.assign(reader.words(), reader.words() + order);
            count = reader.count(order);
        }
        reader.next();
        if (!reader.done()) heads.push(number);
    }
    if (count > 0) each(words.data(), count);
}

}  // namespace

Runs::Runs(int order, std::uint32_t words, std::uint32_t begin, std::int64_t memory, const std::string& folder)
    : order_(order), words_(words), begin_(begin), memory_(memory), folder_(folder) {
    // A token takes itself and two places while a run is sorted.
    const std::int64_t beside = 4 * static_cast<std::int64_t>(words);
    capacity_ = std::clamp(static_cast<std::size_t>(std::max<std::int64_t>(memory - beside, 0)) / 12, kLeastTokens,
                           kMostTokens);
    tokens_.reserve(capacity_);  // pages that are not touched take no memory
}

void Runs::add(std::uint32_t word) {
    if (word != begin_) {
        tokens_.push_back(word);
        return;
    }
    // A run ends between sentences, so that no n-gram is cut. (The reader of the corpus bounds how long one may be.)
    if (tokens_.size() >= capacity_) spill();
    const std::size_t marks = order_ > 1 ? static_cast<std::size_t>(order_ - 1) : 1;
    tokens_.insert(tokens_.end(), marks, begin_);
}

std::span<const std::uint32_t> Runs::sorted() {
    places_.clear();
    places_.reserve(tokens_.size());
    for (std::size_t place = 0; place < tokens_.size(); ++place)
        if (tokens_[place] != begin_) places_.push_back(static_cast<std::uint32_t>(place));
    others_.resize(places_.size());
    std::vector<std::uint32_t> starts(words_);
    for (int back = order_ - 1; back >= 0; --back) {  // stable by each word, the farthest back first
        std::fill(starts.begin(), starts.end(), 0);
        const std::uint32_t* words = tokens_.data() - back;
        for (const std::uint32_t place : places_) ++starts[words[place]];
        std::uint32_t sum = 0;
        for (std::uint32_t& start : starts) sum += std::exchange(start, sum);
        for (const std::uint32_t place : places_) others_[starts[words[place]]++] = place;
        places_.swap(others_);
    }
    return places_;
}

void Runs::walk(const Each& each) {
    std::vector<std::uint32_t> words(static_cast<std::size_t>(order_));
    std::int64_t count = 0;
    for (const std::uint32_t place : sorted()) {
        const std::uint32_t* last = tokens_.data() + place;
        bool same = count > 0;
        for (int back = order_ - 1; same && back >= 0; --back)
            same = words[static_cast<std::size_t>(back)] == *(last - back);
        if (same) {
            ++count;
            continue;
        }
        if (count > 0) each(words.data(), count);
        for (int back = 0; back < order_; ++back) words[static_cast<std::size_t>(back)] = *(last - back);
        count = 1;
    }
    if (count > 0) each(words.data(), count);
}

void Runs::spill() {
    if (file_ == nullptr) file_ = std::make_unique<Scratch>(folder_);
    Writer writer(*file_, end_, record_bytes());
    walk([&](const std::uint32_t* words, std::int64_t count) { writer.add(words, count); });
    writer.flush();
    runs_.push_back({end_, writer.records()});
    end_ = writer.offset();
    tokens_.clear();
}

void Runs::merge(const Each& each) {
    if (runs_.empty()) return walk(each);
    if (!tokens_.empty()) spill();
    for (auto* kept : {&tokens_, &places_, &others_}) std::vector<std::uint32_t>().swap(*kept);
    const auto readers = [&](std::size_t first, std::size_t last) {
        std::vector<Reader> open;
        const auto share = static_cast<std::size_t>(memory_) / std::max<std::size_t>(last - first, 1);
        for (std::size_t number = first; number < last; ++number)
            open.emplace_back(*file_, runs_[number].offset, runs_[number].records, record_bytes(),
                              std::clamp<std::size_t>(share, 4096, 4 << 20));
        return open;
    };
    std::size_t first = 0;
    while (runs_.size() - first > kMostMerged) {
        auto open = readers(first, first + kMostMerged);
        Writer writer(*file_, end_, record_bytes());
        merge_readers(open, order_, [&](const std::uint32_t* words, std::int64_t count) { writer.add(words, count); });
        writer.flush();
        runs_.push_back({end_, writer.records()});
        end_ = writer.offset();
        first += kMostMerged;
    }
    auto open = readers(first, runs_.size());
    merge_readers(open, order_, each);
}

}  // namespace timesteps
