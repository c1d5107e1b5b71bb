// Packing of what regularised cells learn for each unit: gains of layer norm and peephole weights.
#pragma once

#include "layout.h"

namespace timesteps::TIMESTEPS_TARGET {

template <class T>
struct Gains {
    T *ih, *hh, *c, *c_bias, *ch;
};

/// work(number of a vector within a panel's gains, weight, its slot) for all that the regularised cells learn.
template <class T, class P, class Work>
void each_gain(const Layout<T>& l, Index panel, const Gains<P>& w, const Work& work) {
    const Cell<T>& cell = l.cell;
    for (Index v = 0; v < l.GI; ++v) work(v, w.ih, Slot(l, panel, cell.input_gate[v], v));
    for (Index v = 0; v < l.GH; ++v) work(l.S + cell.OH + v, w.hh, Slot(l, panel, cell.recurrent_gate[v], v));
    if (cell.two_stages) work(l.S, w.hh, Slot(l, panel, cell.second_gate, 0));
    if (!cell.has_cells) return;
    work(2 * l.S + kGainC, w.c, Slot(l, panel, 0, 0));
    work(2 * l.S + kBiasC, w.c_bias, Slot(l, panel, 0, 0));
    for (Index n = 0; n < 3; ++n) work(2 * l.S + kPeepI + n, w.ch, Slot(l, panel, n, 0));
}

template <class T>
void pack_gains(const Problem<T>& p, Index begin, Index end, T* packed) {
    const Layout<T> l(p);
    const Gains<const T> weights{p.norm_ih, p.norm_hh, p.norm_c, p.norm_c_bias, p.w_ch};
    packed += begin * l.gains_row();
    clear(packed, (end - begin) * l.gains_row());
    for (Index panel = begin; panel < end; ++panel, packed += l.gains_row())
        each_gain(l, panel, weights, [&](Index n, const T* weight, const Slot& s) {
            if (weight != nullptr) copy(packed + n * l.W, weight + s.row, s.rows);
        });
}

template <class T>
void unpack_gains(const Problem<T>& p, Index begin, Index end, const T* sums) {
    const Layout<T> l(p);
    const Gains<T> gradients{p.dnorm_ih, p.dnorm_hh, p.dnorm_c, p.dnorm_c_bias, p.dw_ch};
    for (Index panel = begin; panel < end; ++panel)
        each_gain(l, panel, gradients, [&](Index n, T* weight, const Slot& s) {
            if (weight != nullptr) copy(weight + s.row, sums + panel * l.gains_row() + n * l.W, s.rows);
        });
}

}  // namespace timesteps::TIMESTEPS_TARGET
