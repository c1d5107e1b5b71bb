// Where rows lie: of tensors by batch and time, of the kernels' own memory by visit.
#pragma once

#include "layout.h"

namespace timesteps::TIMESTEPS_TARGET {

/// The time that row r visits at visit t.
template <class T>
TIMESTEPS_ALWAYS Index time_of(const Problem<T>& p, Index r, Index t) {
    if (p.order != nullptr) return p.order[p.original[r] * p.steps + t];
    return p.direction > 0 ? t : p.length[r] - 1 - t;
}

template <class T, class N>
TIMESTEPS_ALWAYS N* row_at(const Problem<T>& p, const Rows<N>& rows, Index r, Index t) {
    return rows.data + p.original[r] * rows.row + time_of(p, r, t) * rows.step;
}

template <class T>
TIMESTEPS_ALWAYS const T* x_at(const Problem<T>& p, Index r, Index t) {
    if (p.which == nullptr) return row_at(p, p.x, r, t);
    return p.x.data + p.which[p.original[r] * p.steps + time_of(p, r, t)] * p.x.row;
}

/// Asks for a row that will be read, or written, soon. Rows of a batch are far apart, so that no processor would guess.
template <bool Write, class T>
TIMESTEPS_ALWAYS void expect_row(const T* row, Index numbers) {
    const char* bytes = reinterpret_cast<const char*>(row);
    for (Index n = 0; n < numbers * Index(sizeof(T)); n += kLine) __builtin_prefetch(bytes + n, Write ? 1 : 0, 2);
}

/// Whether row r starts afresh before visit t.
template <class T>
TIMESTEPS_ALWAYS bool starts_at(const Problem<T>& p, Index r, Index t) {
    return p.starts != nullptr && p.starts[p.original[r] * p.starts_stride + t];
}

/// The first row of visit t among those that are kept.
template <class T>
TIMESTEPS_ALWAYS Index kept_row(const Problem<T>& p, Index t) {
    return p.offset[t] - p.first_row;
}

/// Row r of a (batch, output_size) tensor that may be missing, which is zero.
template <class T>
TIMESTEPS_ALWAYS const T* state_row(const Problem<T>& p, const T* state, Index r, const T* zero) {
    return state == nullptr ? zero : state + p.original[r] * p.output_size;
}

/// The same of c, (batch, hidden_size); null where it is missing.
template <class T>
TIMESTEPS_ALWAYS const T* cell_row(const Problem<T>& p, const T* cells, Index r) {
    return cells == nullptr ? nullptr : cells + p.original[r] * p.hidden_size;
}

/// The state that row r enters visit t with, as a row of numbers.
template <class T>
TIMESTEPS_ALWAYS const T* before(const Problem<T>& p, Index r, Index t, const T* zero) {
    if (starts_at(p, r, t)) return state_row(p, p.fresh_h, r, zero);
    return t == 0 ? state_row(p, p.h0, r, zero) : row_at(p, p.y, r, t - 1);
}

/// A row of cell states, between (hidden_size) and (panels, rows, W); some panels of it.
template <class T>
void cells_in(const Layout<T>& l, const T* from, T* to, Index stride, Index first,
              Index last) {
    constexpr Index W = kWidth<T>;
    for (Index panel = first; panel < last; ++panel)
        for (Index n = 0; n < W; ++n)
            to[panel * stride + n] = from == nullptr || n >= l.units(panel) ? 0 : from[panel * W + n];
}

template <class T>
void cells_in(const Layout<T>& l, const T* from, T* to, Index stride) {
    cells_in(l, from, to, stride, 0, l.panels);
}

template <class T>
void cells_out(const Layout<T>& l, const T* from, Index stride, T* to, bool add,
               Index first, Index last) {
    constexpr Index W = kWidth<T>;
    for (Index panel = first; panel < last; ++panel)
        for (Index n = 0; n < l.units(panel); ++n)
            to[panel * W + n] = from[panel * stride + n] + (add ? to[panel * W + n] : 0);
}

template <class T>
void cells_out(const Layout<T>& l, const T* from, Index stride, T* to, bool add) {
    cells_out(l, from, stride, to, add, 0, l.panels);
}

/// What no visit wrote is zero.
template <class T>
void clear_unvisited(const Problem<T>& p, const Rows<T>& rows, Index width, Index begin, Index end) {
    for (Index r = begin; r < end; ++r)
        for (Index t = p.length[r]; t < p.steps; ++t) {
            const Index time = p.order != nullptr ? time_of(p, r, t) : t;
            clear(rows.data + p.original[r] * rows.row + time * rows.step, width);
        }
}

}  // namespace timesteps::TIMESTEPS_TARGET
