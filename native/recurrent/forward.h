// Forward over all visits: the products with the inputs of a chunk of visits at once, then visit by visit the recurrent
// product and the cell.
#pragma once

#include "regularised.h"

namespace timesteps::TIMESTEPS_TARGET {

template <class Cell>
struct ForwardMemory {
    using T = typename Cell::T;
    T *h[2], *masked, *reset, *c, *gates, *output, *zero;
    const T **x_rows, **h_rows[2], **masked_rows, **reset_rows;
    T **y_rows, **output_rows;
    Index width, gate_stride, cell_stride;
    RegularMemory<Cell> regular;

    ForwardMemory(const Problem<T>& p, Index rows, Arena& arena) : regular(p, rows, arena) {
        const Layout<Cell> l(p);
        width = l.width;
        gate_stride = p.chunk_rows * Cell::S * Cell::W;
        cell_stride = rows * Cell::W;
        for (int n = 0; n < 2; ++n) h[n] = arena.take<T>(rows * width), h_rows[n] = arena.take<const T*>(rows);
        masked = p.mask == nullptr ? nullptr : arena.take<T>(rows * width);
        masked_rows = arena.take<const T*>(p.mask == nullptr ? 0 : rows);
        reset = arena.take<T>(Cell::kTwoStages ? rows * width : 0);
        reset_rows = arena.take<const T*>(Cell::kTwoStages ? rows : 0);
        c = arena.take<T>(Cell::kHasCells ? l.panels * cell_stride : 0);
        gates = arena.take<T>(p.gates == nullptr ? l.panels * gate_stride : 0);
        x_rows = arena.take<const T*>(p.chunk_rows);
        y_rows = arena.take<T*>(rows);
        output = arena.take<T>(Cell::kProjected ? rows * width : 0);
        output_rows = arena.take<T*>(Cell::kProjected ? rows : 0);
        zero = arena.take<T>(Cell::kProjected ? 4 * Cell::W : 0);
    }
};

/// The input side of the gates of `rows` rows, panels from … to - 1, where someone else has made it: bias + gx.
template <class Cell>
void take_projected(const Layout<Cell>& l, const typename Cell::T* packed, const typename Cell::T* const* gx,
                    Index rows, Index from, Index to, typename Cell::T* gates, Index stride) {
    constexpr Index W = Cell::W, S = Cell::S, GI = Cell::GI;
    using V = typename Cell::V;
    gates += from * stride;
    for (Index panel = from; panel < to; ++panel, gates += stride)
        for (Index v = 0; v < S; ++v) {
            const V bias = load<V>(packed + l.bias(panel) + v * W);
            const Slot<Cell> s(l, panel, Cell::input_gate(v < GI ? v : 0), v < GI ? v : 0);
            for (Index row = 0; row < rows; ++row)
                store(gates + (row * S + v) * W, v < GI ? bias + load_some<V>(gx[row] + s.row, s.rows) : bias);
        }
}

/// The input side of the gates of `rows` rows, panels from … to - 1: bias + W_ih x.
template <class Cell>
void project(const Layout<Cell>& l, const typename Cell::T* packed, const typename Cell::T* const* x, Index rows,
             Index from, Index to, typename Cell::T* gates, Index stride) {
    constexpr Index W = Cell::W, S = Cell::S, GI = Cell::GI;
    using V = typename Cell::V;
    gates += from * stride;
    for (Index panel = from; panel < to; ++panel, gates += stride) {
        const auto* bias = packed + l.bias(panel);
        multiply_rows<typename Cell::T, W, GI>(x, rows, l.input, packed + l.ih(panel), bias, gates, S * W);
        for (Index row = 0; row < rows && S > GI; ++row)
            for (Index v = GI; v < S; ++v) store(gates + (row * S + v) * W, load<V>(bias + v * W));
    }
}

template <class Cell>
struct Forward {
    using T = typename Cell::T;
    static constexpr Index W = Cell::W, S = Cell::S, U = Cell::U;

    const Problem<T>& p;
    const T* packed;
    const Index begin, end;
    const Layout<Cell> l;
    ForwardMemory<Cell> m;
    const NormForward<Cell> norm;
    Regulars<T> more{};

    Forward(const Problem<T>& problem, const T* weights, Index first, Index last, Arena arena)
        : p(problem),
          packed(weights),
          begin(first),
          end(last),
          l(problem),
          m(problem, last - first, arena),
          norm{p, l, packed, m.regular} {}

    Index active(Index t) const { return least(p.active[t], end) - begin; }

    void run() {
        enter();
        for (Index chunk = p.first_chunk; chunk < p.last_chunk; ++chunk) {
            const Index first = p.chunk[chunk], last = p.chunk[chunk + 1];
            if (active(first) <= 0) break;
            mark(chunk, 0, l.panels);
            gather(first, last);
            project_chunk(first, last, 0, l.panels);
            Index row = 0;
            for (Index t = first; t < last && active(t) > 0; row += active(t), ++t)
                visit(t, row, m.y_rows, 0, l.panels);
        }
        if (!again()) leave();
    }

    /// Whether outputs and final states are there, and only what backward needs is to be made.
    bool again() const { return p.hn == nullptr; }

    /// Keeps c where a segment begins; h is among the outputs.
    void mark([[maybe_unused]] Index chunk, [[maybe_unused]] Index from, [[maybe_unused]] Index to) {
        if constexpr (Cell::kHasCells) {
            if (p.marks == nullptr || p.mark[chunk] < 0) return;
            T* marks = p.marks + p.mark[chunk] * p.batch * p.hidden_size;
            for (Index row = 0; row < active(p.chunk[chunk]); ++row)
                cells_out<Cell>(l, m.c + row * W, m.cell_stride, marks + p.original[begin + row] * p.hidden_size, false,
                                from, to);
        }
    }

    /// Some blocks of the units of one visit, with their input side at the chunk's first. All rows of a batch of a few,
    /// without what would need the others' units.
    void run_blocks(Index chunk, Index t, Index from, Index to) {
        const Index first = p.chunk[chunk], panel = l.panel_of(from), end_panel = l.panel_of(to);
        T* y_rows[kFewRows];
        if (t == first) {
            mark(chunk, panel, end_panel);
            project_chunk(first, p.chunk[chunk + 1], panel, end_panel);
        }
        visit(t, p.offset[t] - p.offset[first], y_rows, panel, end_panel);
    }

    /// Gates of the slice's first row at visit t, which is the slice's `row`-th of its chunk.
    T* gates_at(Index t, Index row) const {
        return p.gates != nullptr ? p.gates + (kept_row(p, t) + begin) * S * W : m.gates + row * S * W;
    }
    Index gate_stride() const { return p.gates != nullptr ? p.gate_stride : m.gate_stride; }

    /// Where the normed recurrent products of visit t lie, and from panel to panel.
    T* normed_at(Index t) const {
        return p.normed_hh != nullptr ? p.normed_hh + (kept_row(p, t) + begin) * S * W : m.regular.normed;
    }
    Index normed_stride() const { return p.normed_hh != nullptr ? p.gate_stride : m.regular.stride; }

    void enter() {
        if constexpr (Cell::kProjected) clear(m.zero, 4 * W);
        if constexpr (Cell::kRegularised) clear(m.regular.zero, S * W);
        for (Index row = 0; row < end - begin; ++row) {
            for (int n = 0; n < 2; ++n) {
                clear(m.h[n] + row * m.width, m.width);
                m.h_rows[n][row] = m.h[n] + row * m.width;
            }
            const T* h = p.first > 0 ? row_at(p, p.y, begin + row, p.first - 1)
                                     : state_row(p, p.h0, begin + row, static_cast<const T*>(nullptr));
            if (h != nullptr) copy(m.h[p.first & 1] + row * m.width, h, p.output_size);
            if (p.mask != nullptr) m.masked_rows[row] = m.masked + row * m.width;
            if constexpr (Cell::kTwoStages) m.reset_rows[row] = m.reset + row * m.width;
            if constexpr (Cell::kProjected) m.output_rows[row] = m.output + row * m.width;
            if constexpr (Cell::kHasCells)
                cells_in<Cell>(l, cell_row(p, p.c_first, begin + row), m.c + row * W, m.cell_stride);
        }
    }

    void leave() {
        for (Index row = 0; row < end - begin; ++row) {
            const Index r = begin + row, b = p.original[r];
            copy(p.hn + b * p.output_size, m.h[p.length[r] & 1] + row * m.width, p.output_size);
            if constexpr (Cell::kHasCells)
                cells_out<Cell>(l, m.c + row * W, m.cell_stride, p.cn + b * p.hidden_size, false);
        }
        clear_unvisited(p, p.y, p.output_size, begin, end);
    }

    /// Where the inputs of a chunk's rows are.
    void gather(Index first, Index last) {
        Index row = 0;
        for (Index t = first; t < last; ++t)
            for (Index n = 0; n < active(t); ++n) {
                m.x_rows[row++] = x_at(p, begin + n, t);
                if (p.far) expect_row<false>(m.x_rows[row - 1], p.input_size);
            }
    }

    void project_chunk(Index first, Index last, Index from, Index to) {
        const bool whole = begin == 0 && end == p.batch;  // then the rows of all visits lie one after the other
        Index row = 0, done = 0;
        for (Index t = first; t < last && active(t) > 0; ++t) {
            row += active(t);
            if (whole && t + 1 < last) continue;
            T* gates = gates_at(whole ? first : t, done);
            if (p.norm_ih != nullptr) {
                if constexpr (Cell::kRegularised) {
                    T* normed = p.normed_ih == nullptr ? gates : p.normed_ih + (gates - p.gates);
                    norm.project(m.x_rows + done, p.offset[whole ? first : t] + begin, row - done, normed, gates,
                                 gate_stride());
                }
            } else {
                using Plain = typename Cell::Plain;
                const auto how = p.w_ih == nullptr ? take_projected<Plain> : project<Plain>;
                how(Layout<Plain>(p), packed, m.x_rows + done, row - done, from, to, gates, gate_stride());
            }
            done = row;
        }
    }

    void start_afresh(Index t, Index rows, T* h) {
        for (Index row = 0; row < rows; ++row) {
            if (!starts_at(p, begin + row, t)) continue;
            clear(h + row * m.width, m.width);
            if (p.fresh_h != nullptr)
                copy(h + row * m.width, state_row(p, p.fresh_h, begin + row, p.fresh_h), p.output_size);
            if constexpr (Cell::kHasCells)
                cells_in<Cell>(l, cell_row(p, p.fresh_c, begin + row), m.c + row * W, m.cell_stride);
        }
    }

    /// The state as it enters the recurrent product.
    const T* const* entering(Index t, Index rows) {
        T* h = m.h[t & 1];
        if (p.starts != nullptr) start_afresh(t, rows, h);
        if (p.mask == nullptr) return m.h_rows[t & 1];
        for (Index row = 0; row < rows; ++row) {
            const T* factors = p.mask + p.original[begin + row] * p.output_size;
            for (Index k = 0; k < p.output_size; ++k) m.masked[row * m.width + k] = h[row * m.width + k] * factors[k];
        }
        return m.masked_rows;
    }

    void visit(Index t, Index row, T** y_rows, Index from, Index to) {
        const Index rows = active(t);
        [[maybe_unused]] const T* const* h = entering(t, rows);
        for (Index n = 0; n < rows; ++n) {
            y_rows[n] = again() ? m.h[(t + 1) & 1] + n * m.width : row_at(p, p.y, begin + n, t);
            if (p.far) expect_row<true>(y_rows[n] + from * U * W, least((to - from) * U * W, p.output_size));
        }
        T* gates = gates_at(t, row);
        const Index stride = gate_stride();
        ForwardStep<T> s{.gates = gates,
                         .c = m.c,
                         .h_in = m.h[t & 1],
                         .h_out = Cell::kProjected ? m.output : m.h[(t + 1) & 1],
                         .y = Cell::kProjected ? m.output_rows : y_rows,
                         .saved_c = p.cells == nullptr ? nullptr : p.cells + (kept_row(p, t) + begin) * W,
                         .rows = rows,
                         .h_stride = m.width,
                         .unit = 0,
                         .units = 0,
                         .option = p.option,
                         .keep = p.gates != nullptr,
                         .regulars = Cell::kRegularised ? &more : nullptr};
        const auto step = [&](const auto& work) {
            for (Index panel = from; panel < to; ++panel) {
                const Index unit = panel * U * W;
                ForwardStep<T> here = s;
                here.gates += panel * stride, here.h_in += unit, here.h_out += unit;
                here.unit = unit, here.units = l.units(panel);
                if constexpr (Cell::kHasCells) {
                    here.c += panel * m.cell_stride;
                    if (here.saved_c != nullptr) here.saved_c += panel * p.cell_stride;
                }
                work(panel, here);
            }
        };
        if constexpr (Cell::kRegularised) return visit_regularised(t, rows, h, step);
        step([&](Index panel, const ForwardStep<T>& here) {
            if constexpr (Cell::GH > 0)
                multiply_rows<T, W, Cell::GH>(h, rows, l.state, packed + l.hh(panel), nullptr,
                                              here.gates + Cell::OH * W, S * W);
            if constexpr (Cell::kTwoStages)
                Cell::first_forward(here, h[0] + here.unit, m.reset + here.unit);
            else
                Cell::forward(here);
        });
        if constexpr (Cell::kTwoStages)
            step([&](Index panel, const ForwardStep<T>& here) {
                multiply_rows<T, W, 1>(m.reset_rows, rows, l.hidden, packed + l.second(panel), nullptr, here.gates,
                                       S * W);
                Cell::forward(here);
            });
        if constexpr (Cell::kProjected) project_outputs(t, rows);
    }

    template <class Step>
    void visit_regularised(Index t, Index rows, const T* const* h, const Step& step) {
        const bool normed = p.norm_hh != nullptr, cells_normed = p.norm_c != nullptr;
        const Index first = p.offset[t] + begin, stride = normed_stride();
        T* a = normed_at(t);
        if constexpr (Cell::kHasCells) {
            more.written = m.regular.written, more.written_stride = m.cell_stride;
            more.weights = packed + l.gains() + l.kOwn, more.weights_stride = l.gains_row();
            more.peephole = p.w_ch != nullptr;
            more.zone = zone_at<T>(p.zone_c, l.hidden, t, begin, rows, m.regular.zone_c);
        }
        if (normed) norm.recur(h, first, rows, a, stride);
        step([&](Index panel, const ForwardStep<T>& here) {
            if (normed)
                norm.add(first, rows, panel, a + panel * stride, here.gates);
            else
                multiply_rows<T, W, Cell::GH>(h, rows, l.state, packed + l.hh(panel), nullptr,
                                              here.gates + Cell::OH * W, S * W);
            if constexpr (Cell::kTwoStages || Cell::kHasCells)
                Cell::first_forward(here, h[0] + here.unit, Cell::kTwoStages ? m.reset + here.unit : nullptr);
            if (!Cell::kTwoStages && !cells_normed) Cell::forward(here);
        });
        if constexpr (Cell::kTwoStages) {
            if (normed) norm.recur_second(m.reset_rows, first, rows, a, stride);
            step([&](Index panel, const ForwardStep<T>& here) {
                if (normed)
                    norm.add_second(first, rows, panel, a + panel * stride, here.gates);
                else
                    multiply_rows<T, W, 1>(m.reset_rows, rows, l.hidden, packed + l.second(panel), nullptr, here.gates,
                                           S * W);
                Cell::forward(here);
            });
        }
        if (cells_normed) {
            norm.cells(first, rows, more.written, more.written_stride);
            more.mean = norm.cell_mean(first), more.scale = norm.scale(kCellScale, first);
            step([](Index, const ForwardStep<T>& here) { Cell::forward(here); });
        }
        if constexpr (Cell::kProjected) project_outputs(t, rows);
        if (p.zone_h.rate > 0) zone_outputs(t, rows);
    }

    void zone_outputs(Index t, Index rows) {
        using V = typename Cell::V;
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

    /// h' = W_hr (o ∘ tanh(c')).
    void project_outputs(Index t, Index rows) {
        const T* weights = packed + l.projection();
        T* h = m.h[(t + 1) & 1];
        for (Index first = 0; first < l.vectors(l.state); first += 4)
            with_rows<4>(least(l.vectors(l.state) - first, 4), [&]<int V>() {
                multiply_rows<T, W, V>(m.output_rows, rows, l.hidden, weights, m.zero, h + first * W, m.width);
                weights += l.hidden * V * W;
            });
        for (Index row = 0; row < rows && !again(); ++row) copy(m.y_rows[row], h + row * m.width, p.output_size);
    }
};

}  // namespace timesteps::TIMESTEPS_TARGET
