// One source, compiled for several instruction sets; the processor's best is chosen when it runs.
//
// A kernel is written once as an inline function, of plain loops or of the vectors below:
//     TIMESTEPS_INLINE void add_body(float* a, const float* b, int n) { for (int i = 0; i < n; ++i) a[i] += b[i]; }
//     TIMESTEPS_DISPATCH(add, (float* a, const float* b, int n), (a, b, n))
// defines add(a, b, n). Fused multiply-add is off (-ffp-contract=off), so every set gives the same bits. With
// TIMESTEPS_INSTRUCTIONS=baseline in the environment only what every processor of the kind has is used.
#pragma once

#include <cstdlib>
#include <cstring>

#if !defined(__GNUC__)  // clang defines it too
#error "the vector extensions of GCC and clang are needed"
#endif

#define TIMESTEPS_PREFETCH(pointer) __builtin_prefetch(pointer)
#define TIMESTEPS_RESTRICT __restrict__
#define TIMESTEPS_INLINE static inline __attribute__((always_inline))
#if defined(__x86_64__)
#define TIMESTEPS_DISPATCH(name, parameters, arguments)                                                      \
    __attribute__((target("avx2"))) static inline void name##_avx2 parameters { name##_body arguments; }     \
    static inline void name##_baseline parameters { name##_body arguments; }                                 \
    inline void name parameters { has_avx2() ? name##_avx2 arguments : name##_baseline arguments; }
#else
#define TIMESTEPS_DISPATCH(name, parameters, arguments) \
    inline void name parameters { name##_body arguments; }
#endif

namespace timesteps {

inline bool has_avx2() {
#if defined(__x86_64__)
    static const bool has = [] {
        const char* wanted = std::getenv("TIMESTEPS_INSTRUCTIONS");
        return __builtin_cpu_supports("avx2") && !(wanted != nullptr && std::strcmp(wanted, "baseline") == 0);
    }();
    return has;
#else
    return false;
#endif
}

/// Eight numbers. The compiler makes of them what the instruction set has: one register, or two, or four.
typedef float Vector __attribute__((vector_size(32)));
constexpr int kLanes = 8;

/// From any address. (A reference to a vector of less alignment would do with GCC; clang takes it for an aligned one.)
TIMESTEPS_INLINE Vector load(const float* from) {
    Vector vector;
    __builtin_memcpy(&vector, from, sizeof vector);
    return vector;
}

TIMESTEPS_INLINE void store(float* to, const Vector& vector) { __builtin_memcpy(to, &vector, sizeof vector); }

inline const char* instructions() { return has_avx2() ? "avx2" : "baseline"; }

}  // namespace timesteps
