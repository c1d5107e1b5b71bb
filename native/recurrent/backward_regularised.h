// Backward's visits where cells are regularised: layer norm, zoneout, peephole connections.
#pragma once

#include "backward.h"

namespace timesteps::TIMESTEPS_TARGET {

/// Of the gradients of h, what goes past the step, aside in `direct`.
template <class T>
void Backward<T>::part_at_zones(Index t, Index rows) {
    using V = Vector<T, W>;
    const Zone<T> zone = zone_at<T>(p.zone_h, p.output_size, t, begin, rows, m.zone_h);
    for (Index row = 0; row < rows; ++row)
        for (Index unit = 0; unit < p.output_size; unit += W) {
            V grad = load<V>(m.dh_rows[row] + unit);
            store(m.direct + row * m.width + unit, held<T, W>(zone, row, unit, grad));
            store(m.dh_rows[row] + unit, grad);
        }
}

template <class T>
void Backward<T>::add_direct(Index rows) {
    for (Index row = 0; row < rows; ++row)
        for (Index k = 0; k < p.output_size; ++k) m.dh_rows[row][k] += m.direct[row * m.width + k];
}

/// Of a cell with c, whose norm needs all units before the gates have their gradients.
template <class T>
void Backward<T>::first_step(Index t, T* dgates, Index stride, const T* c_before, Index before_stride) {
    const Index rows = active(t);
    const T* gains = packed + l.gains_backward() + l.own();
    more.weights = gains, more.weights_stride = l.gains_row();
    more.own = dgates + kOwnRegion * l.panels * stride, more.own_stride = stride, more.own_more = l.panels * stride;
    more.peephole = p.w_ch != nullptr, more.projected = cell.projected;
    more.zone = zone_at<T>(p.zone_c, l.hidden, t, begin, rows, m.zone_c);
    if (p.norm_c != nullptr) more.mean = scale(kCellMean, t), more.scale = scale(kCellScale, t);
    each_panel(t, dgates, stride, m.before_rows, c_before, before_stride, 0, l.panels,
               [&](const BackwardStep<T>& here) { cell.first_backward(here); });
    if (p.norm_c != nullptr)
        Norm<T, 1>{l, 0}.pulls(rows, {more.scale, gains, dgates + W, nullptr}, dgates, stride, m.less, m.slope);
    more.less = m.less, more.slope = m.slope;
}

template <class T>
const T* Backward<T>::scale(Scale which, Index t) const {
    return p.scales + which * p.offset[p.visits] + p.offset[t] + begin;
}

/// The gradients of one or two products from those of the gates that they entered through a norm.
template <class T>
void Backward<T>::through_norm(Index t, Index rows, T* dgates, Index stride, Slots slots, Scale which, Scale also) {
    const auto side = [&](Scale scaled) {
        const bool input = scaled == kInputTogether || scaled == kInputAlone;
        return Side<T>{scale(scaled, t), packed + l.gains_backward() + (input ? 0 : l.gain_hidden()),
                       (input ? p.normed_ih : p.normed_hh) + (kept_row(p, t) + begin) * gate_row,
                       dgates + (input ? kInputRegion : kHiddenRegion) * l.panels * stride};
    };
    const Index count = also == kScales ? 1 : 2;
    const Side<T> sides[] = {side(which), side(count == 1 ? which : also)};
    norm_backward(l, slots, rows, sides, count, p.gate_stride, dgates, stride);
}

/// All of a visit but those of a second product.
template <class T>
void Backward<T>::through_norms(Index t, Index rows, T* dgates, Index stride) {
    if (p.norm_ih == nullptr)
        through_norm(t, rows, dgates, stride, together(l), kRecurrentTogether);
    else
        through_norm(t, rows, dgates, stride, together(l), kInputTogether, kRecurrentTogether);
    if (cell.alone < 0) return;
    if (p.norm_ih != nullptr) through_norm(t, rows, dgates, stride, kFirstSlot, kInputAlone);
    if (!cell.two_stages) through_norm(t, rows, dgates, stride, alone(l), kRecurrentAlone);
}

}  // namespace timesteps::TIMESTEPS_TARGET
