// How weights, gates and gradients lie in memory: by panels of U * W hidden units, gates of the same unit side by side.
#pragma once

#include "cells/steps.h"
#include "problem.h"
#include "vectors.h"

namespace timesteps::TIMESTEPS_TARGET {

constexpr Index kLine = 64;  // bytes

TIMESTEPS_ALWAYS Index least(Index a, Index b) { return a < b ? a : b; }

template <class T>
TIMESTEPS_ALWAYS void copy(T* to, const T* from, Index count) {
    __builtin_memcpy(to, from, count * sizeof(T));
}

template <class T>
TIMESTEPS_ALWAYS void clear(T* to, Index count) {
    __builtin_memset(to, 0, count * sizeof(T));
}

/// Hands out pieces of a block of memory; from no block, it only counts.
class Arena {
public:
    explicit Arena(char* memory) : next_(memory), counted_(0), real_(memory != nullptr) {}

    template <class T>
    T* take(Index count) {
        const Index bytes = (count * Index(sizeof(T)) + kLine - 1) / kLine * kLine;
        counted_ += bytes;
        if (!real_) return nullptr;
        T* piece = reinterpret_cast<T*>(next_);
        next_ += bytes;
        return piece;
    }

    Index counted() const { return counted_; }

private:
    char* next_;
    Index counted_;
    bool real_;
};

/// The gradients of the gates are followed by regions that lie alike: those of the two products, which layer norm parts
/// from them, and what sums up to the gradients of Own, in two, S vectors in the first.
enum Region : Index { kInputRegion = 1, kHiddenRegion, kOwnRegion };

template <class Cell>
struct Layout {
    using T = typename Cell::T;
    using V = typename Cell::V;
    static constexpr Index W = Cell::W, S = Cell::S, GI = Cell::GI, GH = Cell::GH, OH = Cell::OH, U = Cell::U;
    static constexpr Index kSecond = Cell::kTwoStages ? 1 : 0;  // slots of the second product, the first of a panel

    Index input, hidden, state, panels, width;  // state: numbers of h; width: hidden units with padding

    // What regularised cells learn for each unit: gains of the input side, of the recurrent side, and vectors of Own.
    static constexpr Index kGains = Cell::kRegularised ? 2 * S + (Cell::kHasCells ? kOwns : 0) : 0;
    static constexpr Index gains_row() { return kGains * W; }
    static constexpr Index kGainHidden = S * W, kOwn = 2 * S * W;  // within a panel
    static constexpr Index kRegions = !Cell::kRegularised ? 1 : Cell::kHasCells ? 5 : 3;

    explicit Layout(const Problem<T>& p)
        : input(p.w_ih == nullptr ? 0 : p.input_size),
          hidden(p.hidden_size),
          state(p.output_size),
          panels((hidden + U * W - 1) / (U * W)),
          width(panels * U * W) {}

    /// Blocks of up to four vectors, the columns of the backward product, and the first panel of a block of units.
    static Index blocks(Index columns) { return (vectors(columns) + 3) / 4; }
    Index panel_of(Index block) const { return least(block * 4 / U, panels); }

    Index units(Index panel) const { return least(hidden - panel * U * W, U * W); }

    // Packed for forward: bias (panels, S), weight_ih (panels, I, GI), weight_hh (panels, H, GH), of the second stage
    // (panels, H, 1). Sums of weight gradients lie the same way. A projection is last: packed as (blocks of up to four
    // vectors of h, H, vectors), summed as (panels, numbers of h, 1). Gains follow. All in vectors.
    Index bias(Index panel) const { return panel * S * W; }
    Index ih(Index panel) const { return (panels * S + panel * input * GI) * W; }
    Index hh(Index panel) const { return (panels * (S + input * GI) + panel * state * GH) * W; }
    Index second(Index panel) const { return (panels * (S + input * GI + state * GH) + panel * state) * W; }
    Index projection() const { return second(panels * kSecond); }
    Index gains() const {
        return projection() + (Cell::kProjected ? W * (vectors(state) * hidden + panels * state) : 0);
    }
    Index packed() const { return gains() + panels * gains_row(); }

    // Packed for backward: for each block of up to four vectors of columns, the rows of all gates: (panels, slots * W,
    // vectors of the block).
    static Index vectors(Index columns) { return (columns + W - 1) / W; }
    Index block(Index slots, Index first_vector) const { return first_vector * panels * slots * W * W; }
    Index ih_backward() const { return 0; }
    Index hh_backward() const { return block(GI, vectors(input)); }
    Index second_backward() const { return hh_backward() + block(GH, vectors(state)); }
    Index projection_backward() const { return second_backward() + kSecond * block(1, vectors(hidden)); }
    Index gains_backward() const {
        return projection_backward() + (Cell::kProjected ? vectors(hidden) * W * state : 0);
    }
    Index packed_backward() const { return gains_backward() + panels * gains_row(); }
};

/// W rows of a weight, transposed: to[k] (`stride` apart) has a number of each row.
template <class T, int W>
void pack_rows(const T* weight, Index columns, Index row, Index rows, T* to, Index stride) {
    using V = Vector<T, W>;
    for (Index k = 0; k < columns; k += W) {
        const Index some = least(columns - k, W);
        V square[W]{};
        for (Index lane = 0; lane < rows; ++lane)
            square[lane] = load_some<V>(weight + (row + lane) * columns + k, some);
        transpose<T, W>(square);
        for (Index j = 0; j < some; ++j) store(to + (k + j) * stride, square[j]);
    }
}

/// The way back.
template <class T, int W>
void unpack_rows(const T* from, Index stride, Index columns, Index row, Index rows, T* weight) {
    using V = Vector<T, W>;
    for (Index k = 0; k < columns; k += W) {
        const Index some = least(columns - k, W);
        V square[W]{};
        for (Index j = 0; j < some; ++j) square[j] = load<V>(from + (k + j) * stride);
        transpose<T, W>(square);
        for (Index lane = 0; lane < rows; ++lane) store_some(weight + (row + lane) * columns + k, square[lane], some);
    }
}

/// What lies in a vector of the recurrent or input product: which vector of units, which gate.
template <class Cell>
struct Slot {
    Index row, rows;  // in torch's weights
    Slot(const Layout<Cell>& l, Index panel, int gate, int slot) {
        const Index vector = Cell::U > 1 ? slot : 0;
        const Index unit = (panel * Cell::U + vector) * Cell::W;
        rows = l.hidden - unit < 0 ? 0 : least(l.hidden - unit, Cell::W);
        row = gate * l.hidden + unit;
    }
};

/// W_hr (P, H) for the product with o ∘ tanh(c).
template <class Cell>
void pack_projection(const Layout<Cell>& l, const typename Cell::T* weight, typename Cell::T* to) {
    using T = typename Cell::T;
    constexpr int W = Cell::W;
    for (Index first = 0; first < l.vectors(l.state); first += 4) {
        const Index wide = least(l.vectors(l.state) - first, 4);
        for (Index n = 0; n < wide; ++n) {
            const Index row = (first + n) * W;
            pack_rows<T, W>(weight, l.hidden, row, least(l.state - row, W), to + n * W, wide * W);
        }
        to += l.hidden * wide * W;
    }
}

/// W_hr for the product with the gradients of h.
template <class Cell>
void pack_projection_backward(const Layout<Cell>& l, const typename Cell::T* weight, typename Cell::T* to) {
    using V = typename Cell::V;
    constexpr Index W = Cell::W;
    for (Index first = 0; first < l.vectors(l.hidden); first += 4)
        for (Index k = 0; k < l.state; ++k)
            for (Index column = first * W; column < least(l.hidden, (first + 4) * W); column += W, to += W)
                store(to, load_some<V>(weight + k * l.hidden + column, least(l.hidden - column, W)));
}

/// Panels begin … end - 1, and with the first the projection.
template <class Cell>
void pack(const Problem<typename Cell::T>& p, Index begin, Index end, typename Cell::T* packed) {
    using T = typename Cell::T;
    using L = Layout<Cell>;
    constexpr int W = Cell::W;
    const L l(p);
    for (Index panel = begin; panel < end; ++panel) {
        T* bias = packed + l.bias(panel);
        for (Index n = 0; n < L::S * W; ++n) bias[n] = 0;
        for (int v = 0; v < L::GI; ++v) {
            const Slot<Cell> s(l, panel, Cell::input_gate(v), v);
            if (p.w_ih != nullptr)
                pack_rows<T, W>(p.w_ih, l.input, s.row, s.rows, packed + l.ih(panel) + v * W, L::GI * W);
            for (Index n = 0; n < s.rows && p.b_ih != nullptr; ++n) bias[v * W + n] += p.b_ih[s.row + n];
        }
        for (int v = 0; v < L::GH; ++v) {
            const Slot<Cell> s(l, panel, Cell::recurrent_gate(v), v);
            pack_rows<T, W>(p.w_hh, l.state, s.row, s.rows, packed + l.hh(panel) + v * W, L::GH * W);
            for (Index n = 0; n < s.rows && p.b_hh != nullptr; ++n) bias[(L::OH + v) * W + n] += p.b_hh[s.row + n];
        }
        if constexpr (Cell::kTwoStages) {
            const Slot<Cell> s(l, panel, Cell::kSecondGate, 0);
            pack_rows<T, W>(p.w_hh, l.hidden, s.row, s.rows, packed + l.second(panel), W);
            for (Index n = 0; n < s.rows && p.b_hh != nullptr; ++n) bias[n] += p.b_hh[s.row + n];
        }
    }
    if constexpr (Cell::kProjected)
        if (begin == 0) pack_projection<Cell>(l, p.w_hr, packed + l.projection());
}

/// weight's columns first … as (panels, slots * W, block vectors), panels begin … end - 1.
template <class Cell, class GateOf>
void pack_columns(const Layout<Cell>& l, const typename Cell::T* weight, Index columns, int slots, const GateOf& gate,
                  Index begin, Index end, typename Cell::T* packed) {
    using V = typename Cell::V;
    constexpr Index W = Cell::W;
    const Index vectors = l.vectors(columns);
    for (Index first = 0; first < vectors; first += 4) {
        const Index wide = least(vectors - first, 4);
        typename Cell::T* to = packed + l.block(slots, first) + begin * slots * W * wide * W;
        for (Index panel = begin; panel < end; ++panel)
            for (int v = 0; v < slots; ++v) {
                const Slot<Cell> s(l, panel, gate(v), v);
                for (Index lane = 0; lane < W; ++lane)
                    for (Index n = 0; n < wide; ++n, to += W) {
                        const Index column = (first + n) * W;
                        const bool real = lane < s.rows;
                        store(to, real ? load_some<V>(weight + (s.row + lane) * columns + column,
                                                      least(columns - column, W))
                                       : V{});
                    }
            }
    }
}

template <class Cell>
void pack_backward(const Problem<typename Cell::T>& p, Index begin, Index end, typename Cell::T* packed) {
    using L = Layout<Cell>;
    const L l(p);
    const auto columns = [&](const auto* weight, Index count, int slots, const auto& gate, Index place) {
        pack_columns<Cell>(l, weight, count, slots, gate, begin, end, packed + place);
    };
    if (p.dx.data != nullptr && p.w_ih != nullptr)
        columns(p.w_ih, l.input, L::GI, Cell::input_gate, l.ih_backward());
    columns(p.w_hh, l.state, L::GH, Cell::recurrent_gate, l.hh_backward());
    if constexpr (Cell::kTwoStages)
        columns(p.w_hh, l.hidden, 1, [](int) { return Cell::kSecondGate; }, l.second_backward());
    if constexpr (Cell::kProjected)
        if (begin == 0) pack_projection_backward<Cell>(l, p.w_hr, packed + l.projection_backward());
}

template <class Cell>
void unpack(const Problem<typename Cell::T>& p, Index begin, Index end, const typename Cell::T* sums) {
    using T = typename Cell::T;
    using L = Layout<Cell>;
    constexpr int W = Cell::W;
    const L l(p);
    const auto bias = [&](typename Cell::T* to, const Slot<Cell>& s, Index panel, int slot) {
        for (Index n = 0; n < s.rows && to != nullptr; ++n) to[s.row + n] = sums[l.bias(panel) + slot * W + n];
    };
    for (Index panel = begin; panel < end; ++panel) {
        for (int v = 0; v < L::GI; ++v) {
            const Slot<Cell> s(l, panel, Cell::input_gate(v), v);
            if (p.dw_ih != nullptr)
                unpack_rows<T, W>(sums + l.ih(panel) + v * W, L::GI * W, l.input, s.row, s.rows, p.dw_ih);
            bias(p.db_ih, s, panel, v);
        }
        for (int v = 0; v < L::GH; ++v) {
            const Slot<Cell> s(l, panel, Cell::recurrent_gate(v), v);
            if (p.dw_hh != nullptr)
                unpack_rows<T, W>(sums + l.hh(panel) + v * W, L::GH * W, l.state, s.row, s.rows, p.dw_hh);
            bias(p.db_hh, s, panel, L::OH + v);
        }
        if constexpr (Cell::kTwoStages) {
            const Slot<Cell> s(l, panel, Cell::kSecondGate, 0);
            if (p.dw_hh != nullptr) unpack_rows<T, W>(sums + l.second(panel), W, l.hidden, s.row, s.rows, p.dw_hh);
            bias(p.db_hh, s, panel, 0);
        }
        if constexpr (Cell::kProjected)
            for (Index k = 0; k < l.state && p.dw_hr != nullptr; ++k)
                store_some(p.dw_hr + k * l.hidden + panel * W,
                           load<typename Cell::V>(sums + l.projection() + (panel * l.state + k) * W), l.units(panel));
    }
}

}  // namespace timesteps::TIMESTEPS_TARGET
