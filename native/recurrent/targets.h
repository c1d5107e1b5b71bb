// Which instruction sets there are kernels for, and which of them this processor runs.
#pragma once

#include <cstdlib>
#include <cstring>

#include "problem.h"

namespace timesteps {

#define TIMESTEPS_KERNELS(target, number)                                                  \
    namespace target {                                                                     \
    Kernels<number> kernels(CellKind kind, std::int64_t hidden, bool regularised, number); \
    Products<number> products(number);                                                     \
    }
TIMESTEPS_KERNELS(baseline, float)
TIMESTEPS_KERNELS(baseline, double)
#if defined(__x86_64__)
TIMESTEPS_KERNELS(avx2, float)
TIMESTEPS_KERNELS(avx2, double)
TIMESTEPS_KERNELS(avx512, float)
#endif
#undef TIMESTEPS_KERNELS

enum class Target { kBaseline, kAvx2, kAvx512 };

/// The best that the processor has; TIMESTEPS_INSTRUCTIONS (baseline, avx2) in the environment asks for less.
inline Target target() {
    static const Target best = [] {
#if defined(__x86_64__)
        const char* wanted = std::getenv("TIMESTEPS_INSTRUCTIONS");
        const auto is = [&](const char* name) { return wanted != nullptr && std::strcmp(wanted, name) == 0; };
        const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
        if (is("baseline") || !has_avx2) return Target::kBaseline;
        if (is("avx2") || !(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")))
            return Target::kAvx2;
        return Target::kAvx512;
#else
        return Target::kBaseline;
#endif
    }();
    return best;
}

inline const char* target_name() {
    switch (target()) {
        case Target::kAvx512:
            return "avx512";
        case Target::kAvx2:
            return "avx2";
        default:
            return "baseline";
    }
}

/// Whether it takes the kernels of regularised cells.
template <class T>
bool is_regularised(const Problem<T>& p) {
    return p.norm_ih != nullptr || p.norm_hh != nullptr || p.w_ch != nullptr || p.zone_h.rate > 0 || p.zone_c.rate > 0;
}

/// Double precision is for checks, and does without the widest set.
inline Kernels<double> kernels(CellKind kind, std::int64_t hidden, bool regularised, double) {
#if defined(__x86_64__)
    if (target() != Target::kBaseline) return avx2::kernels(kind, hidden, regularised, double{});
#endif
    return baseline::kernels(kind, hidden, regularised, double{});
}

inline Kernels<float> kernels(CellKind kind, std::int64_t hidden, bool regularised, float) {
#if defined(__x86_64__)
    // Sixteen numbers a vector are half empty at eight units.
    if (target() == Target::kAvx512 && hidden > 8) return avx512::kernels(kind, hidden, regularised, float{});
    if (target() != Target::kBaseline) return avx2::kernels(kind, hidden, regularised, float{});
#endif
    return baseline::kernels(kind, hidden, regularised, float{});
}

inline Products<double> products(std::int64_t, double) {
#if defined(__x86_64__)
    if (target() != Target::kBaseline) return avx2::products(double{});
#endif
    return baseline::products(double{});
}

/// Of the best instruction set; of another where `outputs` would not fill the best one's vectors.
inline Products<float> products(std::int64_t outputs, float) {
#if defined(__x86_64__)
    if (target() == Target::kAvx512 && outputs % 16 == 0) return avx512::products(float{});
    if (target() != Target::kBaseline) return avx2::products(float{});
#endif
    return baseline::products(float{});
}

}  // namespace timesteps
