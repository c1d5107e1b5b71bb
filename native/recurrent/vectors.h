// Vectors of W numbers, and the functions of them that gates are made of.
//
// Everything from here to target.h is compiled once for each instruction set, in a namespace of its own
// (TIMESTEPS_TARGET). None of it may use templates or inline functions of the standard library: the linker keeps one
// copy of those for all sets, and that copy could be the one that this processor cannot run.
#pragma once

#include <cstdint>

namespace timesteps::TIMESTEPS_TARGET {

#define TIMESTEPS_ALWAYS [[gnu::always_inline]] static inline

using Index = std::int64_t;

template <class T>
constexpr int kWidth = TIMESTEPS_BYTES / sizeof(T);  // numbers of a vector

template <class T, int W>
struct VectorOf {
    typedef T type __attribute__((vector_size(sizeof(T) * W)));
};
template <class T, int W>
using Vector = typename VectorOf<T, W>::type;

template <int W>
using Integers = typename VectorOf<std::int32_t, W>::type;

template <class V, class T>
TIMESTEPS_ALWAYS V load(const T* from) {
    V v;
    __builtin_memcpy(&v, from, sizeof v);
    return v;
}

template <class V, class T>
TIMESTEPS_ALWAYS void store(T* to, const V& v) {
    __builtin_memcpy(to, &v, sizeof v);
}

/// The first `lanes` numbers; the others are zero.
template <class V, class T>
TIMESTEPS_ALWAYS V load_some(const T* from, Index lanes) {
    if (lanes * Index(sizeof(T)) >= Index(sizeof(V))) return load<V>(from);
    V v{};
    if (lanes > 0) __builtin_memcpy(&v, from, lanes * sizeof(T));
    return v;
}

template <class V, class T>
TIMESTEPS_ALWAYS void store_some(T* to, const V& v, Index lanes) {
    if (lanes * Index(sizeof(T)) >= Index(sizeof(V))) return store(to, v);
    if (lanes > 0) __builtin_memcpy(to, &v, lanes * sizeof(T));
}

template <class V, class T>
TIMESTEPS_ALWAYS V splat(T number) {
    return number - V{};  // x - 0 is x, also for -0
}

// Bounds. NaN stays NaN: a comparison with it is false, and x is what is left then.
template <class V, class T>
TIMESTEPS_ALWAYS V at_least(V x, T low) {
    return x < low ? splat<V>(low) : x;
}

template <class V, class T>
TIMESTEPS_ALWAYS V at_most(V x, T high) {
    return x > high ? splat<V>(high) : x;
}

// e^x = 2^n (1 + p), with n whole and p = e^r - 1 for the rest |r| <= ln 2 / 2. The polynomial's coefficients minimise
// the largest error (4.5e-9) of r + r^2 q(r), found by iterated least squares. |x| has to stay below 88.
template <class V>
struct Exponential {
    V power, rest;  // 2^n, p
};

template <int W>
TIMESTEPS_ALWAYS Exponential<Vector<float, W>> exponential(Vector<float, W> x) {
    using V = Vector<float, W>;
    constexpr float kWhole = 12583039.0f;  // 1.5 * 2^23 + 127: adding it leaves n + 127 in the lowest bits
    const V shifted = x * 1.44269504f + kWhole;
    const V n = shifted - kWhole;
    Integers<W> bits;
    __builtin_memcpy(&bits, &shifted, sizeof bits);
    bits <<= 23;
    V power;
    __builtin_memcpy(&power, &bits, sizeof power);
#if (defined(__FMA__) || defined(__aarch64__)) && !defined(TIMESTEPS_PLAIN_PRODUCTS)
    const V r = x - n * 0.693147182f;
#else  // the first part of ln 2 times n is exact
    const V r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
#endif
    V q = r * 0.0013950540451332927f + 0.008368917740881443f;
    q = q * r + 0.04166620597243309f;
    q = q * r + 0.166665181517601f;
    q = q * r + 0.5f;
    return {power, q * (r * r) + r};
}

/// Exactly 0 where e^-x is beyond what a number holds, as of minus infinity.
template <int W>
TIMESTEPS_ALWAYS Vector<float, W> sigmoid(Vector<float, W> x) {
    const auto e = exponential<W>(at_least(-x, -87.0f));
    return x < -87.0f ? Vector<float, W>{} : 1.0f / (e.power * e.rest + (e.power + 1.0f));
}

/// By e^2x - 1, so that small numbers keep all their digits.
template <int W>
TIMESTEPS_ALWAYS Vector<float, W> tanh(Vector<float, W> x) {
    const auto e = exponential<W>(at_most(at_least(x + x, -30.0f), 30.0f));
    const Vector<float, W> less_one = e.power * e.rest + (e.power - 1.0f);
    return less_one / (less_one + 2.0f);
}

/// e^x for x <= 80; exactly 0 where it is beyond what a number holds.
template <int W>
TIMESTEPS_ALWAYS Vector<float, W> exponential_below(Vector<float, W> x) {
    const auto e = exponential<W>(at_least(x, -87.0f));
    return x < -87.0f ? Vector<float, W>{} : e.power * e.rest + e.power;
}

// Double precision serves checks of gradients: exact and plain.
template <int W>
TIMESTEPS_ALWAYS Vector<double, W> exponential_below(Vector<double, W> x) {
    for (int lane = 0; lane < W; ++lane) x[lane] = __builtin_exp(x[lane]);
    return x;
}

template <int W>
TIMESTEPS_ALWAYS Vector<double, W> sigmoid(Vector<double, W> x) {
    for (int lane = 0; lane < W; ++lane) x[lane] = 1 / (1 + __builtin_exp(-x[lane]));
    return x;
}

template <int W>
TIMESTEPS_ALWAYS Vector<double, W> tanh(Vector<double, W> x) {
    for (int lane = 0; lane < W; ++lane) x[lane] = __builtin_tanh(x[lane]);
    return x;
}

/// The first or second half of two vectors, number by number in turn.
template <int W, class V>
TIMESTEPS_ALWAYS V interleave(const V& a, const V& b, int half) {
#if defined(__clang__)
    V v;
    for (int lane = 0; lane < W; ++lane) v[lane] = (lane % 2 == 0 ? a : b)[half * (W / 2) + lane / 2];
    return v;
#else
    decltype(V{} < V{}) lanes;  // whole numbers of the same size
    for (int lane = 0; lane < W; ++lane) lanes[lane] = half * (W / 2) + lane / 2 + (lane % 2) * W;
    return __builtin_shuffle(a, b, lanes);
#endif
}

/// Rows become columns: v[i][j] and v[j][i] change places.
template <class T, int W>
TIMESTEPS_ALWAYS void transpose(Vector<T, W> (&v)[W]) {
    for (int stage = 1; stage < W; stage *= 2) {  // each interleaves row i with row i + W/2
        Vector<T, W> next[W];
        for (int i = 0; i < W / 2; ++i) {
            next[2 * i] = interleave<W>(v[i], v[i + W / 2], 0);
            next[2 * i + 1] = interleave<W>(v[i], v[i + W / 2], 1);
        }
        for (int i = 0; i < W; ++i) v[i] = next[i];
    }
}

}  // namespace timesteps::TIMESTEPS_TARGET
