// Copies that leave no trace in the caches: of results that would only drive out of them what is still read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace timesteps {

constexpr std::size_t kPastCacheBytes = 16;  // what such copies come in, and where they begin at a multiple of

inline bool may_go_past_cache(const void* to) { return reinterpret_cast<std::uintptr_t>(to) % kPastCacheBytes == 0; }

/// Bytes, a multiple of kPastCacheBytes, to where may_go_past_cache. Memory is not read before it is written, as it is
/// when a cache takes the line: that saves half of the way.
template <std::size_t kBytes>
void copy_past_cache(void* to, const void* from) {
    static_assert(kBytes % kPastCacheBytes == 0);
#if defined(__SSE2__)
    for (std::size_t n = 0; n < kBytes / kPastCacheBytes; ++n)
        _mm_stream_si128(static_cast<__m128i*>(to) + n, _mm_loadu_si128(static_cast<const __m128i*>(from) + n));
#else
    std::memcpy(to, from, kBytes);
#endif
}

/// After the last one, lest what another thread reads then is older.
inline void end_past_cache() {
#if defined(__SSE2__)
    _mm_sfence();
#endif
}

}  // namespace timesteps
