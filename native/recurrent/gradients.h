// From the gradients of a chunk's gates: those of the inputs, and of the weights.
#pragma once

#include "backward.h"

namespace timesteps::TIMESTEPS_TARGET {

template <class T>
struct GradientMemory {
    const T **x_rows, **h_rows, **reset_rows, **dh_rows;
    T **dx_rows, *states, *reset, *zero, *output;

    GradientMemory(const Layout<T>& l, const Problem<T>& p, Arena& arena) {
        x_rows = arena.take<const T*>(p.chunk_rows);
        dx_rows = arena.take<T*>(p.chunk_rows);
        h_rows = arena.take<const T*>(p.chunk_rows);
        reset_rows = arena.take<const T*>(l.cell.two_stages ? p.chunk_rows : 0);
        states = arena.take<T>(p.mask == nullptr ? 0 : p.chunk_rows * l.width);
        reset = arena.take<T>(l.cell.two_stages ? p.chunk_rows * l.width : 0);
        zero = arena.take<T>(l.width);
        dh_rows = arena.take<const T*>(l.cell.projected ? p.chunk_rows : 0);
        output = arena.take<T>(l.cell.projected ? p.chunk_rows * l.W : 0);
    }
};

/// The gradients of the input side of the gates, where that was given.
template <class T>
void give_projected(const Layout<T>& l, const T* gates, Index rows, Index stride, T* const* dgx) {
    constexpr Index W = kWidth<T>;
    for (Index panel = 0; panel < l.panels; ++panel, gates += stride)
        for (Index v = 0; v < l.GI; ++v) {
            const Slot s(l, panel, l.cell.input_gate[v], v);
            for (Index row = 0; row < rows; ++row)
                store_some(dgx[row] + s.row, load<Vector<T, W>>(gates + (row * l.S + v) * W), s.rows);
        }
}

/// Of rows begin … end - 1 of a chunk.
template <class T>
void input_gradient(const Problem<T>& p, const T* packed, Index chunk, Index begin, Index end, const T* gates,
                    Index stride, char* memory) {
    const Layout<T> l(p);
    Arena arena(memory);
    GradientMemory<T> m(l, p, arena);
    Index rows = 0;
    for (Index t = p.chunk[chunk]; t < p.chunk[chunk + 1]; ++t)
        for (Index r = 0; r < p.active[t]; ++r) {
            m.dx_rows[rows++] = row_at(p, p.dx, r, t);
            if (p.far && rows > begin && rows <= end) expect_row<true>(m.dx_rows[rows - 1], p.input_size);
        }
    if (p.norm_ih != nullptr) gates += kInputRegion * l.panels * stride;
    gates += begin * l.gate_row();
    T* const* dx = m.dx_rows + begin;
    if (p.w_ih == nullptr) return give_projected(l, gates, end - begin, stride, dx);
    multiply_gates(l, l.GI, gates, end - begin, stride, 0, packed + l.ih_backward(), dx, l.input, 0, l.blocks(l.input),
                   false);
}

/// The rows that entered the products of a chunk: inputs, states (masked), and r ∘ h.
template <class T>
void gather_rows(const Layout<T>& l, const Problem<T>& p, const GradientMemory<T>& m, Index chunk) {
    constexpr Index W = kWidth<T>;
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
            if (!l.cell.two_stages) continue;
            T* reset = m.reset + row * l.width;
            const T* factors = p.gates + (kept_row(p, t) + r) * l.gate_row() + W;  // slot 1: r
            for (Index k = 0; k < p.hidden_size; ++k) reset[k] = state[k] * factors[k / W * p.gate_stride + k % W];
            m.reset_rows[row] = reset;
        }
}

/// to (S vectors) = or += sums over rows of d (S vectors), times `factors` where there are some.
template <class T, int S>
[[gnu::noinline]] void sum_rows(const T* d, const T* factors, Index rows, T* to, bool add) {
    constexpr Index W = kWidth<T>;
    using V = Vector<T, W>;
    V sums[S]{};
    for (Index row = 0; row < rows; ++row)
#pragma GCC unroll 4
        for (Index s = 0; s < S; ++s) {
            const V number = load<V>(d + (row * S + s) * W);
            sums[s] += factors == nullptr ? number : number * load<V>(factors + (row * S + s) * W);
        }
    for (Index s = 0; s < S; ++s, to += W) store(to, add ? load<V>(to) + sums[s] : sums[s]);
}

template <class T>
void sum_rows(Index slots, const T* d, const T* factors, Index rows, T* to, bool add) {
    with_rows<kMostSlots>(slots, [&]<int S>() { sum_rows<T, S>(d, factors, rows, to, add); });
}

/// Where vector n of what sums up to the gradients of Own lies, for the panel whose gates' gradients are d.
template <class T>
const T* own_gradients(const Layout<T>& l, const T* d, Index stride, Index n) {
    return d + (kOwnRegion + n / l.S) * l.panels * stride + n % l.S * l.W;
}

/// Gradients of the gains of one panel, and of Own.
template <class T>
void gain_gradient(const Problem<T>& p, const Layout<T>& l, Index chunk, Index panel, const T* d, Index stride, T* sums,
                   bool add) {
    constexpr Index W = kWidth<T>;
    using V = Vector<T, W>;
    const Index rows = p.offset[p.chunk[chunk + 1]] - p.offset[p.chunk[chunk]];
    const Index kept = panel * p.gate_stride + kept_row(p, p.chunk[chunk]) * l.gate_row();
    T* to = sums + l.gains() + panel * l.gains_row();
    if (p.dnorm_ih != nullptr) sum_rows<T>(l.S, d, p.normed_ih + kept, rows, to, add);
    if (p.dnorm_hh != nullptr) sum_rows<T>(l.S, d, p.normed_hh + kept, rows, to + l.gain_hidden(), add);
    if (!l.cell.has_cells) return;
    const auto own = [&](Index n, const T* weight) {
        if (weight == nullptr) return;
        const T* from = own_gradients(l, d, stride, n);
        V sum{};
        for (Index row = 0; row < rows; ++row) sum += load<V>(from + row * l.gate_row());
        T* here = to + l.own() + n * W;
        store(here, add ? load<V>(here) + sum : sum);
    };
    own(kGainC, p.dnorm_c), own(kBiasC, p.dnorm_c_bias);
    for (Index n = 0; n < 3; ++n) own(kPeepI + n, p.dw_ch);
}

/// Gradients of the projection's columns that belong to one panel.
template <class T>
void projection_gradient(const Problem<T>& p, const Layout<T>& l, const GradientMemory<T>& m, Index chunk, Index panel,
                         const T* d, Index stride, const T* dh, T* sums, bool add) {
    constexpr Index W = kWidth<T>;
    const Index first = kept_row(p, p.chunk[chunk]), rows = p.offset[p.chunk[chunk + 1]] - p.offset[p.chunk[chunk]];
    for (Index row = 0; row < rows; ++row) m.dh_rows[row] = dh + row * p.output_size;
    const T* output = l.cell.regularised ? own_gradients(l, d, stride, kOwns) : m.output;
    if (!l.cell.regularised)
        l.cell.output(p.gates + panel * p.gate_stride + first * l.gate_row(), p.cells + panel * p.cell_stride + first * W,
                      rows, m.output);
    multiply_outer<T>(1, output, l.cell.regularised ? l.gate_row() : W, rows, m.dh_rows, l.state,
                      sums + l.projection() + panel * l.state * W, add);
}

template <class T>
void weight_gradient(const Problem<T>& p, Index chunk, Index begin, Index end, const T* gates, Index stride,
                     const T* dh, T* sums, char* memory) {
    const Layout<T> l(p);
    const Cell<T>& cell = l.cell;
    Arena arena(memory);
    const GradientMemory<T> m(l, p, arena);
    gather_rows(l, p, m, chunk);
    const Index rows = p.offset[p.chunk[chunk + 1]] - p.offset[p.chunk[chunk]], step = l.gate_row();
    const bool add = chunk < p.chunks - 1;
    for (Index panel = begin; panel < end; ++panel) {
        const T *d = gates + panel * stride, *d_ih = d, *d_hh = d;
        if (p.norm_ih != nullptr) d_ih += kInputRegion * l.panels * stride;
        if (p.norm_hh != nullptr) d_hh += kHiddenRegion * l.panels * stride;
        if (p.dw_ih != nullptr) multiply_outer<T>(cell.GI, d_ih, step, rows, m.x_rows, l.input, sums + l.ih(panel), add);
        if (p.dw_hh != nullptr && cell.GH > 0)
            multiply_outer<T>(cell.GH, d_hh + cell.OH * l.W, step, rows, m.h_rows, l.state, sums + l.hh(panel), add);
        if (p.dw_hh != nullptr && cell.two_stages)
            multiply_outer<T>(1, d_hh, step, rows, m.reset_rows, l.hidden, sums + l.second(panel), add);
        if (p.dw_hr != nullptr && cell.projected)
            projection_gradient(p, l, m, chunk, panel, d, stride, dh, sums, add);
        if (cell.regularised) gain_gradient(p, l, chunk, panel, d, stride, sums, add);
        if (p.db_ih != nullptr || p.db_hh != nullptr)
            sum_rows<T>(l.S, d, nullptr, rows, sums + l.bias(panel), add);
    }
}

}  // namespace timesteps::TIMESTEPS_TARGET
