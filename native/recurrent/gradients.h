// From the gradients of a chunk's gates: those of the inputs, and of the weights.
#pragma once

#include "backward.h"

namespace timesteps::TIMESTEPS_TARGET {

template <class Cell>
struct GradientMemory {
    using T = typename Cell::T;
    const T **x_rows, **h_rows, **reset_rows, **dh_rows;
    T **dx_rows, *states, *reset, *zero, *output;

    GradientMemory(const Problem<T>& p, Arena& arena) {
        const Layout<Cell> l(p);
        x_rows = arena.take<const T*>(p.chunk_rows);
        dx_rows = arena.take<T*>(p.chunk_rows);
        h_rows = arena.take<const T*>(p.chunk_rows);
        reset_rows = arena.take<const T*>(Cell::kTwoStages ? p.chunk_rows : 0);
        states = arena.take<T>(p.mask == nullptr ? 0 : p.chunk_rows * l.width);
        reset = arena.take<T>(Cell::kTwoStages ? p.chunk_rows * l.width : 0);
        zero = arena.take<T>(l.width);
        dh_rows = arena.take<const T*>(Cell::kProjected ? p.chunk_rows : 0);
        output = arena.take<T>(Cell::kProjected ? p.chunk_rows * Cell::W : 0);
    }
};

/// The gradients of the input side of the gates, where that was given.
template <class Cell>
void give_projected(const Layout<Cell>& l, const typename Cell::T* gates, Index rows, Index stride,
                    typename Cell::T* const* dgx) {
    constexpr Index W = Cell::W, S = Cell::S;
    using V = typename Cell::V;
    for (Index panel = 0; panel < l.panels; ++panel, gates += stride)
        for (Index v = 0; v < Cell::GI; ++v) {
            const Slot<Cell> s(l, panel, Cell::input_gate(v), v);
            for (Index row = 0; row < rows; ++row)
                store_some(dgx[row] + s.row, load<V>(gates + (row * S + v) * W), s.rows);
        }
}

/// Of rows begin … end - 1 of a chunk.
template <class Cell>
void input_gradient(const Problem<typename Cell::T>& p, const typename Cell::T* packed, Index chunk, Index begin,
                    Index end, const typename Cell::T* gates, Index stride, char* memory) {
    const Layout<Cell> l(p);
    Arena arena(memory);
    GradientMemory<Cell> m(p, arena);
    Index rows = 0;
    for (Index t = p.chunk[chunk]; t < p.chunk[chunk + 1]; ++t)
        for (Index r = 0; r < p.active[t]; ++r) {
            m.dx_rows[rows++] = row_at(p, p.dx, r, t);
            if (p.far && rows > begin && rows <= end) expect_row<true>(m.dx_rows[rows - 1], p.input_size);
        }
    gates += begin * Cell::S * Cell::W;
    const auto* dx = m.dx_rows + begin;
    if (p.w_ih == nullptr) return give_projected<Cell>(l, gates, end - begin, stride, dx);
    multiply_gates<typename Cell::T, Cell::W, Cell::S, Cell::GI>(l.panels, gates, end - begin, stride, 0,
                                                                 packed + l.ih_backward(), dx, l.input, 0,
                                                                 l.blocks(l.input), false);
}

/// The rows that entered the products of a chunk: inputs, states (masked), and r ∘ h.
template <class Cell>
void gather_rows(const Problem<typename Cell::T>& p, const GradientMemory<Cell>& m, Index chunk) {
    using T = typename Cell::T;
    constexpr Index W = Cell::W, S = Cell::S;
    const Layout<Cell> l(p);
    Index row = 0;
    clear(m.zero, l.width);
    for (Index t = p.chunk[chunk]; t < p.chunk[chunk + 1]; ++t)
        for (Index r = 0; r < p.active[t]; ++r, ++row) {
            m.x_rows[row] = x_at(p, r, t);
            const T* state = before(p, r, t, static_cast<const T*>(m.zero));
            if (p.mask != nullptr) {
                T* masked = m.states + row * l.width;
                const T* factors = p.mask + p.original[r] * p.output_size;
                for (Index k = 0; k < p.output_size; ++k) masked[k] = state[k] * factors[k];
                state = masked;
            }
            m.h_rows[row] = state;
            if (p.far) expect_row<false>(m.x_rows[row], l.input), expect_row<false>(state, l.state);
            if constexpr (Cell::kTwoStages) {
                T* reset = m.reset + row * l.width;
                const T* factors = p.gates + (kept_row(p, t) + r) * S * W + W;  // slot 1: r
                for (Index k = 0; k < p.hidden_size; ++k) reset[k] = state[k] * factors[k / W * p.gate_stride + k % W];
                m.reset_rows[row] = reset;
            }
        }
}

/// to (S vectors) = or += sums over rows of d (S vectors), times `factors` where there are some.
template <int S, int W, class T>
TIMESTEPS_ALWAYS void sum_rows(const T* d, const T* factors, Index rows, T* to, bool add) {
    using V = Vector<T, W>;
    V sums[S]{};
    for (Index row = 0; row < rows; ++row)
        for (Index s = 0; s < S; ++s) {
            const V number = load<V>(d + (row * S + s) * W);
            sums[s] += factors == nullptr ? number : number * load<V>(factors + (row * S + s) * W);
        }
    for (Index s = 0; s < S; ++s, to += W) store(to, add ? load<V>(to) + sums[s] : sums[s]);
}

/// Where vector n of what sums up to the gradients of Own lies, for the panel whose gates' gradients are d.
template <class Cell>
const typename Cell::T* own_gradients(const Layout<Cell>& l, const typename Cell::T* d, Index stride, Index n) {
    return d + (kOwnRegion + n / Cell::S) * l.panels * stride + n % Cell::S * Cell::W;
}

/// Gradients of the gains of one panel, and of Own.
template <class Cell>
void gain_gradient(const Problem<typename Cell::T>& p, const Layout<Cell>& l, Index chunk, Index panel,
                   const typename Cell::T* d, Index stride, typename Cell::T* sums, bool add) {
    using T = typename Cell::T;
    using V = typename Cell::V;
    constexpr int W = Cell::W, S = Cell::S;
    const Index rows = p.offset[p.chunk[chunk + 1]] - p.offset[p.chunk[chunk]];
    const Index kept = panel * p.gate_stride + kept_row(p, p.chunk[chunk]) * S * W;
    T* to = sums + l.gains() + panel * l.gains_row();
    if (p.dnorm_ih != nullptr) sum_rows<S, W>(d, p.normed_ih + kept, rows, to, add);
    if (p.dnorm_hh != nullptr) sum_rows<S, W>(d, p.normed_hh + kept, rows, to + l.kGainHidden, add);
    if constexpr (Cell::kHasCells) {
        const auto own = [&](int n, const T* weight) {
            if (weight == nullptr) return;
            const T* from = own_gradients(l, d, stride, n);
            V sum{};
            for (Index row = 0; row < rows; ++row) sum += load<V>(from + row * S * W);
            T* here = to + l.kOwn + n * W;
            store(here, add ? load<V>(here) + sum : sum);
        };
        own(kGainC, p.dnorm_c), own(kBiasC, p.dnorm_c_bias);
        for (int n = 0; n < 3; ++n) own(kPeepI + n, p.dw_ch);
    }
}

template <class Cell>
void weight_gradient(const Problem<typename Cell::T>& p, Index chunk, Index begin, Index end,
                     const typename Cell::T* gates, Index stride, [[maybe_unused]] const typename Cell::T* dh,
                     typename Cell::T* sums, char* memory) {
    using T = typename Cell::T;
    constexpr Index W = Cell::W, S = Cell::S;
    const Layout<Cell> l(p);
    Arena arena(memory);
    GradientMemory<typename Cell::Plain> m(p, arena);
    gather_rows<typename Cell::Plain>(p, m, chunk);
    const Index rows = p.offset[p.chunk[chunk + 1]] - p.offset[p.chunk[chunk]];
    const bool add = chunk < p.chunks - 1;
    for (Index panel = begin; panel < end; ++panel) {
        const T *d = gates + panel * stride, *d_ih = d, *d_hh = d;
        if (Cell::kRegularised && p.norm_ih != nullptr) d_ih += kInputRegion * l.panels * stride;
        if (Cell::kRegularised && p.norm_hh != nullptr) d_hh += kHiddenRegion * l.panels * stride;
        if (p.dw_ih != nullptr)
            multiply_outer<T, W, Cell::GI>(d_ih, S * W, rows, m.x_rows, l.input, sums + l.ih(panel), add);
        if constexpr (Cell::GH > 0)
            if (p.dw_hh != nullptr) {
                multiply_outer<T, W, Cell::GH>(d_hh + Cell::OH * W, S * W, rows, m.h_rows, l.state, sums + l.hh(panel),
                                               add);
                if constexpr (Cell::kTwoStages)
                    multiply_outer<T, W, 1>(d_hh, S * W, rows, m.reset_rows, l.hidden, sums + l.second(panel), add);
            }
        if constexpr (Cell::kProjected) {
            [[maybe_unused]] const Index first = kept_row(p, p.chunk[chunk]);
            for (Index row = 0; row < rows; ++row) {
                m.dh_rows[row] = dh + row * p.output_size;
                if constexpr (!Cell::kRegularised)
                    Cell::output(p.gates + panel * p.gate_stride + (first + row) * S * W,
                                 p.cells + panel * p.cell_stride + (first + row) * W, m.output + row * W);
            }
            const T* output = Cell::kRegularised ? own_gradients(l, d, stride, kOwns) : m.output;
            if (p.dw_hr != nullptr)
                multiply_outer<T, W, 1>(output, Cell::kRegularised ? S * W : W, rows, m.dh_rows, l.state,
                                        sums + l.projection() + panel * l.state * W, add);
        }
        if constexpr (Cell::kRegularised) gain_gradient(p, l, chunk, panel, d, stride, sums, add);
        if (p.db_ih == nullptr && p.db_hh == nullptr) continue;
        sum_rows<S, W>(d, static_cast<const T*>(nullptr), rows, sums + l.bias(panel), add);
    }
}

}  // namespace timesteps::TIMESTEPS_TARGET
