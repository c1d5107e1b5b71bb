// Matrix products in registers. Every number of a result is a chain of additions over k in rising order, or the sum of one
// chain a block of k, so it does not depend on the tile that it falls in, nor on the rows around it.
#pragma once

#include "vectors.h"

namespace timesteps::TIMESTEPS_TARGET {

/// Rows of a tile: as many as keep R * V accumulators, V weights and a broadcast number in registers. Double precision
/// is for checks and does with few.
template <class T>
constexpr int most_rows(int vectors) {
    if (sizeof(T) > sizeof(float)) return 3;
#if defined(__AVX512F__) || defined(__aarch64__)
    return vectors == 4 ? 6 : vectors == 3 ? 8 : 12;
#else
    return vectors == 4 ? 3 : vectors == 3 ? 4 : vectors == 2 ? 6 : 8;
#endif
}

constexpr Index kInner = 128;  // k of a block of weights that stays in the first-level cache while the rows pass

/// How many of `left` rows the next tile takes, so that the tiles are of nearly equal size.
TIMESTEPS_ALWAYS Index next_tile(Index left, Index most) {
    if (left <= most) return left;
    const Index tiles = (left + most - 1) / most;
    return (left + tiles - 1) / tiles;
}

/// c[r] (row of V vectors) = start[r] + sum over k of a[r][k] * w[k], a sum of its own if it is `apart`.
template <class T, int W, int R, int V>
[[gnu::noinline]] void tile_rows(const T* const* a, Index first, Index last, const T* w, const T* start,
                                 Index start_stride, bool apart, T* c, Index c_stride) {
    using Vec = Vector<T, W>;
    Vec sums[R][V];
    const T* row[R];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
        row[r] = a[r];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) sums[r][v] = apart ? Vec{} : load<Vec>(start + r * start_stride + v * W);
    }
    w += first * (V * W);
    Index k = first;
    do {  // there is at least one: a loop that may run zero times would keep a second copy of the sums
        Vec weights[V];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) weights[v] = load<Vec>(w + v * W);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
            const Vec number = splat<Vec>(row[r][k]);
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) sums[r][v] += number * weights[v];
        }
        w += V * W;
    } while (++k < last);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) {
            if (apart) sums[r][v] += load<Vec>(start + r * start_stride + v * W);
            store(c + r * c_stride + v * W, sums[r][v]);
        }
}

/// `lanes` numbers of some rows, from `column` on, to or from vectors side by side.
template <class T, int W>
[[gnu::noinline]] void fetch_lanes(T* const* rows, Index count, Index column, Index lanes, T* to) {
    for (Index r = 0; r < count; ++r)
        for (Index n = 0; n < W; ++n) to[r * W + n] = n < lanes ? rows[r][column + n] : 0;
}

template <class T, int W>
[[gnu::noinline]] void put_lanes(const T* from, Index count, Index column, Index lanes, T* const* rows) {
    for (Index r = 0; r < count; ++r)
        for (Index n = 0; n < lanes; ++n) rows[r][column + n] = from[r * W + n];
}

/// The same over rows of `panels`: k runs through `length` numbers of each of several panels. c[r] + column is a row of
/// V vectors, the last with `lanes` numbers; `add` goes on from what is there.
template <class T, int W, int R, int V>
[[gnu::noinline]] void tile_panels(const T* a, Index row_stride, Index panel_stride, Index panels, Index length,
                                   const T* w, T* const* c, Index column, bool add, Index lanes) {
    using Vec = Vector<T, W>;
    Vec sums[R][V];
    const T* row[R];
    T last[R * W];  // the last vectors, where they are not whole
    const bool whole = lanes >= W;
    const auto place = [&](int r, int v) { return v < V - 1 || whole ? c[r] + column + v * W : last + r * W; };
    if (add && !whole) fetch_lanes<T, W>(c, R, column + (V - 1) * W, lanes, last);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
        row[r] = a + r * row_stride;
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) sums[r][v] = add ? load<Vec>(place(r, v)) : Vec{};
    }
    Index first = 0;
    do {
        Index k = first;
        do {
            Vec weights[V];
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) weights[v] = load<Vec>(w + v * W);
#pragma GCC unroll 16
            for (int r = 0; r < R; ++r) {
                const Vec factor = splat<Vec>(row[r][k]);
#pragma GCC unroll 4
                for (int v = 0; v < V; ++v) sums[r][v] += factor * weights[v];
            }
            w += V * W;
        } while (++k < first + length);
        first += panel_stride;
    } while (--panels > 0);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) store(place(r, v), sums[r][v]);
    if (!whole) put_lanes<T, W>(last, R, column + (V - 1) * W, lanes, c);
}

/// c[k] (R rows of V vectors) = or += sum over n rows of b[row][k] * d[row].
template <class T, int W, int R, int V>
[[gnu::noinline]] void tile_outer(const T* d, Index d_stride, Index n, const T* const* b, Index column, T* c,
                                  bool add) {
    using Vec = Vector<T, W>;
    Vec sums[R][V]{};
    Index row = 0;
    do {
        const T* numbers = b[row] + column;
        Vec grads[V];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) grads[v] = load<Vec>(d + v * W);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
            const Vec number = splat<Vec>(numbers[r]);
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) sums[r][v] += number * grads[v];
        }
        d += d_stride;
    } while (++row < n);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) {
            T* to = c + (r * V + v) * W;
            store(to, add ? load<Vec>(to) + sums[r][v] : sums[r][v]);
        }
}

/// Calls f.template operator()<R>() for R = rows.
template <int R, class F>
TIMESTEPS_ALWAYS void with_rows(Index rows, const F& f) {
    if constexpr (R > 1) {
        if (rows != R) return with_rows<R - 1>(rows, f);
    }
    f.template operator()<R>();
}

template <class T, int V>
[[gnu::noinline]] void multiply_rows(const T* const* a, Index n, Index k, const T* w, const T* bias, T* c,
                                     Index c_stride) {
    for (Index first = 0; first < k; first += kInner) {
        const Index last = first + kInner < k ? first + kInner : k;
        const bool begin = first == 0 && bias != nullptr;
        for (Index row = 0, rows; row < n; row += rows) {
            rows = next_tile(n - row, most_rows<T>(V));
            T* to = c + row * c_stride;
            with_rows<most_rows<T>(V)>(rows, [&]<int R>() {
                tile_rows<T, kWidth<T>, R, V>(a + row, first, last, w, begin ? bias : to, begin ? 0 : c_stride,
                                              k > kInner, to, c_stride);
            });
        }
    }
}

/// c (n rows of some vectors) = bias + a w, or += a w where there is no bias. Long sums are made block by block, each
/// from zero: the rounding of a number grows with the length of its chains.
template <class T>
void multiply_rows(Index vectors, const T* const* a, Index n, Index k, const T* w, const T* bias, T* c, Index c_stride) {
    with_rows<4>(vectors, [&]<int V>() { multiply_rows<T, V>(a, n, k, w, bias, c, c_stride); });
}

template <class T, int V>
[[gnu::noinline]] void multiply_panels(const T* a, Index n, Index row_stride, Index panel_stride, Index panels,
                                       Index length, const T* w, T* const* c, Index column, bool add, Index lanes) {
    constexpr int W = kWidth<T>;
    const Index together = kInner / length > 0 ? kInner / length : 1;
    for (Index first = 0; first < panels; first += together) {
        const Index some = first + together < panels ? together : panels - first;
        for (Index row = 0, rows; row < n; row += rows) {
            rows = next_tile(n - row, most_rows<T>(V));
            with_rows<most_rows<T>(V)>(rows, [&]<int R>() {
                tile_panels<T, W, R, V>(a + first * panel_stride + row * row_stride, row_stride, panel_stride, some,
                                        length, w + first * length * (V * W), c + row, column, add || first > 0, lanes);
            });
        }
    }
}

/// Rows of c, at `column` … of some vectors, = or += panels (a) times w.
template <class T>
void multiply_panels(Index vectors, const T* a, Index n, Index row_stride, Index panel_stride, Index panels, Index length,
                     const T* w, T* const* c, Index column, bool add, Index lanes) {
    with_rows<4>(vectors, [&]<int V>() {
        multiply_panels<T, V>(a, n, row_stride, panel_stride, panels, length, w, c, column, add, lanes);
    });
}

template <class T, int V>
[[gnu::noinline]] void multiply_outer(const T* d, Index d_stride, Index n, const T* const* b, Index k, T* c, bool add) {
    constexpr int W = kWidth<T>;
    for (Index column = 0, columns; column < k; column += columns) {
        columns = next_tile(k - column, most_rows<T>(V));
        with_rows<most_rows<T>(V)>(
            columns, [&]<int R>() { tile_outer<T, W, R, V>(d, d_stride, n, b, column, c + column * (V * W), add); });
    }
}

/// c (k rows of some vectors) = or += transposed b (n rows of k numbers) times d (n rows of them).
template <class T>
void multiply_outer(Index vectors, const T* d, Index d_stride, Index n, const T* const* b, Index k, T* c, bool add) {
    with_rows<4>(vectors, [&]<int V>() { multiply_outer<T, V>(d, d_stride, n, b, k, c, add); });
}

}  // namespace timesteps::TIMESTEPS_TARGET
