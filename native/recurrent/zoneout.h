// Zoneout: units that keep their previous value. Which ones is a function of the row's key, the visit and the unit.
//
// The same numbers as src/timesteps/nn/dropout.py gives, where they are explained.
#pragma once

#include "vectors.h"

namespace timesteps::TIMESTEPS_TARGET {

constexpr std::uint64_t kStep = 0x9E3779B97F4A7C15;  // from the number of one unit to that of the next

/// Of one state, at one visit.
template <class T>
struct Zone {
    const std::uint64_t* counters;  // (rows) of the row's first unit; null: all units keep the share `rate`
    std::int64_t below;             // random numbers up to this one keep a unit
    T rate;                         // 0: nothing is kept
};

/// The finalizer of SplitMix64 (Steele, Lea and Flood 2014).
template <class Words>
TIMESTEPS_ALWAYS Words mixed(Words z) {
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/// Lanes 0, every, 2 * every … of what follows a counter, from the `first` on.
template <int Lanes>
TIMESTEPS_ALWAYS typename VectorOf<std::uint64_t, Lanes>::type random_words(std::uint64_t counter, int first,
                                                                             int every) {
    typename VectorOf<std::uint64_t, Lanes>::type words;
    for (int lane = 0; lane < Lanes; ++lane) words[lane] = kStep * static_cast<std::uint64_t>(first + lane * every);
    return mixed(words + counter);
}

/// 31 random bits for each of W units from a counter on, as whole numbers of the size of T.
template <class T, int W>
TIMESTEPS_ALWAYS auto random_bits(std::uint64_t counter) {
    if constexpr (sizeof(T) == sizeof(double)) {
        typename VectorOf<std::int64_t, W>::type bits;
        const auto words = random_words<W>(counter, 0, 1);
        __builtin_memcpy(&bits, &words, sizeof bits);
        return bits & 0x7FFFFFFF;
    } else {  // the numbers of even units in the lower halves, those of odd ones in the upper
        const auto words =
            (random_words<W / 2>(counter, 0, 2) & 0xFFFFFFFFu) | (random_words<W / 2>(counter, 1, 2) << 32);
        Integers<W> bits;
        __builtin_memcpy(&bits, &words, sizeof bits);
        return bits & 0x7FFFFFFF;
    }
}

/// Which of the W units from `unit` on keep their value.
template <class T, int W>
TIMESTEPS_ALWAYS auto kept(const Zone<T>& zone, Index row, Index unit) {
    const auto bits = random_bits<T, W>(zone.counters[row] + static_cast<std::uint64_t>(unit) * kStep);
    if constexpr (sizeof(T) == sizeof(double))
        return bits <= zone.below;
    else
        return bits <= static_cast<std::int32_t>(zone.below);
}

/// What the units from `unit` on become.
template <class T, int W>
TIMESTEPS_ALWAYS Vector<T, W> zoned(const Zone<T>& zone, Index row, Index unit, Vector<T, W> previous,
                                    Vector<T, W> next) {
    if (zone.rate == 0) return next;
    if (zone.counters == nullptr) return zone.rate * previous + (1 - zone.rate) * next;
    return kept<T, W>(zone, row, unit) ? previous : next;
}

/// The gradient that goes to the previous value; what goes to the next one stays in `gradient`.
template <class T, int W>
TIMESTEPS_ALWAYS Vector<T, W> held(const Zone<T>& zone, Index row, Index unit, Vector<T, W>& gradient) {
    using V = Vector<T, W>;
    if (zone.rate == 0) return V{};
    V previous;
    if (zone.counters == nullptr) {
        previous = zone.rate * gradient;
        gradient = (1 - zone.rate) * gradient;
    } else {
        const auto stays = kept<T, W>(zone, row, unit);
        previous = stays ? gradient : V{};
        gradient = stays ? V{} : gradient;
    }
    return previous;
}

}  // namespace timesteps::TIMESTEPS_TARGET
