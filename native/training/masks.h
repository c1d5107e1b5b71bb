// Dropout factors: functions of a row's key, a stream and a counter, as in src/timesteps/nn/dropout.py.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

#include "../dropout.h"
#include "network.h"

namespace timesteps::training {

/// The streams of random numbers: a layer's are 16 times its number and more.
constexpr Index kWordStream = -1, kHeadStream = -2, kFeatureStream = -3;
constexpr Index kInputOf = 0, kRecurrentOf = 1, kBetweenOf = 3, kNoiseOf = 4, kZoneoutOf = 6, kCellZoneoutOf = 8,
                kNoiseOfReverse = 10, kWeightsOf = 12, kStreamsOfLayer = 16;

/// What a step's random numbers are functions of; null where it draws none.
struct Keys {
    const Index* rows = nullptr;     // (rows of the batch)
    const Index* weights = nullptr;  // one, of dropped weights
};

/// The random numbers of one row in one stream.
class Draws {
public:
    Draws(Index key, Index stream)
        : start_(mixed(static_cast<std::uint64_t>(key) + (2 * static_cast<std::uint64_t>(stream) + 1) * kGolden)) {}

    /// 31 random bits.
    Index bits(Index counter) const {
        return static_cast<Index>(mixed(start_ + static_cast<std::uint64_t>(counter) * kGolden) & 0x7FFFFFFF);
    }

private:
    std::uint64_t start_;
};

/// Which numbers stay, and what multiplies them.
template <class T>
struct Dropout {
    explicit Dropout(double p)
        : threshold(static_cast<Index>(std::nearbyint(p * 2147483648.0))), factor(static_cast<T>(1 / (1 - p))) {}

    T operator()(const Draws& draws, Index counter) const { return draws.bits(counter) >= threshold ? factor : T(0); }

    /// out (size,) = factors of counters 0, 1, …
    void fill(Index key, Index stream, Index size, T* out) const {
        const Draws draws(key, stream);
        for (Index n = 0; n < size; ++n) out[n] = (*this)(draws, n);
    }

    /// x (size,) times its factors.
    void apply(Index key, Index stream, Index size, T* x) const {
        const Draws draws(key, stream);
        for (Index n = 0; n < size; ++n) x[n] *= (*this)(draws, n);
    }

    Index threshold;
    T factor;
};

/// x (size,) += scale times standard normal numbers, by the Box-Muller transform.
template <class T>
void add_noise(Index key, Index stream, T scale, Index size, T* x) {
    const Draws draws(key, stream);
    const auto uniform = [&](Index counter) { return (static_cast<double>(draws.bits(counter)) + 0.5) / 2147483648.0; };
    for (Index n = 0; n < size; ++n) {
        const double radius = std::sqrt(-2 * std::log(uniform(2 * n)));
        x[n] += scale * static_cast<T>(radius * std::cos(2 * std::numbers::pi * uniform(2 * n + 1)));
    }
}

}  // namespace timesteps::training
