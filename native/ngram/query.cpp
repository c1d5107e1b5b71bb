#include "query.h"

#include <algorithm>
#include <limits>

namespace timesteps {

namespace {

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

double NgramQuery::step(const State& state, std::uint32_t word, State& next) const {
    const float* unigram = unigrams_ + 2 * static_cast<std::size_t>(word);
    float probability = unigram[0];
    next.words[0] = word;
    next.backoffs[0] = unigram[1];
    next.length = order() > 1 && std::bit_cast<std::uint32_t>(unigram[1]) != kNothing;
    std::uint32_t parent = word;
    int matched = 0;  // words of the state
    for (; matched < state.length; ++matched) {
        const auto at = static_cast<std::size_t>(matched);
        const Table& table = tables_[at];
        const std::uint32_t* entry = table.find(parent, state.words[at]);
        if (entry == nullptr) break;
        probability = std::bit_cast<float>(entry[2]);
        if (table.width == 3) {
            ++matched;
            break;
        }
        parent = table.slot(entry);
        next.words[at + 1] = state.words[at];
        next.backoffs[at + 1] = std::bit_cast<float>(entry[3]);
        if (entry[3] != kNothing) next.length = matched + 2;
    }
    double log = probability;
    for (int left = matched; left < state.length; ++left) log += state.backoffs[static_cast<std::size_t>(left)];
    return word == begin_ ? -std::numeric_limits<double>::infinity() : log;
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

}  // namespace timesteps
