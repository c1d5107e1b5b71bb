// Weights into the order in which the products read them, and their gradients back into torch's.
#pragma once

#include "layout.h"

namespace timesteps::TIMESTEPS_TARGET {

/// W_hr (P, H) for the product with o ∘ tanh(c).
template <class T>
void pack_projection(const Layout<T>& l, const T* weight, T* to) {
    constexpr Index W = kWidth<T>;
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
template <class T>
void pack_projection_backward(const Layout<T>& l, const T* weight, T* to) {
    constexpr Index W = kWidth<T>;
    for (Index first = 0; first < l.vectors(l.hidden); first += 4)
        for (Index k = 0; k < l.state; ++k)
            for (Index column = first * W; column < least(l.hidden, (first + 4) * W); column += W, to += W)
                store(to, load_some<Vector<T, W>>(weight + k * l.hidden + column, least(l.hidden - column, W)));
}

/// Panels begin … end - 1, and with the first the projection.
template <class T>
void pack(const Problem<T>& p, Index begin, Index end, T* packed) {
    constexpr Index W = kWidth<T>;
    const Layout<T> l(p);
    for (Index panel = begin; panel < end; ++panel) {
        T* bias = packed + l.bias(panel);
        clear(bias, l.gate_row());
        for (Index v = 0; v < l.GI; ++v) {
            const Slot s(l, panel, l.cell.input_gate[v], v);
            if (p.w_ih != nullptr)
                pack_rows<T, W>(p.w_ih, l.input, s.row, s.rows, packed + l.ih(panel) + v * W, l.GI * W);
            for (Index n = 0; n < s.rows && p.b_ih != nullptr; ++n) bias[v * W + n] += p.b_ih[s.row + n];
        }
        const auto recurrent = [&](const Slot& s, T* to, Index stride, T* start) {
            pack_rows<T, W>(p.w_hh, l.state, s.row, s.rows, to, stride);
            for (Index n = 0; n < s.rows && p.b_hh != nullptr; ++n) start[n] += p.b_hh[s.row + n];
        };
        for (Index v = 0; v < l.GH; ++v)
            recurrent(Slot(l, panel, l.cell.recurrent_gate[v], v), packed + l.hh(panel) + v * W, l.GH * W,
                      bias + (l.cell.OH + v) * W);
        if (l.cell.two_stages) recurrent(Slot(l, panel, l.cell.second_gate, 0), packed + l.second(panel), W, bias);
    }
    if (l.cell.projected && begin == 0) pack_projection(l, p.w_hr, packed + l.projection());
}

/// A weight's columns as (panels, slots * W, block vectors), panels begin … end - 1.
template <class T>
void pack_columns(const Layout<T>& l, const T* weight, Index columns, Index slots, const Index* gates, Index begin,
                  Index end, T* packed) {
    constexpr Index W = kWidth<T>;
    using V = Vector<T, W>;
    const Index vectors = l.vectors(columns);
    for (Index first = 0; first < vectors; first += 4) {
        const Index wide = least(vectors - first, 4);
        T* to = packed + l.block(slots, first) + begin * slots * W * wide * W;
        for (Index panel = begin; panel < end; ++panel)
            for (Index v = 0; v < slots; ++v) {
                const Slot s(l, panel, gates[v], v);
                for (Index lane = 0; lane < W; ++lane)
                    for (Index n = 0; n < wide; ++n, to += W) {
                        const Index column = (first + n) * W;
                        const T* from = weight + (s.row + lane) * columns + column;
                        store(to, lane < s.rows ? load_some<V>(from, least(columns - column, W)) : V{});
                    }
            }
    }
}

template <class T>
void pack_backward(const Problem<T>& p, Index begin, Index end, T* packed) {
    const Layout<T> l(p);
    const auto columns = [&](const T* weight, Index count, Index slots, const Index* gates, Index place) {
        pack_columns(l, weight, count, slots, gates, begin, end, packed + place);
    };
    if (p.dx.data != nullptr && p.w_ih != nullptr)
        columns(p.w_ih, l.input, l.GI, l.cell.input_gate, l.ih_backward());
    columns(p.w_hh, l.state, l.GH, l.cell.recurrent_gate, l.hh_backward());
    if (l.cell.two_stages) columns(p.w_hh, l.hidden, 1, &l.cell.second_gate, l.second_backward());
    if (l.cell.projected && begin == 0) pack_projection_backward(l, p.w_hr, packed + l.projection_backward());
}

template <class T>
void unpack(const Problem<T>& p, Index begin, Index end, const T* sums) {
    constexpr Index W = kWidth<T>;
    const Layout<T> l(p);
    for (Index panel = begin; panel < end; ++panel) {
        const auto product = [&](const Slot& s, const T* from, Index stride, Index columns, T* weight, Index slot, T* to) {
            if (weight != nullptr) unpack_rows<T, W>(from, stride, columns, s.row, s.rows, weight);
            if (to != nullptr) copy(to + s.row, sums + l.bias(panel) + slot * W, s.rows);
        };
        for (Index v = 0; v < l.GI; ++v)
            product(Slot(l, panel, l.cell.input_gate[v], v), sums + l.ih(panel) + v * W, l.GI * W, l.input, p.dw_ih, v,
                    p.db_ih);
        for (Index v = 0; v < l.GH; ++v)
            product(Slot(l, panel, l.cell.recurrent_gate[v], v), sums + l.hh(panel) + v * W, l.GH * W, l.state, p.dw_hh,
                    l.cell.OH + v, p.db_hh);
        if (l.cell.two_stages)
            product(Slot(l, panel, l.cell.second_gate, 0), sums + l.second(panel), W, l.hidden, p.dw_hh, 0, p.db_hh);
        if (!l.cell.projected || p.dw_hr == nullptr) continue;
        for (Index k = 0; k < l.state; ++k)
            store_some(p.dw_hr + k * l.hidden + panel * W,
                       load<Vector<T, W>>(sums + l.projection() + (panel * l.state + k) * W), l.units(panel));
    }
}

}  // namespace timesteps::TIMESTEPS_TARGET
