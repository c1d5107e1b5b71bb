// Which instruction sets there are kernels for, and which of them this processor runs.
#pragma once

#include <cstdlib>
#include <cstring>

#include "problem.h"

namespace timesteps {

#define TIMESTEPS_KERNELS(target)                                       \
    namespace target {                                                  \
    Kernels<float> float_kernels(CellKind kind, std::int64_t hidden, bool regularised);   \
    Kernels<double> double_kernels(CellKind kind, std::int64_t hidden, bool regularised); \
    Products<float> float_products();                                   \
    Products<double> double_products();                                 \
    }
TIMESTEPS_KERNELS(baseline)
#if defined(__x86_64__)
TIMESTEPS_KERNELS(avx2)
TIMESTEPS_KERNELS(avx512)
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

inline Kernels<double> kernels(CellKind kind, std::int64_t hidden, bool regularised, double) {
#if defined(__x86_64__)
    if (target() == Target::kAvx512) return avx512::double_kernels(kind, hidden, regularised);
    if (target() == Target::kAvx2) return avx2::double_kernels(kind, hidden, regularised);
#endif
    return baseline::double_kernels(kind, hidden, regularised);
}

inline Kernels<float> kernels(CellKind kind, std::int64_t hidden, bool regularised, float) {
#if defined(__x86_64__)
    // Sixteen numbers a vector are half empty at eight units.
    if (target() == Target::kAvx512 && hidden > 8) return avx512::float_kernels(kind, hidden, regularised);
    if (target() != Target::kBaseline) return avx2::float_kernels(kind, hidden, regularised);
#endif
    return baseline::float_kernels(kind, hidden, regularised);
}

/// Of the best instruction set; of another where `outputs` would not fill the best one's vectors.
inline Products<double> products(std::int64_t, double) {
#if defined(__x86_64__)
    if (target() == Target::kAvx512) return avx512::double_products();
    if (target() == Target::kAvx2) return avx2::double_products();
#endif
    return baseline::double_products();
}

inline Products<float> products(std::int64_t outputs, float) {
#if defined(__x86_64__)
    if (target() == Target::kAvx512 && outputs % 16 == 0) return avx512::float_products();
    if (target() != Target::kBaseline) return avx2::float_products();
#endif
    return baseline::float_products();
}

}  // namespace timesteps
