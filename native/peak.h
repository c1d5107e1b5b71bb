// How fast this core multiplies and adds at its best: the measure of every kernel's speed.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "recurrent/targets.h"

namespace timesteps {

/// Independent chains a round: at four cycles a step and two steps a cycle, eight would do; none may leave the
/// registers.
constexpr int kChains = 12;

// One loop for each instruction set. The factor below one keeps the chains from growing, so that no number is special.
#define TIMESTEPS_PEAK(name, attributes, vector, set, step, sum)                       \
    attributes inline float name(std::int64_t rounds) {                                \
        const vector factor = set(0.5f), term = set(1.0f);                             \
        vector chain[kChains];                                                         \
        for (int i = 0; i < kChains; ++i) chain[i] = set(static_cast<float>(i));       \
        for (std::int64_t round = 0; round < rounds; ++round) {                        \
            for (int i = 0; i < kChains; ++i) chain[i] = step;                         \
        }                                                                              \
        vector total = chain[0];                                                       \
        for (int i = 1; i < kChains; ++i) total = total + chain[i];                    \
        return sum;                                                                    \
    }

#if defined(__x86_64__)
TIMESTEPS_PEAK(peak_avx512, __attribute__((target("avx512f"))), __m512, _mm512_set1_ps,
               _mm512_fmadd_ps(chain[i], factor, term), total[0])
TIMESTEPS_PEAK(peak_avx2, __attribute__((target("avx2,fma"))), __m256, _mm256_set1_ps,
               _mm256_fmadd_ps(chain[i], factor, term), total[0])
TIMESTEPS_PEAK(peak_baseline, , __m128, _mm_set1_ps, _mm_add_ps(_mm_mul_ps(chain[i], factor), term), total[0])
#elif defined(__aarch64__)
TIMESTEPS_PEAK(peak_baseline, , float32x4_t, vdupq_n_f32, vfmaq_f32(term, chain[i], factor), total[0])
#else
inline float one(float value) { return value; }
TIMESTEPS_PEAK(peak_baseline, , float, one, chain[i] * factor + term, total)
#endif
#undef TIMESTEPS_PEAK

/// Multiplies and adds in registers, with the instruction set of the recurrent kernels; returns how many float32
/// operations that were (a multiplication and an addition are two).
inline double multiply_and_add(std::int64_t rounds) {
    volatile float kept = 0;  // the work must not be optimised away
    int lanes = 1;
    switch (target()) {
#if defined(__x86_64__)
        case Target::kAvx512: kept = peak_avx512(rounds), lanes = 16; break;
        case Target::kAvx2: kept = peak_avx2(rounds), lanes = 8; break;
#endif
        default: kept = peak_baseline(rounds);
#if defined(__x86_64__) || defined(__aarch64__)
            lanes = 4;
#endif
    }
    static_cast<void>(kept);
    return 2.0 * kChains * lanes * static_cast<double>(rounds);
}

}  // namespace timesteps
