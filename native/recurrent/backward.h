// Backward: visit by visit from the last to the first, the gradients of the gates; from those of a chunk of visits, the
// gradients of inputs and weights.
#pragma once

#include "regularised.h"

namespace timesteps::TIMESTEPS_TARGET {

template <class T>
struct BackwardMemory {
    T *dh, *dc, *product, *mask, *c_before, *gates, *zero;
    T **dh_rows, **product_rows;
    const T** before_rows;
    T *direct, *less, *slope;
    std::uint64_t *zone_h, *zone_c;
    Index width, cell_stride;

    /// Of the whole batch, as rows from `begin` on see it.
    BackwardMemory(const Layout<T>& l, const Problem<T>& p, Index begin, Arena& arena) {
        const Index batch = p.batch, apart = l.cell.two_stages || l.cell.projected || p.mask != nullptr ? batch : 0;
        const auto rows_of = [&]<class N>(N*& numbers, Index rows, Index row) {
            numbers = arena.take<N>(rows * row);
            if (rows > 0) numbers += begin * row;
        };
        const Index cells = l.cell.has_cells ? batch : 0, some = l.cell.regularised ? batch : 0;
        width = l.width;
        cell_stride = batch * l.W;
        rows_of(dh, batch, width), rows_of(dh_rows, batch, 1);
        rows_of(product, apart, width), rows_of(product_rows, apart, 1);
        rows_of(mask, p.mask == nullptr ? 0 : batch, width);
        dc = arena.take<T>(l.panels * cells * l.W), c_before = arena.take<T>(l.panels * cells * l.W);
        if (l.cell.has_cells) dc += begin * l.W, c_before += begin * l.W;
        gates = arena.take<T>(l.cell.keeps_gates ? 0 : batch * width);
        if (!l.cell.keeps_gates) gates += begin * l.gate_row();
        rows_of(before_rows, batch, 1);
        zero = arena.take<T>(width + 4 * l.W);
        rows_of(direct, some, width);
        rows_of(less, some, 1), rows_of(slope, some, 1);
        rows_of(zone_h, some, 1), rows_of(zone_c, some, 1);
    }
};

/// Rows of c (`columns` numbers wide) = or += gates (from slot `slot` on, some slots of them) times packed weights,
/// blocks from … to - 1 of four vectors.
template <class T>
void multiply_gates(const Layout<T>& l, Index slots, const T* gates, Index rows, Index stride, Index slot,
                    const T* packed, T* const* c, Index columns, Index from, Index to, bool add) {
    constexpr Index W = kWidth<T>;
    const Index vectors = l.vectors(columns);
    for (Index first = 4 * from; first < least(vectors, 4 * to); first += 4) {
        const Index wide = least(vectors - first, 4), column = first * W;
        multiply_panels<T>(wide, gates + slot * W, rows, l.gate_row(), stride, l.panels, slots * W,
                           packed + l.block(slots, first), c, column, add, least(columns - column - (wide - 1) * W, W));
    }
}

template <class T>
struct Backward {
    static constexpr Index W = kWidth<T>;

    const Problem<T>& p;
    const T* packed;
    const Index begin, end;
    const Layout<T> l;
    const Cell<T>& cell;
    const Index gate_row;
    BackwardMemory<T> m;
    Regulars<T> more{};

    Backward(const Problem<T>& problem, const T* weights, Index first, Index last, Arena arena)
        : p(problem),
          packed(weights),
          begin(first),
          end(last),
          l(problem),
          cell(l.cell),
          gate_row(l.gate_row()),
          m(l, problem, first, arena) {}

    Index active(Index t) const { return least(p.active[t], end) - begin; }

    void run(Index chunk, T* gates, Index stride) {
        const Index first_row = p.offset[p.chunk[chunk]];
        for (Index t = p.chunk[chunk + 1] - 1; t >= p.chunk[chunk]; --t)
            if (active(t) > 0) {
                const Index row = p.offset[t] + begin - first_row;
                visit(t, gates + row * gate_row, stride, gates + l.regions() * l.panels * stride + row * p.output_size);
            }
    }

    void enter() {
        clear(m.dh, (end - begin) * m.width);
        if (begin == 0) clear(m.zero, m.width + 4 * W);
        for (Index row = 0; row < end - begin; ++row) {
            const Index r = begin + row;
            m.dh_rows[row] = m.dh + row * m.width;
            if (p.dhn != nullptr) copy(m.dh_rows[row], state_row(p, p.dhn, r, p.dhn), p.output_size);
            if (cell.two_stages || cell.projected || p.mask != nullptr)
                m.product_rows[row] = m.product + row * m.width;
            if (p.mask != nullptr) {
                clear(m.mask + row * m.width, m.width);
                copy(m.mask + row * m.width, state_row(p, p.mask, r, p.mask), p.output_size);
            }
            if (cell.has_cells) cells_in(l, cell_row(p, p.dcn, r), m.dc + row * W, m.cell_stride);
        }
    }

    void leave() {
        for (Index row = 0; row < end - begin; ++row) state_gradient(row, p.dh0, p.dc0, false);
        if (p.dx.data != nullptr) clear_unvisited(p, p.dx, p.input_size, begin, end);
    }

    /// What has come back to row `row`, to the gradient of a state.
    void state_gradient(Index row, T* dh, T* dc, bool add) {
        const Index b = p.original[begin + row], place = b * p.output_size;
        if (dh != nullptr)
            for (Index k = 0; k < p.output_size; ++k) dh[place + k] = m.dh_rows[row][k] + (add ? dh[place + k] : 0);
        if (cell.has_cells && dc != nullptr)
            cells_out(l, m.dc + row * W, m.cell_stride, dc + b * p.hidden_size, add);
    }

    /// The cells that enter visit t, as (panels, rows, W), and their stride.
    const T* cells_before(Index t, Index rows, Index& stride) {
        if (t > p.first && p.starts == nullptr) {
            stride = p.cell_stride;
            return p.cells + (kept_row(p, t - 1) + begin) * W;
        }
        stride = m.cell_stride;
        for (Index row = 0; row < rows; ++row) {
            T* to = m.c_before + row * W;
            const Index r = begin + row;
            if (starts_at(p, r, t))
                cells_in(l, cell_row(p, p.fresh_c, r), to, stride);
            else if (t == p.first)
                cells_in(l, cell_row(p, p.c_first, r), to, stride);
            else
                for (Index panel = 0; panel < l.panels; ++panel)
                    copy(to + panel * stride, p.cells + panel * p.cell_stride + (kept_row(p, t - 1) + r) * W, W);
        }
        return m.c_before;
    }

    /// Asks for what visit t will read of the batch.
    void expect(Index t, Index first, Index last) {
        if (t < 0 || !p.far) return;
        const Index output = cell.direct ? t - 1 : t;
        for (Index r = begin; r < begin + active(t); ++r) {
            if (p.dy.data != nullptr) expect_row<false>(row_at(p, p.dy, r, t) + first, last - first);
            if ((cell.direct || !cell.keeps_gates) && output >= 0)
                expect_row<false>(row_at(p, p.y, r, output) + first, last - first);
        }
    }

    void add_output_gradients(Index t, Index rows, Index first, Index last) {
        for (Index row = 0; row < rows; ++row) {
            const T* from = row_at(p, p.dy, begin + row, t);
            T* to = m.dh_rows[row];
            for (Index k = first; k < last; ++k) to[k] += from[k];
        }
    }

    /// `dh` keeps the gradients of h, for that of the projection's weight.
    void through_projection(Index rows, T* dh) {
        const T* weights = packed + l.projection_backward();
        for (Index row = 0; row < rows; ++row) copy(dh + row * p.output_size, m.dh_rows[row], p.output_size);
        for (Index first = 0; first < l.vectors(l.hidden); first += 4) {
            const Index wide = least(l.vectors(l.hidden) - first, 4);
            multiply_rows<T>(wide, m.dh_rows, rows, l.state, weights, m.zero, m.product + first * W, m.width);
            weights += l.state * wide * W;
        }
    }

    void visit(Index t, T* dgates, Index stride, T* dh) {
        const Index rows = active(t);
        const bool zones = cell.regularised && p.zone_h.rate > 0;
        expect(t - 1, 0, p.output_size);
        if (p.dy.data != nullptr) add_output_gradients(t, rows, 0, p.output_size);
        if (zones) part_at_zones(t, rows);
        if (cell.projected) through_projection(rows, dh);
        for (Index row = 0; row < rows && cell.direct; ++row)
            m.before_rows[row] = before(p, begin + row, t, static_cast<const T*>(m.zero));
        Index before_stride = 0;
        const T* c_before = cell.has_cells ? cells_before(t, rows, before_stride) : nullptr;
        const auto step = [&](const auto& work) {
            each_panel(t, dgates, stride, m.before_rows, c_before, before_stride, 0, l.panels, work);
        };
        if (cell.first_backward != nullptr) first_step(t, dgates, stride, c_before, before_stride);
        step([&](const BackwardStep<T>& here) { cell.backward(here); });
        const T* products = dgates;  // of the recurrent product: the gates', unless there is a norm between
        if (p.norm_hh != nullptr) products += kHiddenRegion * l.panels * stride;
        if (cell.two_stages) {
            if (p.norm_hh != nullptr) through_norm(t, rows, dgates, stride, alone(l), kRecurrentAlone);
            multiply_gates(l, 1, products, rows, stride, 0, packed + l.second_backward(), m.product_rows, l.hidden, 0,
                           l.blocks(l.hidden), false);
            step([&](const BackwardStep<T>& here) { cell.second_backward(here, m.product + here.unit); });
        }
        if (p.norm_hh != nullptr) through_norms(t, rows, dgates, stride);
        multiply(t, products, stride, 0, l.blocks(l.state));
        if (apart()) add_product(rows);
        if (zones) add_direct(rows);
        if (p.starts != nullptr) part_at_starts(t, rows);
    }

    // In backward_regularised.h.
    void part_at_zones(Index t, Index rows);
    void add_direct(Index rows);
    void first_step(Index t, T* dgates, Index stride, const T* c_before, Index before_stride);
    const T* scale(Scale which, Index t) const;
    void through_norm(Index t, Index rows, T* dgates, Index stride, Slots slots, Scale which, Scale also = kScales);
    void through_norms(Index t, Index rows, T* dgates, Index stride);

    /// The product of visit t and the gates of the one before it, as far as the chunk has both; only the blocks' units.
    /// All rows of a batch of a few, without what would need the others' units.
    void run_blocks(Index chunk, Index t, Index from, Index to, T* gates, Index stride) {
        const Index first = p.chunk[chunk];
        const auto dgates = [&](Index visit) { return gates + (p.offset[visit] - p.offset[first]) * gate_row; };
        if (t < p.chunk[chunk + 1]) multiply(t, dgates(t), stride, from, to);
        if (t-- == first) return;
        const Index panel = l.panel_of(from), end_panel = l.panel_of(to), rows = active(t);
        if (p.dy.data != nullptr)
            add_output_gradients(t, rows, panel * l.U * W, least(end_panel * l.U * W, p.output_size));
        const T* h_before[kFewRows];
        for (Index row = 0; row < rows && cell.direct; ++row)
            h_before[row] = before(p, row, t, static_cast<const T*>(m.zero));
        const T* c_before = nullptr;
        if (cell.has_cells && t > p.first) c_before = p.cells + kept_row(p, t - 1) * W;
        if (cell.has_cells && t == p.first) {
            for (Index row = 0; row < rows; ++row)
                cells_in(l, cell_row(p, p.c_first, row), m.c_before + row * W, m.cell_stride, panel, end_panel);
            c_before = m.c_before;
        }
        each_panel(t, dgates(t), stride, h_before, c_before, t > p.first ? p.cell_stride : m.cell_stride, panel,
                   end_panel, [&](const BackwardStep<T>& here) { cell.backward(here); });
    }

    template <class Work>
    void each_panel(Index t, T* dgates, Index stride, const T* const* h_before, const T* c_before,
                    Index before_stride, Index from, Index to, const Work& work) {
        const Index rows = active(t);
        for (Index panel = from; panel < to; ++panel) {
            const Index unit = panel * l.U * W;
            BackwardStep<T> here{.gates = kept_gates(t, panel, rows),
                                 .c = nullptr,
                                 .c_before = nullptr,
                                 .h_before = h_before,
                                 .mask = p.mask == nullptr ? nullptr : m.mask + unit,
                                 .dgates = dgates + panel * stride,
                                 .dc = nullptr,
                                 .dh = (cell.projected ? m.product : m.dh) + unit,
                                 .rows = rows,
                                 .h_stride = m.width,
                                 .unit = unit,
                                 .units = l.units(panel),
                                 .option = p.option,
                                 .regulars = cell.regularised ? &more : nullptr};
            if (cell.has_cells) {
                here.c = p.cells + (kept_row(p, t) + begin) * W + panel * p.cell_stride;
                here.c_before = c_before + panel * before_stride;
                here.dc = m.dc + panel * m.cell_stride;
            }
            work(here);
            if (here.units < l.U * W) clear_padding(here.dgates, rows, here.units);
        }
    }

    /// What forward kept of a panel, or the outputs in its place.
    const T* kept_gates(Index t, Index panel, Index rows) {
        if (cell.keeps_gates) return p.gates + (kept_row(p, t) + begin) * gate_row + panel * p.gate_stride;
        const Index unit = panel * l.U * W, units = l.units(panel);
        T* gates = m.gates + unit * p.batch;
        for (Index row = 0; row < rows; ++row) copy(gates + row * gate_row, row_at(p, p.y, begin + row, t) + unit, units);
        return gates;
    }

    /// Whether the product may not go to dh at once.
    bool apart() const { return cell.two_stages || p.mask != nullptr; }

    void multiply(Index t, const T* dgates, Index stride, Index from, Index to) {
        if (cell.GH > 0)
            multiply_gates(l, cell.GH, dgates, active(t), stride, cell.OH, packed + l.hh_backward(),
                           apart() ? m.product_rows : m.dh_rows, l.state, from, to,
                           cell.two_stages || (!apart() && cell.direct));
    }

    /// Units that are only padding have no gradient, even where a neighbour is infinite.
    void clear_padding(T* dgates, Index rows, Index units) const {
        for (Index row = 0; row < rows; ++row, dgates += gate_row)
            for (Index slot = 0; slot < l.S; ++slot)
                for (Index n = 0; n < W; ++n)
                    if ((l.U > 1 ? slot * W : 0) + n >= units) dgates[slot * W + n] = 0;
    }

    void add_product(Index rows) {
        for (Index row = 0; row < rows; ++row) {
            T* to = m.dh_rows[row];
            const T *from = m.product_rows[row], *factors = m.mask + row * m.width;
            for (Index k = 0; k < p.output_size; ++k)
                to[k] = (cell.direct ? to[k] : 0) + (p.mask == nullptr ? from[k] : from[k] * factors[k]);
        }
    }

    void part_at_starts(Index t, Index rows) {
        for (Index row = 0; row < rows; ++row) {
            if (!starts_at(p, begin + row, t)) continue;
            state_gradient(row, p.dfresh_h, p.dfresh_c, true);
            clear(m.dh_rows[row], m.width);
            if (cell.has_cells)
                cells_in(l, static_cast<const T*>(nullptr), m.dc + row * W, m.cell_stride);
        }
    }
};

}  // namespace timesteps::TIMESTEPS_TARGET
