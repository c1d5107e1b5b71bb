// Packing of what regularised cells learn for each unit: gains of layer norm and peephole weights.
#pragma once

#include "layout.h"

namespace timesteps::TIMESTEPS_TARGET {

/// work(number of a vector within a panel's gains, weight, its slot) for all that the regularised cells learn.
template <class Cell, class P, class Work>
TIMESTEPS_ALWAYS void each_gain(const Layout<Cell>& l, Index panel, const P& w, const Work& work) {
    constexpr int S = Cell::S;
    for (int v = 0; v < Cell::GI; ++v) work(v, w.ih, Slot<Cell>(l, panel, Cell::input_gate(v), v));
    for (int v = 0; v < Cell::GH; ++v)
        work(S + Cell::OH + v, w.hh, Slot<Cell>(l, panel, Cell::recurrent_gate(v), v));
    if constexpr (Cell::kTwoStages) work(S, w.hh, Slot<Cell>(l, panel, Cell::kSecondGate, 0));
    if constexpr (Cell::kHasCells) {
        work(2 * S + kGainC, w.c, Slot<Cell>(l, panel, 0, 0));
        work(2 * S + kBiasC, w.c_bias, Slot<Cell>(l, panel, 0, 0));
        for (int n = 0; n < 3; ++n) work(2 * S + kPeepI + n, w.ch, Slot<Cell>(l, panel, n, 0));
    }
}

template <class T>
struct Gains {
    T *ih, *hh, *c, *c_bias, *ch;
};

template <class Cell>
void pack_gains(const Problem<typename Cell::T>& p, Index begin, Index end, typename Cell::T* packed) {
    using T = typename Cell::T;
    const Layout<Cell> l(p);
    const Gains<const T> weights{p.norm_ih, p.norm_hh, p.norm_c, p.norm_c_bias, p.w_ch};
    packed += begin * l.gains_row();
    clear(packed, (end - begin) * l.gains_row());
    for (Index panel = begin; panel < end; ++panel, packed += l.gains_row())
        each_gain<Cell>(l, panel, weights, [&](int n, const T* weight, const Slot<Cell>& s) {
            if (weight != nullptr) copy(packed + n * Cell::W, weight + s.row, s.rows);
        });
}

template <class Cell>
void unpack_gains(const Problem<typename Cell::T>& p, Index begin, Index end, const typename Cell::T* sums) {
    using T = typename Cell::T;
    const Layout<Cell> l(p);
    const Gains<T> gradients{p.dnorm_ih, p.dnorm_hh, p.dnorm_c, p.dnorm_c_bias, p.dw_ch};
    for (Index panel = begin; panel < end; ++panel)
        each_gain<Cell>(l, panel, gradients, [&](int n, T* weight, const Slot<Cell>& s) {
            if (weight != nullptr) copy(weight + s.row, sums + panel * l.gains_row() + n * Cell::W, s.rows);
        });
}

}  // namespace timesteps::TIMESTEPS_TARGET
