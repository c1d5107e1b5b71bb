// The softmax's kernels in one instruction set: see kernels.h. A file that defines TIMESTEPS_TARGET and TIMESTEPS_BYTES
// (of a register) and includes this one is compiled with that set's flags.
#pragma once

#include "../recurrent/tiles.h"
#include "kernels.h"

namespace timesteps::TIMESTEPS_TARGET {

template <class T, int W>
struct Projecting {
    using Vec = Vector<T, W>;
    static constexpr int V = 4;
    static constexpr Index kLanes = V * W;

    static Index panels(Index rows) { return (rows + kLanes - 1) / kLanes; }

    static void pack_rows(const T* h, Index rows, Index size, T* packed) {
        for (Index panel = 0; panel < panels(rows); ++panel) {
            const T* const from = h + panel * kLanes * size;
            const Index here = rows - panel * kLanes < kLanes ? rows - panel * kLanes : kLanes;
            for (Index k = 0; k < size; ++k, packed += kLanes) {
                for (Index r = 0; r < here; ++r) packed[r] = from[r * size + k];
                for (Index r = here; r < kLanes; ++r) packed[r] = T(0);
            }
        }
    }

    static void pack_columns(const T* h, Index rows, Index size, T* packed) {
        const Index padded = panels(rows) * kLanes;
        for (Index column = 0; column < size; column += kLanes) {
            const Index left = size - column < kLanes ? size - column : kLanes, wide = (left + W - 1) / W * W;
            for (Index r = 0; r < padded; ++r, packed += wide) {
                for (Index k = 0; k < wide; ++k) packed[k] = T(0);
                for (Index k = 0; k < left && r < rows; ++k) packed[k] = h[r * size + column + k];
            }
        }
    }

    static void unpack_rows(const T* packed, Index rows, Index size, T* h) {
        for (Index r = 0; r < rows; ++r)
            for (Index k = 0; k < size; ++k) h[r * size + k] = packed[k * kLanes + r];
    }

    static void scores(const T* const* weights, Index count, Index size, const T* panel, const T* bias, T* to) {
        for (Index n = 0; n < count; ++n)
            for (int v = 0; v < V; ++v)
                store(to + n * kLanes + v * W, splat<Vec>(bias == nullptr ? T(0) : bias[n]));
        multiply_rows<T, V>(weights, count, size, panel, nullptr, to, kLanes);
    }

    static void exponentials(T* scores, Index count, T* peak, T* sum) {
        for (int v = 0; v < V; ++v) {
            T* const from = scores + v * W;
            Vec most = load<Vec>(from), all{};
            for (Index n = 1; n < count; ++n) {
                const Vec score = load<Vec>(from + n * kLanes);
                most = score > most ? score : most;
            }
            for (Index n = 0; n < count; ++n) {
                const Vec e = exponential_below<W>(load<Vec>(from + n * kLanes) - most);
                store(from + n * kLanes, e);
                all += e;
            }
            store(peak + v * W, most);
            store(sum + v * W, all);
        }
    }

    static void scale(T* scores, Index count, const T* factor) {
        Vec factors[V];
        for (int v = 0; v < V; ++v) factors[v] = load<Vec>(factor + v * W);
        for (Index n = 0; n < count; ++n)
            for (int v = 0; v < V; ++v) {
                T* const to = scores + n * kLanes + v * W;
                store(to, load<Vec>(to) * factors[v]);
            }
    }

    static void bias_gradient(const T* d, Index panels, Index stride, Index count, T* bias, bool add) {
        for (Index n = 0; n < count; ++n) {
            Vec all{};
            for (Index panel = 0; panel < panels; ++panel)
                for (int v = 0; v < V; ++v) all += load<Vec>(d + panel * stride + n * kLanes + v * W);
            T sum = add ? bias[n] : T(0);
            for (int lane = 0; lane < W; ++lane) sum += all[lane];
            bias[n] = sum;
        }
    }

    template <int N>
    static void columns_gradient(const T* d, Index panels, Index stride, Index count, const T* columns, Index column,
                                 Index left, T* const* grads, bool add) {
        if constexpr (N > 1) {
            if (left <= (N - 1) * W)
                return columns_gradient<N - 1>(d, panels, stride, count, columns, column, left, grads, add);
        }
        multiply_panels<T, N>(d, count, kLanes, stride, panels, kLanes, columns, grads, column, add,
                                 left - (N - 1) * W);
    }

    static void weight_gradient(const T* d, Index panels, Index stride, Index count, const T* columns, Index size,
                                T* const* grads, bool add) {
        for (Index column = 0; column < size; column += kLanes) {
            const Index left = size - column < kLanes ? size - column : kLanes;
            columns_gradient<V>(d, panels, stride, count, columns, column, left, grads, add);
            columns += panels * kLanes * ((left + W - 1) / W * W);
        }
    }

    static void input_gradient(const T* d, Index count, const T* const* weights, Index size, T* c, bool add) {
        multiply_outer<T, V>(d, kLanes, count, weights, size, c, add);
    }

    static ProjectionKernels<T> kernels() {
        return {kLanes, W,     pack_rows,     pack_columns,    unpack_rows,   scores, exponentials,
                scale,  bias_gradient, weight_gradient, input_gradient};
    }
};

ProjectionKernels<float> float_projection() { return Projecting<float, TIMESTEPS_BYTES / sizeof(float)>::kernels(); }

ProjectionKernels<double> double_projection() { return Projecting<double, TIMESTEPS_BYTES / sizeof(double)>::kernels(); }

}  // namespace timesteps::TIMESTEPS_TARGET
