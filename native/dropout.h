// Which features of a bag stay in training: a function of the row's key and the feature's place in the row.
//
// The same numbers as src/timesteps/nn/dropout.py gives, where they are explained.
#pragma once

#include <cstdint>

#include "threads.h"

namespace timesteps {

constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15;

/// The finalizer of SplitMix64 (Steele, Lea and Flood 2014).
inline std::uint64_t mixed(std::uint64_t z) {
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}

/// kept[starts[row] + counter] = whether the 31 random bits of (keys[row], stream, counter) are at least `threshold`,
/// for counters from 0 up to the row's end, starts[row + 1].
inline void keep_features(const std::int64_t* keys, const std::int64_t* starts, std::int64_t rows, std::int64_t stream,
                          std::int64_t threshold, bool* kept, int threads) {
    const std::int64_t places = rows > 0 ? starts[rows] / rows : 0;
    parallel(rows, places * 8, threads, [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t row = first; row < last; ++row) {
            const std::uint64_t shift = (2 * static_cast<std::uint64_t>(stream) + 1) * kGolden;
            std::uint64_t state = mixed(static_cast<std::uint64_t>(keys[row]) + shift);
            for (std::int64_t place = starts[row]; place < starts[row + 1]; ++place, state += kGolden)
                kept[place] = static_cast<std::int64_t>(mixed(state) & 0x7FFFFFFF) >= threshold;
        }
    });
}

}  // namespace timesteps
