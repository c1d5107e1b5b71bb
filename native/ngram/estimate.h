// Probabilities and back-off weights of the n-grams of all orders, by one of four ways of smoothing.
//
// The definition, in plain Python, is src/timesteps/tasks/ngram/plain.py; this does the same with the same bits: counts
// are whole numbers, and no sum depends on an order.
#pragma once

#include <array>
#include <vector>

#include "levels.h"

namespace timesteps {

enum class Smoothing { kKneserNey, kAddK, kWittenBell, kStupidBackoff };

struct Way {
    Smoothing smoothing;
    double amount;                                 // k of add-k, the factor of stupid backoff
    std::vector<std::array<double, 3>> discounts;  // a level, for counts 1, 2, 3 and more
};

/// Logarithms to base 10, of the n-grams that are kept, in suffix order.
struct Estimates {
    explicit Estimates(Budget& budget) : parents(budget), words(budget), probabilities(budget), backoffs(budget) {}

    Column<std::uint32_t> parents;  // places in the level before, among those kept
    Column<std::uint32_t> words;
    Column<float> probabilities;  // -99 for <s>, which is never predicted
    Column<float> backoffs;       // -0 where no n-gram of the model goes on from this one
};

/// What follows one context.
struct Followers {
    std::int64_t sum = 0, cut = 0;  // of counts: all, and those cut off
    std::uint32_t all = 0;          // how many words
    std::uint32_t kinds[3] = {};    // how many with count 1, 2, 3 and more; those cut off left out

    std::uint32_t kept() const { return kinds[0] + kinds[1] + kinds[2]; }
};

/// A level after the other, the first one first.
class Estimator {
public:
    Estimator(const Levels& levels, Way way, Budget& budget);

    /// The next level, until all have come.
    Estimates next();

private:
    void find_contexts();
    void count_followers();
    void see(Followers& followers, std::int64_t count) const;
    bool whole(int n, std::size_t node) const;
    double backoff(const Followers& followers, int n, bool whole) const;
    double probability(const Followers& followers, int n, bool whole, std::int64_t count, double lower) const;

    const Levels& levels_;
    Way way_;
    Budget& budget_;
    double predicted_;                // words that can come next: all but <s>
    int n_ = 0;                       // the level that came last
    Column<std::uint32_t> contexts_;  // of the n-grams of level n_ + 1: places in level n_
    Column<std::uint32_t> firsts_;    // of level n_ - 1: where the children of a node begin, in level n_
    Column<Followers> followers_;     // of the n-grams of level n_
    Column<double> probabilities_;    // of level n_, 0 for those cut off
    Column<std::uint32_t> places_;    // of level n_, among those kept
};

}  // namespace timesteps
