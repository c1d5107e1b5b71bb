// What the driver does besides for regularised cells, on the way forward.
#pragma once

#include "gains.h"
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

template <class Cell>
struct RegularMemory {
    using T = typename Cell::T;
    T *normed, *written, *zero, *mean, *scale;
    std::uint64_t *zone_h, *zone_c;
    Index stride, rows;

    RegularMemory(const Problem<T>& p, Index some, Arena& arena) {
        if constexpr (!Cell::kRegularised) return;
        const Layout<Cell> l(p);
        stride = some * Cell::S * Cell::W;
        rows = p.chunk_rows;
        const bool norm = p.norm_hh != nullptr;
        normed = arena.take<T>(norm && p.normed_hh == nullptr ? l.panels * stride : 0);
        written = arena.take<T>(Cell::kHasCells ? l.panels * some * Cell::W : 0);
        zero = arena.take<T>(Cell::S * Cell::W);
        mean = arena.take<T>(norm ? kScales * rows : 0);
        scale = arena.take<T>(norm ? kScales * rows : 0);
        zone_h = arena.take<std::uint64_t>(some);
        zone_c = arena.take<std::uint64_t>(some);
    }
};

/// Layer norm of the way forward. Rows of a call follow each other from packed row `first` on.
template <class Cell>
struct NormForward {
    using T = typename Cell::T;
    static constexpr Index W = Cell::W, S = Cell::S;

    const Problem<T>& p;
    const Layout<Cell>& l;
    const T* packed;
    const RegularMemory<Cell>& m;

    const T* gain(Index panel, Index side) const { return packed + l.gains() + panel * l.gains_row() + side; }
    T* scale(Scale which, Index first) const {
        return p.scales == nullptr ? m.scale + which * m.rows : p.scales + which * p.offset[p.visits] + first;
    }
    T* mean(Scale which) const { return m.mean + which * m.rows; }

    template <class N>
    void statistics(Scale which, Index first, Index rows, const T* a, Index stride) const {
        N::statistics(l, a, S * W, stride, rows, mean(which), scale(which, first));
    }
    template <class N>
    void apply(Scale which, Index first, Index rows, Index panel, Index side, const T* bias, T* a, T* gates) const {
        N::apply(l, panel, rows, mean(which), scale(which, first), gain(panel, side), bias, a, gates);
    }

    /// Gates = bias + γ ∘ normed(W_ih x). What is normed lies in `a`, which may be the gates.
    void project(const T* const* x, Index first, Index rows, T* a, T* gates, Index stride) const {
        for (Index panel = 0; panel < l.panels; ++panel)
            multiply_rows<T, W, Cell::GI>(x, rows, l.input, packed + l.ih(panel), m.zero, a + panel * stride, S * W);
        statistics<NormTogether<Cell>>(kInputTogether, first, rows, a, stride);
        if constexpr (Cell::kAlone >= 0) statistics<Norm<Cell, 0, 1>>(kInputAlone, first, rows, a, stride);
        for (Index panel = 0; panel < l.panels; ++panel, a += stride, gates += stride) {
            const T* bias = packed + l.bias(panel);
            apply<NormTogether<Cell>>(kInputTogether, first, rows, panel, 0, bias, a, gates);
            if constexpr (Cell::kAlone >= 0)
                apply<Norm<Cell, 0, 1>>(kInputAlone, first, rows, panel, 0, bias, a, gates);
            for (Index row = 0; row < rows; ++row)
                for (Index v = Cell::GI; v < S; ++v) store(gates + (row * S + v) * W, load<typename Cell::V>(bias + v * W));
        }
    }

    /// Gates gain γ ∘ normed(W_hh h): first the products of all panels and what the norm needs of them …
    void recur(const T* const* h, Index first, Index rows, T* a, Index stride) const {
        for (Index panel = 0; panel < l.panels; ++panel)
            multiply_rows<T, W, Cell::GH>(h, rows, l.state, packed + l.hh(panel), m.zero,
                                          a + panel * stride + Cell::OH * W, S * W);
        statistics<NormTogether<Cell>>(kRecurrentTogether, first, rows, a, stride);
        if constexpr (Cell::kAlone >= 0 && !Cell::kTwoStages)
            statistics<NormAlone<Cell>>(kRecurrentAlone, first, rows, a, stride);
    }
    /// … and then each panel.
    void add(Index first, Index rows, Index panel, T* a, T* gates) const {
        apply<NormTogether<Cell>>(kRecurrentTogether, first, rows, panel, l.kGainHidden, nullptr, a, gates);
        if constexpr (Cell::kAlone >= 0 && !Cell::kTwoStages)
            apply<NormAlone<Cell>>(kRecurrentAlone, first, rows, panel, l.kGainHidden, nullptr, a, gates);
    }

    /// The same of the second product.
    void recur_second(const T* const* reset, Index first, Index rows, T* a, Index stride) const {
        for (Index panel = 0; panel < l.panels; ++panel)
            multiply_rows<T, W, 1>(reset, rows, l.hidden, packed + l.second(panel), m.zero, a + panel * stride, S * W);
        statistics<NormAlone<Cell>>(kRecurrentAlone, first, rows, a, stride);
    }
    void add_second(Index first, Index rows, Index panel, T* a, T* gates) const {
        apply<NormAlone<Cell>>(kRecurrentAlone, first, rows, panel, l.kGainHidden, nullptr, a, gates);
    }

    T* cell_mean(Index first) const { return p.scales == nullptr ? mean(kCellScale) : scale(kCellMean, first); }
    /// Of c', as the gates made it.
    void cells(Index first, Index rows, const T* written, Index stride) const {
        Norm<Cell, 0, 1>::statistics(l, written, W, stride, rows, cell_mean(first), scale(kCellScale, first));
    }
};

}  // namespace timesteps::TIMESTEPS_TARGET
