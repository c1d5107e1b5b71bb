// Layer norm of what lies in panels: over some slots, side by side, of all panels of a row, padded units left out.
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

/// Slots of a panel that are normed together.
struct Slots {
    Index first, count;
};
constexpr Slots kFirstSlot{0, 1};

/// What a cell's layer norm takes together: all gates; of a cell with kAlone, slots 1 and 2, and by themselves slot 0
/// on the input side and kAlone on the other.
template <class T>
Slots together(const Layout<T>& l) {
    return l.cell.alone < 0 ? Slots{0, l.S} : Slots{1, 2};
}
template <class T>
Slots alone(const Layout<T>& l) {
    return {l.cell.alone, 1};
}

/// One of the two products that entered the gates: by how much its rows were scaled, its gains, what is normed, and
/// where its gradients go.
template <class T>
struct Side {
    const T *scale, *gain, *normed;
    T* out;
};

/// What the norm's way back takes away from each number of a row, and for each normed number.
template <class T>
struct Pull {
    T less, slope;
};

/// Of `Count` slots from `first` on.
template <class T, int Count>
struct Norm {
    static constexpr Index W = kWidth<T>;
    using V = Vector<T, W>;
    static constexpr Index kAhead = 2;  // rows that what is normed, which is long out of the cache, is fetched before

    const Layout<T>& l;
    const Index first;

    T numbers() const { return static_cast<T>((l.U > 1 ? 1 : Count) * l.hidden); }

    /// Units of a panel, less those of the vectors before that of slot v.
    Index units(Index panel, int v) const { return l.units(panel) - (l.U > 1 ? (first + v) * W : 0); }

    /// work(panel, v, whether there is padding) for all vectors of a row.
    template <class Work>
    [[gnu::always_inline]] void each(const Work& work) const {
        const Index full = l.hidden / (l.U * W);
        for (Index panel = 0; panel < full; ++panel)
#pragma GCC unroll 4
            for (int v = 0; v < Count; ++v) work.template operator()<false>(panel, v);
        if (full < l.panels)
#pragma GCC unroll 4
            for (int v = 0; v < Count; ++v) work.template operator()<true>(full, v);
    }

    [[gnu::noinline]] void statistics(const T* a, Index step, Index stride, Index rows, T* mean, T* scale) const {
        const T count = numbers();
        a += first * W;
        for (Index row = 0; row < rows; ++row, a += step) {
            const auto number = [&]<bool Padded>(Index panel, int v, T less) {
                const V x = load<V>(a + panel * stride + v * W) - less;
                return Padded ? only<T, W>(x, units(panel, v)) : x;
            };
            V sums[Count]{}, squares[Count]{};
            each([&]<bool Padded>(Index panel, int v) {
                sums[v] += number.template operator()<Padded>(panel, v, T{});
            });
            for (int v = 1; v < Count; ++v) sums[0] += sums[v];
            const T middle = total<T, W>(sums[0]) / count;
            each([&]<bool Padded>(Index panel, int v) {
                const V x = number.template operator()<Padded>(panel, v, middle);
                squares[v] += x * x;
            });
            for (int v = 1; v < Count; ++v) squares[0] += squares[v];
            mean[row] = middle;
            scale[row] = 1 / root(total<T, W>(squares[0]) / count + static_cast<T>(kEpsilon));
        }
    }

    template <bool Padded>
    [[gnu::noinline]] void apply(Index panel, Index rows, const T* mean, const T* scale, const T* gain, const T* bias,
                                 T* a, T* gates) const {
        a += first * W, gates += first * W;
        V gains[Count];
        for (int v = 0; v < Count; ++v) gains[v] = load<V>(gain + (first + v) * W);
        // One load, whatever it is: behind a branch, it would be the compiler's choice which sums are fused.
        const Index step = l.gate_row(), next = bias != nullptr ? 0 : step;
        const T* old = bias != nullptr ? bias + first * W : gates;
        for (Index row = 0; row < rows; ++row, a += step, gates += step, old += next)
#pragma GCC unroll 4
            for (int v = 0; v < Count; ++v) {
                V x = (load<V>(a + v * W) - mean[row]) * scale[row];
                if constexpr (Padded) x = only<T, W>(x, units(panel, v));
                const V sum = load<V>(old + v * W) + gains[v] * x;
                store(a + v * W, x);
                store(gates + v * W, sum);
            }
    }

    /// Strides as local numbers: those of the layout would be read again after each store.
    struct Strides {
        Index panels, row, gains, normed, d;
    };
    Strides strides(Index normed, Index d) const { return {l.panels, l.gate_row(), l.gains_row(), normed, d}; }

    template <int Sides>
    [[gnu::always_inline]] void pull(const Side<T>* sides, Index row, const T* d, const Strides& by,
                                     Pull<T>* of) const {
        constexpr int kChains = Count > 1 ? 2 : 1;  // of additions, for each of the sums
        V sums[Sides][kChains]{}, products[Sides][kChains]{};
        const Index at = row * by.row + first * W;
        for (Index panel = 0; panel < by.panels; ++panel)
#pragma GCC unroll 4
            for (int v = 0; v < Count; ++v) {
                const V grad = load<V>(d + at + panel * by.d + v * W);
#pragma GCC unroll 2
                for (int n = 0; n < Sides; ++n) {
                    const T* normed = sides[n].normed + at + panel * by.normed + v * W;
                    if (v * W * sizeof(T) % kLine == 0) __builtin_prefetch(normed + kAhead * by.row);
                    const V gained = grad * load<V>(sides[n].gain + panel * by.gains + (first + v) * W);
                    sums[n][v % kChains] += gained;
                    products[n][v % kChains] += gained * load<V>(normed);
                }
            }
        for (int n = 0; n < Sides; ++n) {
            if constexpr (kChains > 1) sums[n][0] += sums[n][1], products[n][0] += products[n][1];
            const T share = sides[n].scale[row] / numbers();
            of[n] = {share * total<T, W>(sums[n][0]), share * total<T, W>(products[n][0])};
        }
    }

    [[gnu::noinline]] void pulls(Index rows, const Side<T>& side, const T* d, Index stride, T* less, T* slope) const {
        const Strides by = strides(stride, stride);
        for (Index row = 0; row < rows; ++row) {
            Pull<T> of[1];
            pull<1>(&side, row, d, by, of);
            less[row] = of[0].less, slope[row] = of[0].slope;
        }
    }

    template <int Sides>
    [[gnu::noinline]] void backward(Index rows, const Side<T>* of_call, Index normed_stride, const T* d,
                                    Index stride) const {
        Side<T> sides[Sides];  // copies, which no store of a number can change
        for (int n = 0; n < Sides; ++n) sides[n] = of_call[n];
        const Strides by = strides(normed_stride, stride);
        for (Index row = 0; row < rows; ++row) {
            Pull<T> of[Sides];
            pull<Sides>(sides, row, d, by, of);
            const Index at = row * by.row + first * W;
            for (Index panel = 0; panel < by.panels; ++panel)
#pragma GCC unroll 4
                for (int v = 0; v < Count; ++v) {
                    const V grad = load<V>(d + at + panel * by.d + v * W);
#pragma GCC unroll 2
                    for (int n = 0; n < Sides; ++n) {
                        const V gained = grad * load<V>(sides[n].gain + panel * by.gains + (first + v) * W);
                        const V x = load<V>(sides[n].normed + at + panel * by.normed + v * W);
                        store(sides[n].out + at + panel * by.d + v * W,
                              sides[n].scale[row] * gained - of[n].less - x * of[n].slope);
                    }
                }
        }
    }
};

/// work(norm) with the norm of those slots.
template <class T, class Work>
void with_norm(const Layout<T>& l, Slots slots, const Work& work) {
    if (slots.count == 1) return work(Norm<T, 1>{l, slots.first});
    if (slots.count == 2) return work(Norm<T, 2>{l, slots.first});
    work(Norm<T, 4>{l, slots.first});
}

/// Mean and 1 / sqrt(variance + epsilon) of `rows` rows of a (panels `stride`, rows `step` apart).
template <class T>
void norm_statistics(const Layout<T>& l, Slots slots, const T* a, Index step, Index stride, Index rows, T* mean,
                     T* scale) {
    with_norm(l, slots, [&](const auto& norm) { norm.statistics(a, step, stride, rows, mean, scale); });
}

/// Rows of one panel of a become normalised, and the gates that plus the bias, or gain that much where there is none.
/// a may be the gates.
template <class T>
void norm_apply(const Layout<T>& l, Slots slots, Index panel, Index rows, const T* mean, const T* scale, const T* gain,
                const T* bias, T* a, T* gates) {
    with_norm(l, slots, [&](const auto& norm) {
        if (l.units(panel) < l.U * l.W)
            norm.template apply<true>(panel, rows, mean, scale, gain, bias, a, gates);
        else
            norm.template apply<false>(panel, rows, mean, scale, gain, bias, a, gates);
    });
}

/// Through gain and norm: from d, the gradients of what the gates gained, to those of one or two products. All lie as
/// the gates do, what is normed `normed_stride` from panel to panel.
template <class T>
void norm_backward(const Layout<T>& l, Slots slots, Index rows, const Side<T>* sides, Index count, Index normed_stride,
                   const T* d, Index stride) {
    with_norm(l, slots, [&](const auto& norm) {
        if (count == 1)
            norm.template backward<1>(rows, sides, normed_stride, d, stride);
        else
            norm.template backward<2>(rows, sides, normed_stride, d, stride);
    });
}

}  // namespace timesteps::TIMESTEPS_TARGET
