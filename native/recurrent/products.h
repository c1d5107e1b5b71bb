// Products of many rows with one matrix, forward and backward, by the tiles of the recurrent kernels.
#pragma once

#include "tiles.h"

namespace timesteps::TIMESTEPS_TARGET {

constexpr Index kRowsAtOnce = 256;  // rows whose numbers stay in the cache while the columns pass

/// Calls f.template operator()<V>(column, width) for panels of V vectors that cover the columns begin … end - 1, of which
/// the last may be narrower than its vectors.
template <int W, class F>
TIMESTEPS_ALWAYS void each_panel(Index begin, Index end, const F& f) {
    while (begin < end) {
        const Index left = end - begin;
        if (left > 3 * W) {
            f.template operator()<4>(begin, least(left, 4 * W));
            begin += 4 * W;
        } else if (left > W) {
            f.template operator()<2>(begin, least(left, 2 * W));
            begin += 2 * W;
        } else {
            f.template operator()<1>(begin, left);
            begin += W;
        }
    }
}

/// The numbers of at(row, column) in panels of V vectors, each (rows, V * W), padded with zeros.
template <int W, class T, class At>
void pack_panels(Index rows, Index columns, T* packed, const At& at) {
    each_panel<W>(0, columns, [&]<int V>(Index column, Index width) {
        for (Index row = 0; row < rows; ++row)
            for (Index n = 0; n < V * W; ++n) *packed++ = n < width ? at(row, column + n) : T(0);
    });
}

template <class T>
Products<T> products_for() {
    constexpr int W = TIMESTEPS_BYTES / sizeof(T);
    using M = Matrix<T>;
    return {
        .lanes = W,
        .panel = 4 * W,
        .pack =
            [](const M& m, T* packed) {
                pack_panels<W>(m.inputs, m.outputs, packed,
                               [&](Index k, Index n) { return m.weight[n * m.inputs + k]; });
            },
        .forward =
            [](const M& m, const T* packed, const T* bias, const T* const* x, Index rows, T* y) {
                for (Index row = 0; row < rows; row += kRowsAtOnce)
                    each_panel<W>(0, m.outputs, [&]<int V>(Index column, Index) {
                        multiply_rows<T, V>(x + row, least(kRowsAtOnce, rows - row), m.inputs,
                                               packed + column * m.inputs, bias + column, y + row * m.pitch + column,
                                               m.pitch);
                    });
            },
        .weight_gradient =
            [](const M& m, Index begin, Index end, const T* dy, const T* const* x, Index rows, T* sums) {
                for (Index row = 0; row < rows; row += kRowsAtOnce)
                    each_panel<W>(begin, end, [&]<int V>(Index column, Index) {
                        multiply_outer<T, V>(dy + row * m.pitch + column, m.pitch, least(kRowsAtOnce, rows - row),
                                                x + row, m.inputs, sums + column * m.inputs, row > 0);
                    });
            },
        .unpack =
            [](const M& m, const T* sums, T* gradient) {
                each_panel<W>(0, m.outputs, [&]<int V>(Index column, Index width) {
                    for (Index k = 0; k < m.inputs; ++k, sums += V * W)
                        for (Index n = 0; n < width; ++n) gradient[(column + n) * m.inputs + k] = sums[n];
                });
            },
        .pack_backward =
            [](const M& m, T* packed) {
                pack_panels<W>(m.outputs, m.inputs, packed,
                               [&](Index n, Index k) { return m.weight[n * m.inputs + k]; });
            },
        .row_gradients =
            [](const M& m, const T* packed, const T* dy, Index rows, T* const* dx, bool add) {
                for (Index row = 0; row < rows; row += kRowsAtOnce)
                    each_panel<W>(0, m.inputs, [&]<int V>(Index column, Index width) {
                        for (Index n = 0; n < m.outputs; n += kInner) {
                            const Index length = least(kInner, m.outputs - n);
                            multiply_panels<T, V>(dy + row * m.pitch + n, least(kRowsAtOnce, rows - row), m.pitch,
                                                     length, 1, length, packed + column * m.outputs + n * V * W,
                                                     dx + row, column, add || n > 0, width - (V - 1) * W);
                        }
                    });
            },
    };
}

Products<TIMESTEPS_NUMBER> products(TIMESTEPS_NUMBER) { return products_for<TIMESTEPS_NUMBER>(); }

}  // namespace timesteps::TIMESTEPS_TARGET
