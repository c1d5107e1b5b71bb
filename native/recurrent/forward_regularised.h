// Forward's visits where cells are regularised: layer norm, zoneout, peephole connections.
#pragma once

#include "forward.h"

namespace timesteps::TIMESTEPS_TARGET {

template <class T>
void Forward<T>::visit_regularised(Index t, const T* const* h, const ForwardStep<T>& s) {
    const bool normed = p.norm_hh != nullptr, cells_normed = p.norm_c != nullptr;
    const Index first = p.offset[t] + begin, stride = normed_stride(), rows = s.rows;
    const auto step = [&](const auto& work) { each_panel(s, gate_stride(), 0, l.panels, work); };
    T* a = normed_at(t);
    if (cell.has_cells) {
        more.written = m.regular.written, more.written_stride = m.cell_stride;
        more.weights = packed + l.gains() + l.own(), more.weights_stride = l.gains_row();
        more.peephole = p.w_ch != nullptr;
        more.zone = zone_at<T>(p.zone_c, l.hidden, t, begin, rows, m.regular.zone_c);
    }
    if (normed) norm.recur(h, first, rows, a, stride);
    step([&](Index panel, const ForwardStep<T>& here) {
        if (normed)
            norm.add(first, rows, panel, a + panel * stride, here.gates);
        else
            recur(panel, rows, h, here);
        if (cell.first_forward != nullptr)
            cell.first_forward(here, h[0] + here.unit, cell.two_stages ? m.reset + here.unit : nullptr);
        if (!cell.two_stages && !cells_normed) cell.forward(here);
    });
    if (cell.two_stages) {
        if (normed) norm.recur_second(m.reset_rows, first, rows, a, stride);
        step([&](Index panel, const ForwardStep<T>& here) {
            if (normed)
                norm.add_alone(first, rows, panel, a + panel * stride, here.gates);
            else
                recur_second(panel, rows, here);
            cell.forward(here);
        });
    }
    if (!cells_normed) return;
    norm.cells(first, rows, more.written, more.written_stride);
    more.mean = norm.cell_mean(first), more.scale = norm.scale(kCellScale, first);
    step([&](Index, const ForwardStep<T>& here) { cell.forward(here); });
}

template <class T>
void Forward<T>::zone_outputs(Index t, Index rows) {
    using V = Vector<T, W>;
    const Zone<T> zone = zone_at<T>(p.zone_h, p.output_size, t, begin, rows, m.regular.zone_h);
    for (Index row = 0; row < rows; ++row) {
        const T* before = m.h[t & 1] + row * m.width;
        T* h = m.h[(t + 1) & 1] + row * m.width;
        for (Index unit = 0; unit < p.output_size; unit += W) {
            const V next = zoned<T, W>(zone, row, unit, load<V>(before + unit), load<V>(h + unit));
            store(h + unit, next);
            store_some(m.y_rows[row] + unit, next, p.output_size - unit);
        }
    }
}

}  // namespace timesteps::TIMESTEPS_TARGET
