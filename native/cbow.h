// Word vectors by CBOW with negative sampling: each word is predicted from the mean of its neighbours' vectors.
//
// What is computed is said in src/timesteps/training/cbow.py, whose numpy code takes the same steps with the same
// random numbers. One thread, and every sum in one order: the same bits each time, with every instruction set.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

#include "simd.h"

namespace timesteps {

/// SplitMix64 (Steele, Lea and Flood 2014): the n-th number depends on state and n alone.
class Draws {
public:
    explicit Draws(std::uint64_t state) : state_(state) {}

    std::uint64_t state() const { return state_; }

    /// The upper half of the next number, 0 … 2^32 - 1.
    std::uint64_t next() {
        std::uint64_t mixed = state_ += 0x9e3779b97f4a7c15;
        mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
        mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
        return (mixed ^ mixed >> 31) >> 32;
    }

private:
    std::uint64_t state_;
};

/// Words by their shares of 2^32: word w owns the draws from shares[w - 1] to below shares[w].
class NoiseWords {
public:
    explicit NoiseWords(std::span<const std::uint64_t> shares) : shares_(shares), first_(kBuckets) {
        if (shares.empty() || shares.back() != std::uint64_t{1} << 32 || !std::is_sorted(shares.begin(), shares.end()))
            throw std::invalid_argument("shares of noise words do not ascend to 2^32");
        for (std::size_t bucket = 0; bucket < kBuckets; ++bucket)
            first_[bucket] = static_cast<std::int32_t>(
                std::upper_bound(shares.begin(), shares.end(), std::uint64_t{bucket} << kShift) - shares.begin());
    }

    std::int32_t operator[](std::uint64_t draw) const {
        std::int32_t word = first_[draw >> kShift];
        while (shares_[static_cast<std::size_t>(word)] <= draw) ++word;
        return word;
    }

private:
    static constexpr int kShift = 17;
    static constexpr std::size_t kBuckets = std::size_t{1} << (32 - kShift);
    std::span<const std::uint64_t> shares_;
    std::vector<std::int32_t> first_;  // the word that owns a bucket's first draw
};

/// Two tables (words, width); a width is a multiple of kLanes.
struct CbowTables {
    float* input;
    float* output;
    std::int64_t words;
    std::int64_t width;
};

/// One step: `targets` begins with the word to predict, the rest is noise. `mean` and `change` are (width,), for use.
TIMESTEPS_INLINE void cbow_step_body(const CbowTables& tables, std::span<const std::int32_t> context,
                                     std::span<const std::int32_t> targets, float rate, float* mean, float* change) {
    const std::int64_t width = tables.width;
    const float share = 1.0f / static_cast<float>(context.size());
    for (std::int64_t at = 0; at < width; at += kLanes) {
        Vector sum = {};
        for (const std::int32_t word : context) sum += load(tables.input + word * width + at);
        store(mean + at, sum * share);
        store(change + at, Vector{});
    }
    for (std::size_t place = 0; place < targets.size(); ++place) {
        float* const row = tables.output + targets[place] * width;
        Vector products = {};
        for (std::int64_t at = 0; at < width; at += kLanes) products += load(mean + at) * load(row + at);
        float score = 0.0f;
        for (int lane = 0; lane < kLanes; ++lane) score += products[lane];
        const float gain = rate * ((place == 0 ? 1.0f : 0.0f) - 1.0f / (1.0f + std::exp(-score)));
        for (std::int64_t at = 0; at < width; at += kLanes) {
            const Vector before = load(row + at);
            store(change + at, load(change + at) + before * gain);
            store(row + at, before + load(mean + at) * gain);
        }
    }
    for (const std::int32_t word : context)
        for (std::int64_t at = 0; at < width; at += kLanes) {
            float* const row = tables.input + word * width + at;
            store(row, load(row) + load(change + at));
        }
}
TIMESTEPS_DISPATCH(cbow_step,
                   (const CbowTables& tables, std::span<const std::int32_t> context,
                    std::span<const std::int32_t> targets, float rate, float* mean, float* change),
                   (tables, context, targets, rate, mean, change))

/// Rows of words that lie end to end: row r is words[offsets[r]] … words[offsets[r + 1] - 1].
struct CbowRows {
    std::span<const std::int32_t> words;
    std::span<const std::int64_t> offsets;
};

struct CbowSettings {
    int window;
    int negative;
    double learning_rate;    // of the first word; from there linearly to 0 at the last
    std::int64_t words_before;  // those seen before this call
    std::int64_t words_in_all;
};

/// Trains on rows first … last - 1. `kept` is the share of each word that subsampling leaves, of 2^32. Returns the
/// state of the draws for the next call.
inline std::uint64_t cbow(const CbowTables& tables, const CbowRows& rows, std::span<const std::uint64_t> kept,
                          const NoiseWords& noise, std::size_t first, std::size_t last, std::uint64_t state,
                          const CbowSettings& settings) {
    struct Seen {
        std::int32_t word;
        std::int64_t place;
    };
    Draws draws(state);
    std::vector<Seen> seen;
    std::vector<std::int32_t> context, targets;
    std::vector<float> mean(static_cast<std::size_t>(tables.width)), change(mean.size());
    std::int64_t before = settings.words_before;
    for (std::size_t row = first; row < last; ++row) {
        const std::int64_t begin = rows.offsets[row], end = rows.offsets[row + 1];
        if (begin < 0 || end < begin || end > static_cast<std::int64_t>(rows.words.size()))
            throw std::invalid_argument("offsets of rows do not fit the words");
        seen.clear();
        for (std::int64_t place = begin; place < end; ++place) {
            const std::int32_t word = rows.words[static_cast<std::size_t>(place)];
            if (word < 0 || word >= tables.words) throw std::out_of_range("a word has no vector");
            if (draws.next() < kept[static_cast<std::size_t>(word)]) seen.push_back({word, place - begin});
        }
        const std::int64_t count = static_cast<std::int64_t>(seen.size());
        for (std::int64_t centre = 0; centre < count; ++centre) {
            const auto [word, place] = seen[static_cast<std::size_t>(centre)];
            const auto reach =
                static_cast<std::int64_t>(1 + (draws.next() * static_cast<std::uint64_t>(settings.window) >> 32));
            targets.assign(1, word);
            for (int drawn = 0; drawn < settings.negative; ++drawn)
                if (const std::int32_t other = noise[draws.next()]; other != word) targets.push_back(other);
            for (const std::int32_t target : targets)
                for (std::int64_t at = 0; at < tables.width; at += 16)
                    TIMESTEPS_PREFETCH(tables.output + target * tables.width + at);
            context.clear();
            for (std::int64_t near = std::max<std::int64_t>(0, centre - reach);
                 near < std::min(count, centre + reach + 1); ++near)
                if (near != centre) context.push_back(seen[static_cast<std::size_t>(near)].word);
            if (context.empty()) continue;
            const double done = static_cast<double>(before + place) / static_cast<double>(settings.words_in_all);
            cbow_step(tables, context, targets, static_cast<float>(settings.learning_rate * (1.0 - done)), mean.data(),
                      change.data());
        }
        before += end - begin;
    }
    return draws.state();
}

}  // namespace timesteps
