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
    static constexpr Index kAhead = 2;  // rows that what is normed, which is long out of the cache, is fetched before

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

    /// One of the two products that entered the gates: by how much its rows were scaled, its gains, what is normed, and
    /// where its gradients go.
    struct Side {
        const T *scale, *gain, *normed;
        T* out;
    };

    /// What the norm's way back takes away from each number of a row, and for each normed number.
    struct Pull {
        T less, slope;
    };

    /// Of all rows, where d and what is normed lie in one array, `stride` from panel to panel.
    [[gnu::noinline]] static void pulls(const Layout<Cell>& l, Index rows, const Side& side, const T* d, Index stride,
                                        T* less, T* slope) {
        for (Index row = 0; row < rows; ++row) {
            Pull of[1];
            pull<1>(l, &side, row, stride, d, stride, of);
            less[row] = of[0].less, slope[row] = of[0].slope;
        }
    }

    /// Through gain and norm: from d, the gradients of what the gates gained, to those of the products. All lie as the
    /// gates do, what is normed `normed_stride` from panel to panel.
    template <int Sides>
    [[gnu::noinline]] static void backward(const Layout<Cell>& l, Index rows, const Side* of_call, Index normed_stride,
                                           const T* d, Index stride) {
        Side sides[Sides];  // copies, which no store of a number can change
        for (int n = 0; n < Sides; ++n) sides[n] = of_call[n];
        for (Index row = 0; row < rows; ++row) {
            Pull of[Sides];
            pull<Sides>(l, sides, row, normed_stride, d, stride, of);
            const Index at = row * Cell::S * W + First * W;
            for (Index panel = 0; panel < l.panels; ++panel)
#pragma GCC unroll 4
                for (int v = 0; v < Count; ++v) {
                    const V grad = load<V>(d + at + panel * stride + v * W);
#pragma GCC unroll 2
                    for (int n = 0; n < Sides; ++n) {
                        const V gained = grad * load<V>(sides[n].gain + panel * l.gains_row() + (First + v) * W);
                        const V x = load<V>(sides[n].normed + at + panel * normed_stride + v * W);
                        store(sides[n].out + at + panel * stride + v * W,
                              sides[n].scale[row] * gained - of[n].less - x * of[n].slope);
                    }
                }
        }
    }

private:
    template <int Sides>
    TIMESTEPS_ALWAYS void pull(const Layout<Cell>& l, const Side* sides, Index row, Index normed_stride, const T* d,
                               Index stride, Pull* of) {
        constexpr int kChains = Count > 1 ? 2 : 1;  // of additions, for each of the sums
        V sums[Sides][kChains]{}, products[Sides][kChains]{};
        const Index at = row * Cell::S * W + First * W;
        for (Index panel = 0; panel < l.panels; ++panel)
#pragma GCC unroll 4
            for (int v = 0; v < Count; ++v) {
                const V grad = load<V>(d + at + panel * stride + v * W);
#pragma GCC unroll 2
                for (int n = 0; n < Sides; ++n) {
                    const T* normed = sides[n].normed + at + panel * normed_stride + v * W;
                    if (v * W * sizeof(T) % kLine == 0) __builtin_prefetch(normed + kAhead * Cell::S * W);
                    const V gained = grad * load<V>(sides[n].gain + panel * l.gains_row() + (First + v) * W);
                    sums[n][v % kChains] += gained;
                    products[n][v % kChains] += gained * load<V>(normed);
                }
            }
        for (int n = 0; n < Sides; ++n) {
            if constexpr (kChains > 1) sums[n][0] += sums[n][1], products[n][0] += products[n][1];
            const T share = sides[n].scale[row] / numbers(l);
            of[n] = {share * total<T, W>(sums[n][0]), share * total<T, W>(products[n][0])};
        }
    }

    template <bool Padded>
    [[gnu::noinline]] static void apply(const Layout<Cell>& l, Index panel, Index rows, const T* mean, const T* scale,
                                        const T* gain, const T* bias, T* a, T* gates) {
        a += First * W, gates += First * W;
        V gains[Count];
        for (int v = 0; v < Count; ++v) gains[v] = load<V>(gain + (First + v) * W);
        // One load, whatever it is: behind a branch, it would be the compiler's choice which sums are fused.
        const T* old = bias != nullptr ? bias + First * W : gates;
        const Index next = bias != nullptr ? 0 : Cell::S * W;
        for (Index row = 0; row < rows; ++row, a += Cell::S * W, gates += Cell::S * W, old += next)
#pragma GCC unroll 4
            for (int v = 0; v < Count; ++v) {
                V x = (load<V>(a + v * W) - mean[row]) * scale[row];
                if constexpr (Padded) x = only<T, W>(x, units(l, panel, v));
                const V sum = load<V>(old + v * W) + gains[v] * x;
                store(a + v * W, x);
                store(gates + v * W, sum);
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
