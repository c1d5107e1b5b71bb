// n-grams of all orders as a tree: an n-gram's parent is what is left of it without its first word.
//
// Level n has the n-grams of n words in suffix order, so that the children of a node are neighbours, sorted by the word
// that each puts before its parent. Level 1 has all words of the vocabulary, by number.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "column.h"

namespace timesteps {

struct Level {
    explicit Level(Budget& budget) : parents(budget), words(budget), counts(budget) {}

    Column<std::uint32_t> parents;  // places in the level before
    Column<std::uint32_t> words;    // the first of each n-gram
    Column<std::int64_t> counts;    // below 0: -count, and cut off
    std::array<std::int64_t, 5> of_count{};  // how many n-grams have count 0, 1, 2, 3, 4; those cut off are among them
};

/// Which counts an n-gram of a lower order has.
enum class Counts {
    kRaw,           // how often it occurs
    kContinuation,  // how many words it occurs behind, as Kneser and Ney count; of n-grams that begin with <s>, raw
};

class Levels {
public:
    /// n-grams of order n that occur cutoffs[n - 1] times or less are marked as cut off.
    Levels(std::uint32_t vocabulary, std::uint32_t begin, std::vector<std::int64_t> cutoffs, Counts counts,
           Budget& budget);

    /// The next n-gram of the highest order, in suffix order.
    void add(const std::uint32_t* reversed, std::int64_t count);
    /// After the last one.
    void finish();

    int order() const { return static_cast<int>(levels_.size()); }
    std::uint32_t vocabulary() const { return vocabulary_; }
    std::uint32_t begin() const { return begin_; }
    Level& operator[](int n) { return levels_[static_cast<std::size_t>(n - 1)]; }
    const Level& operator[](int n) const { return levels_[static_cast<std::size_t>(n - 1)]; }

private:
    void open(int n, std::uint32_t word, std::int64_t count);
    void close(int n);
    void words_until(std::uint32_t end);

    std::uint32_t vocabulary_, begin_;
    std::vector<std::int64_t> cutoffs_;
    Counts kind_;
    std::vector<Level> levels_;
    std::vector<std::uint32_t> path_;               // the n-gram that was added last, reversed
    std::vector<std::int64_t> raw_, continuations_;  // of the open node of each level
    int depth_ = 0;                                  // open levels
};

}  // namespace timesteps
