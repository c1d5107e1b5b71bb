// What regularised cells need besides: memory, random numbers, and layer norm on the way forward.
#pragma once

#include "norm.h"
#include "rows.h"
#include "tiles.h"

namespace timesteps::TIMESTEPS_TARGET {

/// Zoneout of a state at visit t: a row's counters, one to each of `rows` rows from `begin` on, in `counters`.
template <class T>
Zone<T> zone_at(const Zoneout& zoneout, Index size, Index t, Index begin, Index rows, std::uint64_t* counters) {
    if (zoneout.random != nullptr && zoneout.rate > 0)
        for (Index row = 0; row < rows; ++row)
            counters[row] = zoneout.random[begin + row] + static_cast<std::uint64_t>(t * size) * kStep;
    const double below = zoneout.rate * static_cast<double>(std::int64_t{1} << 31);
    return {zoneout.random == nullptr ? nullptr : counters, static_cast<Index>(__builtin_nearbyint(below)) - 1,
            static_cast<T>(zoneout.rate)};
}

template <class T>
struct RegularMemory {
    T *normed = nullptr, *written = nullptr, *zero = nullptr, *mean = nullptr, *scale = nullptr;
    std::uint64_t *zone_h = nullptr, *zone_c = nullptr;
    Index stride = 0, rows = 0;

    RegularMemory(const Layout<T>& l, const Problem<T>& p, Index some, Arena& arena) {
        if (!l.cell.regularised) return;
        stride = some * l.gate_row();
        rows = p.chunk_rows;
        const bool norm = p.norm_hh != nullptr;
        normed = arena.take<T>(norm && p.normed_hh == nullptr ? l.panels * stride : 0);
        written = arena.take<T>(l.cell.has_cells ? l.panels * some * l.W : 0);
        zero = arena.take<T>(l.gate_row());
        mean = arena.take<T>(norm ? kScales * rows : 0);
        scale = arena.take<T>(norm ? kScales * rows : 0);
        zone_h = arena.take<std::uint64_t>(some);
        zone_c = arena.take<std::uint64_t>(some);
    }
};

/// Layer norm of the way forward. Rows of a call follow each other from packed row `first` on.
template <class T>
struct NormForward {
    static constexpr Index W = kWidth<T>;

    const Problem<T>& p;
    const Layout<T>& l;
    const T* packed;
    const RegularMemory<T>& m;

    T* scale(Scale which, Index first) const {
        return p.scales == nullptr ? m.scale + which * m.rows : p.scales + which * p.offset[p.visits] + first;
    }
    T* mean(Scale which) const { return m.mean + which * m.rows; }

    void statistics(Slots slots, Scale which, Index first, Index rows, const T* a, Index stride) const {
        norm_statistics(l, slots, a, l.gate_row(), stride, rows, mean(which), scale(which, first));
    }
    void apply(Slots slots, Scale which, Index first, Index rows, Index panel, Index side, const T* bias, T* a,
               T* gates) const {
        const T* gain = packed + l.gains() + panel * l.gains_row() + side;
        norm_apply<T>(l, slots, panel, rows, mean(which), scale(which, first), gain, bias, a, gates);
    }

    /// Gates = bias + γ ∘ normed(W_ih x). What is normed lies in `a`, which may be the gates.
    void project(const T* const* x, Index first, Index rows, T* a, T* gates, Index stride) const {
        const bool parted = l.cell.alone >= 0;
        for (Index panel = 0; panel < l.panels; ++panel)
            multiply_rows<T>(l.GI, x, rows, l.input, packed + l.ih(panel), m.zero, a + panel * stride, l.gate_row());
        statistics(together(l), kInputTogether, first, rows, a, stride);
        if (parted) statistics(kFirstSlot, kInputAlone, first, rows, a, stride);
        for (Index panel = 0; panel < l.panels; ++panel, a += stride, gates += stride) {
            const T* bias = packed + l.bias(panel);
            apply(together(l), kInputTogether, first, rows, panel, 0, bias, a, gates);
            if (parted) apply(kFirstSlot, kInputAlone, first, rows, panel, 0, bias, a, gates);
            for (Index row = 0; row < rows && l.S > l.GI; ++row)
                copy(gates + row * l.gate_row() + l.GI * W, bias + l.GI * W, (l.S - l.GI) * W);
        }
    }

    /// Gates gain γ ∘ normed(W_hh h): first the products of all panels and what the norm needs of them …
    void recur(const T* const* h, Index first, Index rows, T* a, Index stride) const {
        for (Index panel = 0; panel < l.panels; ++panel)
            multiply_rows<T>(l.GH, h, rows, l.state, packed + l.hh(panel), m.zero,
                             a + panel * stride + l.cell.OH * W, l.gate_row());
        statistics(together(l), kRecurrentTogether, first, rows, a, stride);
        if (recurs_alone()) statistics(alone(l), kRecurrentAlone, first, rows, a, stride);
    }
    /// … and then each panel.
    void add(Index first, Index rows, Index panel, T* a, T* gates) const {
        apply(together(l), kRecurrentTogether, first, rows, panel, l.gain_hidden(), nullptr, a, gates);
        if (recurs_alone()) add_alone(first, rows, panel, a, gates);
    }

    /// The same of the second product.
    void recur_second(const T* const* reset, Index first, Index rows, T* a, Index stride) const {
        for (Index panel = 0; panel < l.panels; ++panel)
            multiply_rows<T>(1, reset, rows, l.hidden, packed + l.second(panel), m.zero, a + panel * stride,
                             l.gate_row());
        statistics(alone(l), kRecurrentAlone, first, rows, a, stride);
    }
    void add_alone(Index first, Index rows, Index panel, T* a, T* gates) const {
        apply(alone(l), kRecurrentAlone, first, rows, panel, l.gain_hidden(), nullptr, a, gates);
    }

    T* cell_mean(Index first) const { return p.scales == nullptr ? mean(kCellScale) : scale(kCellMean, first); }
    /// Of c', as the gates made it.
    void cells(Index first, Index rows, const T* written, Index stride) const {
        norm_statistics(l, kFirstSlot, written, W, stride, rows, cell_mean(first), scale(kCellScale, first));
    }

private:
    bool recurs_alone() const { return l.cell.alone >= 0 && !l.cell.two_stages; }
};

}  // namespace timesteps::TIMESTEPS_TARGET
