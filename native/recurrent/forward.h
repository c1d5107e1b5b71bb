// Forward over all visits: the products with the inputs of a chunk of visits at once, then visit by visit the recurrent
// product and the cell.
#pragma once

#include "regularised.h"

namespace timesteps::TIMESTEPS_TARGET {

template <class T>
struct ForwardMemory {
    T *h[2], *masked, *reset, *c, *gates, *output, *zero;
    const T **x_rows, **h_rows[2], **masked_rows, **reset_rows;
    T **y_rows, **output_rows;
    Index width, gate_stride, cell_stride;
    RegularMemory<T> regular;

    ForwardMemory(const Layout<T>& l, const Problem<T>& p, Index rows, Arena& arena) : regular(l, p, rows, arena) {
        width = l.width;
        gate_stride = p.chunk_rows * l.gate_row();
        cell_stride = rows * l.W;
        for (int n = 0; n < 2; ++n) h[n] = arena.take<T>(rows * width), h_rows[n] = arena.take<const T*>(rows);
        masked = p.mask == nullptr ? nullptr : arena.take<T>(rows * width);
        masked_rows = arena.take<const T*>(p.mask == nullptr ? 0 : rows);
        const Index two_stages = l.cell.two_stages ? rows : 0, projected = l.cell.projected ? rows : 0;
        reset = arena.take<T>(two_stages * width);
        reset_rows = arena.take<const T*>(two_stages);
        c = arena.take<T>(l.cell.has_cells ? l.panels * cell_stride : 0);
        gates = arena.take<T>(p.gates == nullptr ? l.panels * gate_stride : 0);
        x_rows = arena.take<const T*>(p.chunk_rows);
        y_rows = arena.take<T*>(rows);
        output = arena.take<T>(projected * width);
        output_rows = arena.take<T*>(projected);
        zero = arena.take<T>(4 * l.W);
    }
};

/// The input side of the gates of `rows` rows, panels from … to - 1, where someone else has made it: bias + gx.
template <class T>
void take_projected(const Layout<T>& l, const T* packed, const T* const* gx, Index rows, Index from, Index to, T* gates,
                    Index stride) {
    constexpr Index W = kWidth<T>;
    using V = Vector<T, W>;
    const Index step = l.gate_row();
    gates += from * stride;
    for (Index panel = from; panel < to; ++panel, gates += stride)
        for (Index v = 0; v < l.S; ++v) {
            const V bias = load<V>(packed + l.bias(panel) + v * W);
            const bool given = v < l.GI;
            const Slot s(l, panel, l.cell.input_gate[given ? v : 0], given ? v : 0);
            for (Index row = 0; row < rows; ++row)
                store(gates + row * step + v * W, given ? bias + load_some<V>(gx[row] + s.row, s.rows) : bias);
        }
}

/// The input side of the gates of `rows` rows, panels from … to - 1: bias + W_ih x.
template <class T>
void project(const Layout<T>& l, const T* packed, const T* const* x, Index rows, Index from, Index to, T* gates,
             Index stride) {
    constexpr Index W = kWidth<T>;
    const Index step = l.gate_row(), rest = l.S - l.GI;
    gates += from * stride;
    for (Index panel = from; panel < to; ++panel, gates += stride) {
        const T* bias = packed + l.bias(panel);
        multiply_rows<T>(l.GI, x, rows, l.input, packed + l.ih(panel), bias, gates, step);
        for (Index row = 0; row < rows && rest > 0; ++row)
            copy(gates + row * step + l.GI * W, bias + l.GI * W, rest * W);
    }
}

template <class T>
struct Forward {
    static constexpr Index W = kWidth<T>;

    const Problem<T>& p;
    const T* packed;
    const Index begin, end;
    const Layout<T> l;
    const Cell<T>& cell;
    const Index gate_row;
    ForwardMemory<T> m;
    const NormForward<T> norm;
    Regulars<T> more{};

    Forward(const Problem<T>& problem, const T* weights, Index first, Index last, Arena arena)
        : p(problem),
          packed(weights),
          begin(first),
          end(last),
          l(problem),
          cell(l.cell),
          gate_row(l.gate_row()),
          m(l, problem, last - first, arena),
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
    void mark(Index chunk, Index from, Index to) {
        if (!cell.has_cells || p.marks == nullptr || p.mark[chunk] < 0) return;
        T* marks = p.marks + p.mark[chunk] * p.batch * p.hidden_size;
        for (Index row = 0; row < active(p.chunk[chunk]); ++row)
            cells_out(l, m.c + row * W, m.cell_stride, marks + p.original[begin + row] * p.hidden_size, false, from, to);
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
        return p.gates != nullptr ? p.gates + (kept_row(p, t) + begin) * gate_row : m.gates + row * gate_row;
    }
    Index gate_stride() const { return p.gates != nullptr ? p.gate_stride : m.gate_stride; }

    /// Where the normed recurrent products of visit t lie, and from panel to panel.
    T* normed_at(Index t) const {
        return p.normed_hh != nullptr ? p.normed_hh + (kept_row(p, t) + begin) * gate_row : m.regular.normed;
    }
    Index normed_stride() const { return p.normed_hh != nullptr ? p.gate_stride : m.regular.stride; }

    void enter() {
        clear(m.zero, 4 * W);
        if (cell.regularised) clear(m.regular.zero, gate_row);
        for (Index row = 0; row < end - begin; ++row) {
            for (int n = 0; n < 2; ++n) {
                clear(m.h[n] + row * m.width, m.width);
                m.h_rows[n][row] = m.h[n] + row * m.width;
            }
            const T* h = p.first > 0 ? row_at(p, p.y, begin + row, p.first - 1)
                                     : state_row(p, p.h0, begin + row, static_cast<const T*>(nullptr));
            if (h != nullptr) copy(m.h[p.first & 1] + row * m.width, h, p.output_size);
            if (p.mask != nullptr) m.masked_rows[row] = m.masked + row * m.width;
            if (cell.two_stages) m.reset_rows[row] = m.reset + row * m.width;
            if (cell.projected) m.output_rows[row] = m.output + row * m.width;
            if (cell.has_cells)
                cells_in(l, cell_row(p, p.c_first, begin + row), m.c + row * W, m.cell_stride);
        }
    }

    void leave() {
        for (Index row = 0; row < end - begin; ++row) {
            const Index r = begin + row, b = p.original[r];
            copy(p.hn + b * p.output_size, m.h[p.length[r] & 1] + row * m.width, p.output_size);
            if (cell.has_cells)
                cells_out(l, m.c + row * W, m.cell_stride, p.cn + b * p.hidden_size, false);
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
                T* normed = p.normed_ih == nullptr ? gates : p.normed_ih + (gates - p.gates);
                norm.project(m.x_rows + done, p.offset[whole ? first : t] + begin, row - done, normed, gates,
                             gate_stride());
            } else {
                const auto how = p.w_ih == nullptr ? take_projected<T> : project<T>;
                how(l, packed, m.x_rows + done, row - done, from, to, gates, gate_stride());
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
            if (cell.has_cells)
                cells_in(l, cell_row(p, p.fresh_c, begin + row), m.c + row * W, m.cell_stride);
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

    /// Calls work(panel, step of that panel) for panels from … to - 1.
    template <class Work>
    void each_panel(const ForwardStep<T>& visit, Index stride, Index from, Index to, const Work& work) {
        for (Index panel = from; panel < to; ++panel) {
            const Index unit = panel * l.U * W;
            ForwardStep<T> here = visit;
            here.gates += panel * stride, here.h_in += unit, here.h_out += unit;
            here.unit = unit, here.units = l.units(panel);
            if (cell.has_cells) {
                here.c += panel * m.cell_stride;
                if (here.saved_c != nullptr) here.saved_c += panel * p.cell_stride;
            }
            work(panel, here);
        }
    }

    void recur(Index panel, Index rows, const T* const* h, const ForwardStep<T>& here) {
        if (cell.GH > 0)
            multiply_rows<T>(cell.GH, h, rows, l.state, packed + l.hh(panel), nullptr, here.gates + cell.OH * W,
                             gate_row);
    }

    void recur_second(Index panel, Index rows, const ForwardStep<T>& here) {
        multiply_rows<T>(1, m.reset_rows, rows, l.hidden, packed + l.second(panel), nullptr, here.gates, gate_row);
    }

    void visit(Index t, Index row, T** y_rows, Index from, Index to) {
        const Index rows = active(t);
        const T* const* h = entering(t, rows);
        for (Index n = 0; n < rows; ++n) {
            y_rows[n] = again() ? m.h[(t + 1) & 1] + n * m.width : row_at(p, p.y, begin + n, t);
            if (p.far) expect_row<true>(y_rows[n] + from * l.U * W, least((to - from) * l.U * W, p.output_size));
        }
        const Index stride = gate_stride();
        const ForwardStep<T> s{.gates = gates_at(t, row),
                               .c = m.c,
                               .h_in = m.h[t & 1],
                               .h_out = cell.projected ? m.output : m.h[(t + 1) & 1],
                               .y = cell.projected ? m.output_rows : y_rows,
                               .saved_c = p.cells == nullptr ? nullptr : p.cells + (kept_row(p, t) + begin) * W,
                               .rows = rows,
                               .h_stride = m.width,
                               .unit = 0,
                               .units = 0,
                               .option = p.option,
                               .keep = p.gates != nullptr,
                               .regulars = cell.regularised ? &more : nullptr};
        if (cell.regularised) {
            visit_regularised(t, h, s);
        } else {
            each_panel(s, stride, from, to, [&](Index panel, const ForwardStep<T>& here) {
                recur(panel, rows, h, here);
                if (cell.two_stages)
                    cell.first_forward(here, h[0] + here.unit, m.reset + here.unit);
                else
                    cell.forward(here);
            });
            if (cell.two_stages)
                each_panel(s, stride, from, to, [&](Index panel, const ForwardStep<T>& here) {
                    recur_second(panel, rows, here);
                    cell.forward(here);
                });
        }
        if (cell.projected) project_outputs(t, rows);
        if (cell.regularised && p.zone_h.rate > 0) zone_outputs(t, rows);
    }

    // In forward_regularised.h.
    void visit_regularised(Index t, const T* const* h, const ForwardStep<T>& s);
    void zone_outputs(Index t, Index rows);

    /// h' = W_hr (o ∘ tanh(c')).
    void project_outputs(Index t, Index rows) {
        const T* weights = packed + l.projection();
        T* h = m.h[(t + 1) & 1];
        for (Index first = 0; first < l.vectors(l.state); first += 4) {
            const Index wide = least(l.vectors(l.state) - first, 4);
            multiply_rows<T>(wide, m.output_rows, rows, l.hidden, weights, m.zero, h + first * W, m.width);
            weights += l.hidden * wide * W;
        }
        for (Index row = 0; row < rows && !again(); ++row) copy(m.y_rows[row], h + row * m.width, p.output_size);
    }
};

}  // namespace timesteps::TIMESTEPS_TARGET
