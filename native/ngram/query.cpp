#include "query.h"

#include <algorithm>
#include <limits>

namespace timesteps {

namespace {

constexpr std::size_t kLanes = 32;  // sentences at a time
constexpr std::uint32_t kNothing = 0x80000000u;  // -0: no n-gram goes on from here

}  // namespace

NgramQuery::State NgramQuery::after(std::span<const std::uint32_t> words) const {
    State state;
    std::uint32_t parent = 0;
    const int longest = std::min(static_cast<int>(words.size()), order() - 1);
    for (int back = 0; back < longest; ++back) {
        const std::uint32_t word = words[words.size() - 1 - static_cast<std::size_t>(back)];
        const auto at = static_cast<std::size_t>(back);
        if (back == 0) {
            parent = word;
            state.backoffs[0] = unigrams_[2 * static_cast<std::size_t>(word) + 1];
        } else {
            const Table& table = tables_[at - 1];
            const std::uint32_t* entry = table.find(parent, word);
            if (entry == nullptr) break;
            parent = table.slot(entry);
            state.backoffs[at] = std::bit_cast<float>(entry[3]);
        }
        state.words[at] = word;
        if (std::bit_cast<std::uint32_t>(state.backoffs[at]) != kNothing) state.length = back + 1;
    }
    return state;
}

void NgramQuery::begin(Search& search, const State& state, std::uint32_t word, State& next) const {
    const float* unigram = unigrams_ + 2 * static_cast<std::size_t>(word);
    search = {&state, &next, nullptr, word, unigram[0], 0};
    next.words[0] = word;
    next.backoffs[0] = unigram[1];
    next.length = order() > 1 && std::bit_cast<std::uint32_t>(unigram[1]) != kNothing;
}

const std::uint32_t* NgramQuery::home(const Search& search) const {
    const auto at = static_cast<std::size_t>(search.matched);
    const Table& table = tables_[at];
    return table.entry(table.home(search.parent, search.state->words[at]));
}

/// Whether a longer n-gram than the one found may be there. The state has more words, and `at` is set.
bool NgramQuery::look(Search& search) const {
    const auto at = static_cast<std::size_t>(search.matched);
    const Table& table = tables_[at];
    const State& state = *search.state;
    const std::uint32_t* entry = table.find(search.parent, state.words[at], search.at);
    if (entry == nullptr) return false;
    search.probability = std::bit_cast<float>(entry[2]);
    ++search.matched;
    if (table.width == 3) return false;
    State& next = *search.next;
    search.parent = table.slot(entry);
    next.words[at + 1] = state.words[at];
    next.backoffs[at + 1] = std::bit_cast<float>(entry[3]);
    if (entry[3] != kNothing) next.length = search.matched + 1;
    return search.matched < state.length;
}

double NgramQuery::end(const Search& search) const {
    double log = search.probability;
    for (int left = search.matched; left < search.state->length; ++left)
        log += search.state->backoffs[static_cast<std::size_t>(left)];
    return search.next->words[0] == begin_ ? -std::numeric_limits<double>::infinity() : log;
}

double NgramQuery::step(const State& state, std::uint32_t word, State& next) const {
    Search search;
    begin(search, state, word, next);
    for (bool more = state.length > 0; more; more = look(search)) search.at = home(search);
    return end(search);
}

void NgramQuery::distribution(const State& state, double* logs) const {
    State next;
    for (std::uint32_t word = 0; word < vocabulary_; ++word) logs[word] = step(state, word, next);
}

NgramQuery::State NgramQuery::run(const State& state, std::span<const std::uint32_t> words, double* logs) const {
    State states[2] = {state, {}};
    std::size_t now = 0;
    for (const std::uint32_t word : words) {
        *logs++ = step(states[now], word, states[1 - now]);
        now = 1 - now;
    }
    return states[now];
}

double NgramQuery::sum(const State& state, std::span<const std::uint32_t> words) const {
    if (order() > 1)
        for (std::size_t place = 1; place < words.size(); ++place)
            __builtin_prefetch(tables_[0].entry(tables_[0].home(words[place], words[place - 1])));
    State states[2] = {state, {}};
    std::size_t now = 0;
    double sum = 0;
    for (const std::uint32_t word : words) {
        sum += step(states[now], word, states[1 - now]);
        now = 1 - now;
    }
    return sum;
}

void NgramQuery::sentences(const State& state, std::span<const std::uint32_t> words,
                           std::span<const std::int64_t> offsets, double* logs) const {
    struct Lane {
        std::int64_t place = 0, last = 0;
        std::size_t now = 0;
        State states[2];
        Search search;
    };
    std::array<Lane, kLanes> lanes;
    std::size_t next_sentence = 0;
    const std::size_t count = offsets.size() - 1;
    const auto refill = [&](Lane& lane) {
        while (lane.place == lane.last && next_sentence < count) {
            lane.place = offsets[next_sentence], lane.last = offsets[next_sentence + 1];
            lane.now = 0;
            lane.states[0] = state;
            ++next_sentence;
        }
        return lane.place < lane.last;
    };
    for (;;) {
        std::array<Lane*, kLanes> going;  // with a sentence; the first `open` of them have more to look for
        std::size_t with_sentence = 0;
        for (Lane& lane : lanes)
            if (refill(lane)) going[with_sentence++] = &lane;
        if (with_sentence == 0) return;
        std::array<Lane*, kLanes> looking;
        std::size_t open = 0;
        for (std::size_t n = 0; n < with_sentence; ++n) {
            Lane& lane = *going[n];
            const State& from = lane.states[lane.now];
            begin(lane.search, from, words[static_cast<std::size_t>(lane.place)], lane.states[1 - lane.now]);
            if (from.length > 0) looking[open++] = &lane;
        }
        while (open > 0) {
            for (std::size_t n = 0; n < open; ++n) {
                looking[n]->search.at = home(looking[n]->search);
                __builtin_prefetch(looking[n]->search.at);
            }
            std::size_t left = 0;
            for (std::size_t n = 0; n < open; ++n)
                if (look(looking[n]->search)) looking[left++] = looking[n];
            open = left;
        }
        for (std::size_t n = 0; n < with_sentence; ++n) {
            Lane& lane = *going[n];
            logs[lane.place++] = end(lane.search);
            lane.now = 1 - lane.now;
        }
    }
}

}  // namespace timesteps
