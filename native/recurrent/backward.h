// Backward: visit by visit from the last to the first, the gradients of the gates; from those of a chunk of visits, the
// gradients of inputs and weights.
#pragma once

#include "regularised.h"

namespace timesteps::TIMESTEPS_TARGET {

template <class Cell>
struct BackwardMemory {
    using T = typename Cell::T;
    T *dh, *dc, *product, *mask, *c_before, *gates, *zero;
    T **dh_rows, **product_rows;
    const T** before_rows;
    T *direct, *less, *slope;
    std::uint64_t *zone_h, *zone_c;
    Index width, cell_stride;

    /// Of the whole batch, as rows from `begin` on see it.
    BackwardMemory(const Problem<T>& p, Index begin, Arena& arena) {
        const Layout<Cell> l(p);
        const Index rows = p.batch;
        const bool product_apart = Cell::kTwoStages || Cell::kProjected || p.mask != nullptr;
        width = l.width;
        cell_stride = rows * Cell::W;
        dh = arena.take<T>(rows * width);
        dh_rows = arena.take<T*>(rows);
        product = arena.take<T>(product_apart ? rows * width : 0);
        product_rows = arena.take<T*>(product_apart ? rows : 0);
        mask = arena.take<T>(p.mask == nullptr ? 0 : rows * width);
        dc = arena.take<T>(Cell::kHasCells ? l.panels * cell_stride : 0);
        c_before = arena.take<T>(Cell::kHasCells ? l.panels * cell_stride : 0);
        gates = arena.take<T>(kKeepsGates<Cell> ? 0 : rows * width);
        before_rows = arena.take<const T*>(rows);
        zero = arena.take<T>(width + 4 * Cell::W);
        const Index some = Cell::kRegularised ? rows : 0;
        direct = arena.take<T>(some * width);
        less = arena.take<T>(some), slope = arena.take<T>(some);
        zone_h = arena.take<std::uint64_t>(some), zone_c = arena.take<std::uint64_t>(some);
        dh += begin * width, dh_rows += begin, before_rows += begin;
        if (product_apart) product += begin * width, product_rows += begin;
        if (p.mask != nullptr) mask += begin * width;
        if (!kKeepsGates<Cell>) gates += begin * Cell::S * Cell::W;
        if (Cell::kHasCells) dc += begin * Cell::W, c_before += begin * Cell::W;
        if (Cell::kRegularised) direct += begin * width, less += begin, slope += begin, zone_h += begin, zone_c += begin;
    }
};

/// Rows of c (`columns` numbers wide) = or += gates (from slot `slot` on, `Slots` of them) times packed weights, blocks
/// from … to - 1 of four vectors.
template <class T, int W, int S, int Slots>
void multiply_gates(Index panels, const T* gates, Index rows, Index stride, int slot, const T* packed, T* const* c,
                    Index columns, Index from, Index to, bool add) {
    const Index vectors = (columns + W - 1) / W;
    for (Index first = 4 * from; first < least(vectors, 4 * to); first += 4) {
        const T* weights = packed + first * panels * Slots * W * W;
        const Index column = first * W;
        with_rows<4>(least(vectors - first, 4), [&]<int V>() {
            const Index lanes = least(columns - column - (V - 1) * W, W);
            multiply_panels<T, W, V>(gates + slot * W, rows, S * W, stride, panels, Slots * W, weights, c, column, add,
                                     lanes);
        });
    }
}

template <class Cell>
struct Backward {
    using T = typename Cell::T;
    static constexpr Index W = Cell::W, S = Cell::S, U = Cell::U;

    const Problem<T>& p;
    const T* packed;
    const Index begin, end;
    const Layout<Cell> l;
    BackwardMemory<Cell> m;
    Regulars<T> more{};

    Backward(const Problem<T>& problem, const T* weights, Index first, Index last, Arena arena)
        : p(problem), packed(weights), begin(first), end(last), l(problem), m(problem, first, arena) {}

    Index active(Index t) const { return least(p.active[t], end) - begin; }

    void run(Index chunk, T* gates, Index stride) {
        const Index first_row = p.offset[p.chunk[chunk]];
        for (Index t = p.chunk[chunk + 1] - 1; t >= p.chunk[chunk]; --t)
            if (active(t) > 0) {
                const Index row = p.offset[t] + begin - first_row;
                visit(t, gates + row * S * W, stride, gates + l.kRegions * l.panels * stride + row * p.output_size);
            }
    }

    void enter() {
        clear(m.dh, (end - begin) * m.width);
        if (begin == 0) clear(m.zero, m.width + 4 * W);
        for (Index row = 0; row < end - begin; ++row) {
            const Index r = begin + row;
            m.dh_rows[row] = m.dh + row * m.width;
            if (p.dhn != nullptr) copy(m.dh_rows[row], state_row(p, p.dhn, r, p.dhn), p.output_size);
            if (Cell::kTwoStages || Cell::kProjected || p.mask != nullptr)
                m.product_rows[row] = m.product + row * m.width;
            if (p.mask != nullptr) {
                clear(m.mask + row * m.width, m.width);
                copy(m.mask + row * m.width, state_row(p, p.mask, r, p.mask), p.output_size);
            }
            if constexpr (Cell::kHasCells) cells_in<Cell>(l, cell_row(p, p.dcn, r), m.dc + row * W, m.cell_stride);
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
        if constexpr (Cell::kHasCells)
            if (dc != nullptr) cells_out<Cell>(l, m.dc + row * W, m.cell_stride, dc + b * p.hidden_size, add);
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
                cells_in<Cell>(l, cell_row(p, p.fresh_c, r), to, stride);
            else if (t == p.first)
                cells_in<Cell>(l, cell_row(p, p.c_first, r), to, stride);
            else
                for (Index panel = 0; panel < l.panels; ++panel)
                    copy(to + panel * stride, p.cells + panel * p.cell_stride + (kept_row(p, t - 1) + r) * W, W);
        }
        return m.c_before;
    }

    /// Asks for what visit t will read of the batch.
    void expect(Index t, Index first, Index last) {
        if (t < 0 || !p.far) return;
        const Index output = Cell::kDirect ? t - 1 : t;
        for (Index r = begin; r < begin + active(t); ++r) {
            if (p.dy.data != nullptr) expect_row<false>(row_at(p, p.dy, r, t) + first, last - first);
            if ((Cell::kDirect || !kKeepsGates<Cell>)&&output >= 0)
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
        for (Index first = 0; first < l.vectors(l.hidden); first += 4)
            with_rows<4>(least(l.vectors(l.hidden) - first, 4), [&]<int V>() {
                multiply_rows<T, W, V>(m.dh_rows, rows, l.state, weights, m.zero, m.product + first * W, m.width);
                weights += l.state * V * W;
            });
    }

    void visit(Index t, T* dgates, Index stride, [[maybe_unused]] T* dh) {
        const Index rows = active(t);
        expect(t - 1, 0, p.output_size);
        if (p.dy.data != nullptr) add_output_gradients(t, rows, 0, p.output_size);
        if constexpr (Cell::kRegularised)
            if (p.zone_h.rate > 0) part_at_zones(t, rows);
        if constexpr (Cell::kProjected) through_projection(rows, dh);
        if constexpr (Cell::kDirect)
            for (Index row = 0; row < rows; ++row) m.before_rows[row] = before(p, begin + row, t, m.zero);
        const T* c_before = nullptr;
        Index before_stride = 0;
        if constexpr (Cell::kHasCells) c_before = cells_before(t, rows, before_stride);
        const auto step = [&](const auto& work) {
            each_panel(t, dgates, stride, m.before_rows, c_before, before_stride, 0, l.panels, work);
        };
        if constexpr (Cell::kRegularised && Cell::kHasCells)
            step_regularised(t, rows, dgates, stride, step);
        else
            step([](const BackwardStep<T>& here) { Cell::backward(here); });
        const T* products = dgates;  // of the recurrent product: the gates', unless there is a norm between
        if constexpr (Cell::kTwoStages) {
            if constexpr (Cell::kRegularised)
                if (p.norm_hh != nullptr) {
                    through_norm<NormAlone<Cell>>(t, rows, dgates, stride, kRecurrentAlone);
                    products = dgates + kHiddenRegion * l.panels * stride;
                }
            multiply_gates<T, W, S, 1>(l.panels, products, rows, stride, 0, packed + l.second_backward(), m.product_rows,
                                       l.hidden, 0, l.blocks(l.hidden), false);
            step([&](const BackwardStep<T>& here) { Cell::second_backward(here, m.product + here.unit); });
        }
        if constexpr (Cell::kRegularised)
            if (p.norm_hh != nullptr) {
                through_norms(t, rows, dgates, stride);
                products = dgates + kHiddenRegion * l.panels * stride;
            }
        multiply(t, products, stride, 0, l.blocks(l.state));
        if (apart()) add_product(rows);
        if constexpr (Cell::kRegularised)
            if (p.zone_h.rate > 0) add_direct(rows);
        if (p.starts != nullptr) part_at_starts(t, rows);
    }

    /// Of the gradients of h, what goes past the step, aside in `direct`.
    void part_at_zones(Index t, Index rows) {
        using V = typename Cell::V;
        const Zone<T> zone = zone_at<T>(p.zone_h, p.output_size, t, begin, rows, m.zone_h);
        for (Index row = 0; row < rows; ++row)
            for (Index unit = 0; unit < p.output_size; unit += W) {
                V grad = load<V>(m.dh_rows[row] + unit);
                store(m.direct + row * m.width + unit, held<T, W>(zone, row, unit, grad));
                store(m.dh_rows[row] + unit, grad);
            }
    }

    void add_direct(Index rows) {
        for (Index row = 0; row < rows; ++row)
            for (Index k = 0; k < p.output_size; ++k) m.dh_rows[row][k] += m.direct[row * m.width + k];
    }

    /// A cell with c, whose norm needs all units before the gates have their gradients.
    template <class Step>
    void step_regularised(Index t, Index rows, T* dgates, Index stride, const Step& step) {
        const T* gains = packed + l.gains_backward() + l.kOwn;
        more.weights = gains, more.weights_stride = l.gains_row();
        more.own = dgates + kOwnRegion * l.panels * stride, more.own_stride = stride, more.own_more = l.panels * stride;
        more.peephole = p.w_ch != nullptr;
        more.zone = zone_at<T>(p.zone_c, l.hidden, t, begin, rows, m.zone_c);
        if (p.norm_c != nullptr) more.mean = scale(kCellMean, t), more.scale = scale(kCellScale, t);
        step([](const BackwardStep<T>& here) { Cell::first_backward(here); });
        if (p.norm_c != nullptr)
            Norm<Cell, 0, 1>::pulls(l, rows, {more.scale, gains, dgates + W, nullptr}, dgates, stride, m.less, m.slope);
        more.less = m.less, more.slope = m.slope;
        step([](const BackwardStep<T>& here) { Cell::backward(here); });
    }

    const T* scale(Scale which, Index t) const {
        return p.scales + which * p.offset[p.visits] + p.offset[t] + begin;
    }

    /// The gradients of products from those of the gates that they entered through a norm.
    template <class N, class... Where>
    void through_norm(Index t, Index rows, T* dgates, Index stride, Where... which) {
        const auto side = [&](Scale scaled) {
            const bool input = scaled == kInputTogether || scaled == kInputAlone;
            return typename N::Side{scale(scaled, t), packed + l.gains_backward() + (input ? 0 : l.kGainHidden),
                                    (input ? p.normed_ih : p.normed_hh) + (kept_row(p, t) + begin) * S * W,
                                    dgates + (input ? kInputRegion : kHiddenRegion) * l.panels * stride};
        };
        const typename N::Side sides[] = {side(which)...};
        N::template backward<sizeof...(which)>(l, rows, sides, p.gate_stride, dgates, stride);
    }

    /// All of a visit but those of a second product.
    void through_norms(Index t, Index rows, T* dgates, Index stride) {
        using Together = NormTogether<Cell>;
        if (p.norm_ih == nullptr) {
            through_norm<Together>(t, rows, dgates, stride, kRecurrentTogether);
        } else {
            through_norm<Together>(t, rows, dgates, stride, kInputTogether, kRecurrentTogether);
            if constexpr (Cell::kAlone >= 0) through_norm<Norm<Cell, 0, 1>>(t, rows, dgates, stride, kInputAlone);
        }
        if constexpr (Cell::kAlone >= 0 && !Cell::kTwoStages)
            through_norm<NormAlone<Cell>>(t, rows, dgates, stride, kRecurrentAlone);
    }

    /// The product of visit t and the gates of the one before it, as far as the chunk has both; only the blocks' units.
    /// All rows of a batch of a few, without what would need the others' units.
    void run_blocks(Index chunk, Index t, Index from, Index to, T* gates, Index stride) {
        const Index first = p.chunk[chunk];
        const auto dgates = [&](Index visit) { return gates + (p.offset[visit] - p.offset[first]) * S * W; };
        if (t < p.chunk[chunk + 1]) multiply(t, dgates(t), stride, from, to);
        if (t-- == first) return;
        const Index panel = l.panel_of(from), end_panel = l.panel_of(to), rows = active(t);
        if (p.dy.data != nullptr)
            add_output_gradients(t, rows, panel * U * W, least(end_panel * U * W, p.output_size));
        const T* h_before[kFewRows];
        if constexpr (Cell::kDirect)
            for (Index row = 0; row < rows; ++row) h_before[row] = before(p, row, t, static_cast<const T*>(m.zero));
        const T* c_before = nullptr;
        if constexpr (Cell::kHasCells) {
            if (t > p.first)
                c_before = p.cells + kept_row(p, t - 1) * W;
            else {
                for (Index row = 0; row < rows; ++row)
                    cells_in<Cell>(l, cell_row(p, p.c_first, row), m.c_before + row * W, m.cell_stride, panel,
                                   end_panel);
                c_before = m.c_before;
            }
        }
        each_panel(t, dgates(t), stride, h_before, c_before, t > p.first ? p.cell_stride : m.cell_stride, panel,
                   end_panel, [](const BackwardStep<T>& here) { Cell::backward(here); });
    }

    template <class Work>
    void each_panel(Index t, T* dgates, Index stride, const T* const* h_before, [[maybe_unused]] const T* c_before,
                    [[maybe_unused]] Index before_stride, Index from, Index to, const Work& work) {
        const Index rows = active(t);
        for (Index panel = from; panel < to; ++panel) {
            const Index unit = panel * U * W;
            BackwardStep<T> here{.gates = kept_gates(t, panel, rows),
                                 .c = nullptr,
                                 .c_before = nullptr,
                                 .h_before = h_before,
                                 .mask = p.mask == nullptr ? nullptr : m.mask + unit,
                                 .dgates = dgates + panel * stride,
                                 .dc = nullptr,
                                 .dh = (Cell::kProjected ? m.product : m.dh) + unit,
                                 .rows = rows,
                                 .h_stride = m.width,
                                 .unit = unit,
                                 .units = l.units(panel),
                                 .option = p.option,
                                 .regulars = Cell::kRegularised ? &more : nullptr};
            if constexpr (Cell::kHasCells) {
                here.c = p.cells + (kept_row(p, t) + begin) * W + panel * p.cell_stride;
                here.c_before = c_before + panel * before_stride;
                here.dc = m.dc + panel * m.cell_stride;
            }
            work(here);
            if (here.units < U * W) clear_padding(here.dgates, rows, here.units);
        }
    }

    /// What forward kept of a panel, or the outputs in its place.
    const T* kept_gates(Index t, Index panel, Index rows) {
        if constexpr (kKeepsGates<Cell>) return p.gates + (kept_row(p, t) + begin) * S * W + panel * p.gate_stride;
        const Index unit = panel * U * W, units = l.units(panel);
        T* gates = m.gates + unit * p.batch;
        for (Index row = 0; row < rows; ++row) copy(gates + row * S * W, row_at(p, p.y, begin + row, t) + unit, units);
        return gates;
    }

    /// Whether the product may not go to dh at once.
    bool apart() const { return Cell::kTwoStages || p.mask != nullptr; }

    void multiply(Index t, const T* dgates, Index stride, Index from, Index to) {
        if constexpr (Cell::GH > 0)
            multiply_gates<T, W, S, Cell::GH>(l.panels, dgates, active(t), stride, Cell::OH, packed + l.hh_backward(),
                                              apart() ? m.product_rows : m.dh_rows, l.state, from, to,
                                              Cell::kTwoStages || (!apart() && Cell::kDirect));
    }

    /// Units that are only padding have no gradient, even where a neighbour is infinite.
    static void clear_padding(T* dgates, Index rows, Index units) {
        for (Index row = 0; row < rows; ++row, dgates += S * W)
            for (Index slot = 0; slot < S; ++slot)
                for (Index n = 0; n < W; ++n)
                    if ((U > 1 ? slot * W : 0) + n >= units) dgates[slot * W + n] = 0;
    }

    void add_product(Index rows) {
        for (Index row = 0; row < rows; ++row) {
            T* to = m.dh_rows[row];
            const T *from = m.product_rows[row], *factors = m.mask + row * m.width;
            for (Index k = 0; k < p.output_size; ++k)
                to[k] = (Cell::kDirect ? to[k] : 0) + (p.mask == nullptr ? from[k] : from[k] * factors[k]);
        }
    }

    void part_at_starts(Index t, Index rows) {
        for (Index row = 0; row < rows; ++row) {
            if (!starts_at(p, begin + row, t)) continue;
            state_gradient(row, p.dfresh_h, p.dfresh_c, true);
            clear(m.dh_rows[row], m.width);
            if constexpr (Cell::kHasCells)
                cells_in<Cell>(l, static_cast<const T*>(nullptr), m.dc + row * W, m.cell_stride);
        }
    }
};

}  // namespace timesteps::TIMESTEPS_TARGET
