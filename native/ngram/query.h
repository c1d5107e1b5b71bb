// Probabilities of words after words, from the tables of an n-gram model.
//
// The definition in plain Python is src/timesteps/runtime/language/ngram_table.py.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "table.h"

namespace timesteps {

class NgramQuery {
public:
    static constexpr int kMostOrder = 16;

    /// What can matter of the words so far, the last one first, with the weights of backing off from 1, 2, … of them.
    struct State {
        int length = 0;
        std::array<std::uint32_t, kMostOrder> words;
        std::array<float, kMostOrder> backoffs;
    };

    /// `unigrams`: two numbers a word. One table an order from 2 on.
    NgramQuery(const float* unigrams, std::uint32_t vocabulary, std::uint32_t begin, std::vector<Table> tables)
        : unigrams_(unigrams), vocabulary_(vocabulary), begin_(begin), tables_(std::move(tables)) {}

    std::uint32_t vocabulary() const { return vocabulary_; }
    int order() const { return static_cast<int>(tables_.size()) + 1; }

    /// The state after these words, the last one last, as far as the model knows them.
    State after(std::span<const std::uint32_t> words) const;

    /// log10 of the probability of a word, and the state after it. `next` is another than `state`.
    double step(const State& state, std::uint32_t word, State& next) const;

    /// log10 of the probabilities of all words.
    void distribution(const State& state, double* logs) const;

    /// log10 of the probabilities of words that follow each other.
    State run(const State& state, std::span<const std::uint32_t> words, double* logs) const;

    /// The same for sentences, each from the same state: words[offsets[n]] … words[offsets[n + 1] - 1]. Several go on
    /// at a time, so that the places in memory that they need are fetched together.
    void sentences(const State& state, std::span<const std::uint32_t> words, std::span<const std::int64_t> offsets,
                   double* logs) const;

    /// The sum over words that follow each other; the places in memory of their bigrams are fetched together.
    double sum(const State& state, std::span<const std::uint32_t> words) const;

private:
    /// The n-grams that end with a word, looked for from the shortest on.
    struct Search {
        const State* state;
        State* next;
        const std::uint32_t* at;  // the entry where looking for the next one begins
        std::uint32_t parent;
        float probability;
        int matched;  // words of the state
    };

    void begin(Search& search, const State& state, std::uint32_t word, State& next) const;
    const std::uint32_t* home(const Search& search) const;
    bool look(Search& search) const;
    double end(const Search& search) const;

    const float* unigrams_;
    std::uint32_t vocabulary_, begin_;
    std::vector<Table> tables_;
};

}  // namespace timesteps
