// Whole numbers in the place of floats: a vector of activations as numbers -127 … 127 with one scale, and dot products
// of four pairs at once in each lane, exact in every instruction set.
#pragma once

#include "../../recurrent/vectors.h"

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace timesteps::TIMESTEPS_TARGET {

constexpr Index kFour = 4;  // numbers of a lane of a dot product

#if defined(__AVX512VNNI__)
constexpr int kOffset = 128;  // one factor of the instruction has no sign, so activations are stored that much larger
#else
constexpr int kOffset = 0;
#endif

/// Vectors whose largest number is below it count as zeros: no quotient of what follows can overflow then.
constexpr float kTiny = 7.888609e-31f;  // 2^-100

/// x (count) as whole numbers, kOffset added, in room for `count` rounded up to whole vectors. Returns the scale s, x
/// being s times them: max |x| / 127, to the nearest even number; 0 of zeros, NaN where a number is not finite.
template <int W>
float quantize(const float* x, Index count, std::int8_t* to) {
    using V = Vector<float, W>;
    using I = Integers<W>;
    I largest{};
    for (Index k = 0; k < count; k += W) {
        const V numbers = load_some<V>(x + k, count - k);
        I bits;  // of |x|, which as whole numbers are in the order of the floats, infinity and NaN above all
        __builtin_memcpy(&bits, &numbers, sizeof bits);
        bits &= 0x7fffffff;
        largest = bits > largest ? bits : largest;
    }
    std::int32_t most = 0;
    for (int lane = 0; lane < W; ++lane) most = most < largest[lane] ? largest[lane] : most;
    float bound;
    __builtin_memcpy(&bound, &most, sizeof bound);
    const bool finite = most < 0x7f800000, zeros = !finite || bound < kTiny;
    const float inverse = zeros ? 0.0f : 127.0f / bound;
    for (Index k = 0; k < count; k += W) {
        constexpr float kWhole = 12582912.0f;  // 1.5 * 2^23: adding it leaves the nearest whole number in the lowest bits
        V numbers = load_some<V>(x + k, count - k) * inverse;
        if (zeros) numbers = V{};
        const V shifted = numbers + kWhole;
        I bits;
        __builtin_memcpy(&bits, &shifted, sizeof bits);
        bits += kOffset - 0x4b400000;
        store(to + k, __builtin_convertvector(bits, typename VectorOf<std::int8_t, W>::type));
    }
    return finite ? zeros ? 0.0f : bound / 127.0f : __builtin_nanf("");
}

/// sums + the dot products of four bytes of each lane of `weights` with the four at x.
template <int W>
TIMESTEPS_ALWAYS Integers<W> add_products(Integers<W> sums, Integers<W> weights, Integers<W> x) {
#if defined(__AVX512VNNI__)
    return (Integers<W>)_mm512_dpbusd_epi32((__m512i)sums, (__m512i)x, (__m512i)weights);
#elif defined(__AVX2__)
    // |x| times the weight with x's sign: at most 2 * 127 * 127 in sixteen bits, so that nothing saturates.
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8((__m256i)x), _mm256_sign_epi8((__m256i)weights, (__m256i)x));
    return sums + (Integers<W>)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
#elif defined(__SSE2__)
    const auto even = [](Integers<W> bytes) { return _mm_srai_epi16(_mm_slli_epi16((__m128i)bytes, 8), 8); };
    const auto odd = [](Integers<W> bytes) { return _mm_srai_epi16((__m128i)bytes, 8); };
    return sums + (Integers<W>)_mm_madd_epi16(even(weights), even(x)) + (Integers<W>)_mm_madd_epi16(odd(weights), odd(x));
#else
    for (int shift = 0; shift < 32; shift += 8) sums += (weights << (24 - shift) >> 24) * (x << (24 - shift) >> 24);
    return sums;
#endif
}

}  // namespace timesteps::TIMESTEPS_TARGET
