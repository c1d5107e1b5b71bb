// Layer norm of what lies in panels: over slots First … First + Count - 1 of all panels of a row, padded units left out.
#pragma once

#include "layout.h"

namespace timesteps::TIMESTEPS_TARGET {

constexpr double kEpsilon = 1e-5;  // added to the variance; NORM_EPSILON of src/timesteps/nn/cells/cell.py

TIMESTEPS_ALWAYS float root(float x) { return __builtin_sqrtf(x); }
TIMESTEPS_ALWAYS double root(double x) { return __builtin_sqrt(x); }

/// The sum of W numbers, always in the same order.
template <class T, int W>
TIMESTEPS_ALWAYS T total(Vector<T, W> v) {
    if constexpr (W == 1) {
        return v[0];
    } else {
        Vector<T, W / 2> low, high;
        __builtin_memcpy(&low, &v, sizeof low);
        __builtin_memcpy(&high, reinterpret_cast<const char*>(&v) + sizeof low, sizeof high);
        return total<T, W / 2>(low + high);
    }
}

/// v, zero on lanes from `units` on.
template <class T, int W>
TIMESTEPS_ALWAYS Vector<T, W> only(Vector<T, W> v, Index units) {
    Vector<T, W> lanes;
    for (int lane = 0; lane < W; ++lane) lanes[lane] = static_cast<T>(lane);
    return lanes < static_cast<T>(units) ? v : Vector<T, W>{};
}

template <class Cell, int First, int Count>
struct Norm {
    using T = typename Cell::T;
    using V = typename Cell::V;
    static constexpr Index W = Cell::W, U = Cell::U;

    static T numbers(const Layout<Cell>& l) { return static_cast<T>((U > 1 ? 1 : Count) * l.hidden); }

    /// Units of a panel, less those of the vectors before that of slot v.
    static Index units(const Layout<Cell>& l, Index panel, int v) {
        return l.units(panel) - (U > 1 ? (First + v) * W : 0);
    }

    /// work(panel, v, whether there is padding) for all vectors of a row.
    template <class Work>
    TIMESTEPS_ALWAYS void each(const Layout<Cell>& l, const Work& work) {
        const Index full = l.hidden / (U * W);
        for (Index panel = 0; panel < full; ++panel)
#pragma GCC unroll 4
            for (int v = 0; v < Count; ++v) work.template operator()<false>(panel, v);
        if (full < l.panels)
#pragma GCC unroll 4
            for (int v = 0; v < Count; ++v) work.template operator()<true>(full, v);
    }

    /// Mean and 1 / sqrt(variance + epsilon) of `rows` rows of a (panels `stride`, rows `step` apart).
    [[gnu::noinline]] static void statistics(const Layout<Cell>& l, const T* a, Index step, Index stride, Index rows,
                                             T* mean, T* scale) {
        const T count = numbers(l);
        a += First * W;
        for (Index row = 0; row < rows; ++row, a += step) {
            const auto number = [&]<bool Padded>(Index panel, int v, T less) {
                const V x = load<V>(a + panel * stride + v * W) - less;
                return Padded ? only<T, W>(x, units(l, panel, v)) : x;
            };
            V sums[Count]{}, squares[Count]{};
            each(l, [&]<bool Padded>(Index panel, int v) { sums[v] += number.template operator()<Padded>(panel, v, T{}); });
            for (int v = 1; v < Count; ++v) sums[0] += sums[v];
            const T middle = total<T, W>(sums[0]) / count;
            each(l, [&]<bool Padded>(Index panel, int v) {
                const V x = number.template operator()<Padded>(panel, v, middle);
                squares[v] += x * x;
            });
            for (int v = 1; v < Count; ++v) squares[0] += squares[v];
            mean[row] = middle;
            scale[row] = 1 / root(total<T, W>(squares[0]) / count + static_cast<T>(kEpsilon));
        }
    }

    /// Rows of one panel of a become normalised, and the gates that plus the bias, or gain that much where there is none.
    /// a may be the gates.
    static void apply(const Layout<Cell>& l, Index panel, Index rows, const T* mean, const T* scale, const T* gain,
                      const T* bias, T* a, T* gates) {
        l.units(panel) < U * W ? apply<true>(l, panel, rows, mean, scale, gain, bias, a, gates)
                               : apply<false>(l, panel, rows, mean, scale, gain, bias, a, gates);
    }

    /// What the norm's way back takes away from each number of a row, and for each normalised number.
    struct Pull {
        T less, slope;
    };
    TIMESTEPS_ALWAYS Pull pull(const Layout<Cell>& l, T scale, const T* gain, const T* hat, Index hat_stride,
                               const T* d, Index stride) {
        V sums[Count]{}, products[Count]{};
        for (Index panel = 0; panel < l.panels; ++panel)
#pragma GCC unroll 4
            for (int v = 0; v < Count; ++v) {
                const V gained = load<V>(d + panel * stride + v * W) * load<V>(gain + panel * l.gains_row() + v * W);
                sums[v] += gained;
                products[v] += gained * load<V>(hat + panel * hat_stride + v * W);
            }
        for (int v = 1; v < Count; ++v) sums[0] += sums[v], products[0] += products[v];
        const T share = scale / numbers(l);
        return {share * total<T, W>(sums[0]), share * total<T, W>(products[0])};
    }

    /// The same of all rows, of which d and hat are slots.
    [[gnu::noinline]] static void pulls(const Layout<Cell>& l, Index rows, const T* scale, const T* gain, const T* hat,
                                        const T* d, Index stride, T* less, T* slope) {
        for (Index row = 0; row < rows; ++row, hat += Cell::S * W, d += Cell::S * W) {
            const Pull pulled = pull(l, scale[row], gain, hat, stride, d, stride);
            less[row] = pulled.less, slope[row] = pulled.slope;
        }
    }

    /// Of `rows` rows, through gain and norm: from d, the gradients of what the gates gained, to those of the product.
    /// All lie as the gates do; gains of panels are l.gains_row() apart.
    [[gnu::noinline]] static void backward(const Layout<Cell>& l, Index rows, const T* scale, const T* gain,
                                           const T* hat, Index hat_stride, const T* d, T* out, Index stride) {
        constexpr Index step = Cell::S * W;
        gain += First * W, hat += First * W, d += First * W, out += First * W;
        for (Index row = 0; row < rows; ++row, hat += step, d += step, out += step) {
            const T s = scale[row];
            const Pull pulled = pull(l, s, gain, hat, hat_stride, d, stride);
            for (Index panel = 0; panel < l.panels; ++panel)
#pragma GCC unroll 4
                for (int v = 0; v < Count; ++v) {
                    const V gained = load<V>(d + panel * stride + v * W) * load<V>(gain + panel * l.gains_row() + v * W);
                    const V x = load<V>(hat + panel * hat_stride + v * W);
                    store(out + panel * stride + v * W, s * gained - pulled.less - x * pulled.slope);
                }
        }
    }

private:
    template <bool Padded>
    [[gnu::noinline]] static void apply(const Layout<Cell>& l, Index panel, Index rows, const T* mean, const T* scale,
                                        const T* gain, const T* bias, T* a, T* gates) {
        a += First * W, gates += First * W;
        V gains[Count], start[Count]{};
        for (int v = 0; v < Count; ++v) {
            gains[v] = load<V>(gain + (First + v) * W);
            if (bias != nullptr) start[v] = load<V>(bias + (First + v) * W);
        }
        for (Index row = 0; row < rows; ++row, a += Cell::S * W, gates += Cell::S * W)
#pragma GCC unroll 4
            for (int v = 0; v < Count; ++v) {
                V x = (load<V>(a + v * W) - mean[row]) * scale[row];
                if constexpr (Padded) x = only<T, W>(x, units(l, panel, v));
                const V old = bias != nullptr ? start[v] : load<V>(gates + v * W);
                store(a + v * W, x);
                store(gates + v * W, old + gains[v] * x);
            }
    }
};

/// What a cell's layer norm takes together: all gates; of a cell with kAlone, slots 1 and 2, and by themselves slot 0 on
/// the input side and kAlone on the other.
template <class Cell>
using NormTogether = Norm<Cell, Cell::kAlone < 0 ? 0 : 1, Cell::kAlone < 0 ? Cell::S : 2>;
template <class Cell>
using NormAlone = Norm<Cell, Cell::kAlone < 0 ? 0 : Cell::kAlone, 1>;

}  // namespace timesteps::TIMESTEPS_TARGET
