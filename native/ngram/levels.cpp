#include "levels.h"

#include <stdexcept>

namespace timesteps {

namespace {

constexpr std::size_t kMostNodes = 0xfffffffeu;  // of a level: places are 32 bits wide

}  // namespace

Levels::Levels(std::uint32_t vocabulary, std::uint32_t begin, std::vector<std::int64_t> cutoffs, Counts counts,
               Budget& budget)
    : vocabulary_(vocabulary),
      begin_(begin),
      cutoffs_(std::move(cutoffs)),
      kind_(counts),
      path_(cutoffs_.size()),
      raw_(cutoffs_.size()),
      continuations_(cutoffs_.size()) {
    for (std::size_t n = 0; n < cutoffs_.size(); ++n) levels_.emplace_back(budget);
}

void Levels::add(const std::uint32_t* reversed, std::int64_t count) {
    int depth = 1;  // an n-gram reaches back to the sentence's beginning, and not further
    while (depth < order() && reversed[depth - 1] != begin_) ++depth;
    int same = 0;
    while (same < depth_ && same < depth && reversed[same] == path_[static_cast<std::size_t>(same)]) ++same;
    while (depth_ > same) close(depth_--);
    for (int n = 0; n < same; ++n) raw_[static_cast<std::size_t>(n)] += count;
    if (same > 0) ++continuations_[static_cast<std::size_t>(same - 1)];
    while (depth_ < depth) {
        path_[static_cast<std::size_t>(depth_)] = reversed[depth_];
        open(depth_ + 1, reversed[depth_], count);
        ++depth_;
    }
    continuations_[static_cast<std::size_t>(depth - 1)] = count;  // nothing comes before it: as often as it occurs
}

void Levels::open(int n, std::uint32_t word, std::int64_t count) {
    if (n == 1) words_until(word);
    Level& level = (*this)[n];
    if (level.words.size() >= kMostNodes) throw std::length_error("more n-grams of one order than can be numbered");
    level.parents.push_back(n == 1 ? 0 : static_cast<std::uint32_t>((*this)[n - 1].words.size() - 1));
    level.words.push_back(word);
    level.counts.push_back(0);
    raw_[static_cast<std::size_t>(n - 1)] = count;
    continuations_[static_cast<std::size_t>(n - 1)] = 1;
}

void Levels::close(int n) {
    const auto index = static_cast<std::size_t>(n - 1);
    const std::int64_t count = kind_ == Counts::kRaw ? raw_[index] : continuations_[index];
    Level& level = (*this)[n];
    if (count < 5) ++level.of_count[static_cast<std::size_t>(count)];
    level.counts[level.counts.size() - 1] = n > 1 && raw_[index] <= cutoffs_[index] ? -count : count;
}

void Levels::words_until(std::uint32_t end) {
    Level& level = levels_[0];
    while (level.words.size() < end) {
        if (level.words.size() != begin_) ++level.of_count[0];
        level.parents.push_back(0);
        level.words.push_back(static_cast<std::uint32_t>(level.words.size()));
        level.counts.push_back(0);
    }
}

void Levels::finish() {
    while (depth_ > 0) close(depth_--);
    words_until(vocabulary_);
}

}  // namespace timesteps
