// One time step of a layer. Each number of the gates is one chain of additions: bias, then the inputs, then the units,
// in rising order, as the kernels over whole sequences have it (recurrent/forward.h). So a stream's bits are theirs,
// and depend neither on the streams beside it nor on how a sequence was cut into calls.
#pragma once

#include "../recurrent/layout.h"
#include "../recurrent/tiles.h"
#include "panels.h"

namespace timesteps::TIMESTEPS_TARGET {

/// Sums in registers for one stream: chains enough to hide what an addition waits for, with registers to spare.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kChains = 16;
#else
constexpr int kChains = 8;
#endif

/// Packed: biases (panels, S), then for each group of up to P panels (k, panels of the group, slots): weight_ih,
/// weight_hh, and weight_hh of the second stage. One stream reads its weights from front to back.
template <class Cell>
struct StepLayout {
    static constexpr Index W = Cell::W, S = Cell::S, GI = Cell::GI, GH = Cell::GH;
    static constexpr int kTogether = Cell::S == 1 ? 8 : kChains / Cell::S, kTogetherSecond = 8;

    Index input, hidden, panels;

    explicit StepLayout(const StepShape& shape)
        : input(shape.product ? shape.input_size : 0),
          hidden(shape.hidden_size),
          panels((shape.hidden_size + W - 1) / W) {}

    Index gates() const { return panels * S * W; }
    Index ih(Index panel) const { return gates() + panel * input * GI * W; }
    Index hh(Index panel) const { return ih(panels) + panel * hidden * GH * W; }
    Index second(Index panel) const { return hh(panels) + panel * hidden * W; }
    Index packed() const { return second(Cell::kTwoStages ? panels : 0); }
};

/// Some slots of all panels: columns of `weight` for the gates that `gate_of` says.
template <class Cell, class GateOf>
void pack_groups(const StepLayout<Cell>& l, const float* weight, Index columns, int slots, int together,
                 const GateOf& gate_of, float* to) {
    constexpr Index W = Cell::W;
    for (Index first = 0; first < l.panels; first += together) {
        const Index some = least(l.panels - first, together);
        for (Index n = 0; n < some; ++n)
            for (int v = 0; v < slots; ++v) {
                const Index unit = (first + n) * W;
                pack_rows<float, W>(weight, columns, gate_of(v) * l.hidden + unit, least(l.hidden - unit, W),
                                to + (n * slots + v) * W, some * slots * W);
            }
        to += some * slots * W * columns;
    }
}

template <class Cell>
void pack_step(const StepShape& shape, const StepWeights& weights, void* packed) {
    const StepLayout<Cell> l(shape);
    auto* to = static_cast<float*>(packed);
    for (Index n = 0; n < l.packed(); ++n) to[n] = 0;
    pack_biases<Cell>(l.panels, l.hidden, weights, to);
    if (l.input > 0)
        pack_groups(l, weights.w_ih, l.input, Cell::GI, l.kTogether, Cell::input_gate, to + l.ih(0));
    if constexpr (Cell::GH > 0)
        pack_groups(l, weights.w_hh, l.hidden, Cell::GH, l.kTogether, Cell::recurrent_gate, to + l.hh(0));
    if constexpr (Cell::kTwoStages)
        pack_groups(
            l, weights.w_hh, l.hidden, 1, l.kTogetherSecond, [](int) { return Cell::kSecondGate; }, to + l.second(0));
}

template <class Cell>
void pack_table(const StepShape& shape, const StepWeights& weights, const void*, float*, float* table) {
    constexpr Index W = Cell::W, S = Cell::S;
    const StepLayout<Cell> l(shape);
    for (Index k = 0; k < shape.input_size; ++k, table += l.gates()) {
        pack_biases<Cell>(l.panels, l.hidden, weights, table);
        for (int v = 0; v < Cell::GI; ++v)
            for (Index unit = 0; unit < l.hidden; ++unit)
                table[(unit / W * S + v) * W + unit % W] +=
                    weights.w_ih[(Cell::input_gate(v) * l.hidden + unit) * shape.input_size + k];
    }
}

/// Adds to P panels of R rows `Slots` of S sums each, from slot `First` on: sum over k of a[r][k] * w[k], whose rows
/// lie `stride` apart, in one chain.
template <int W, int R, int P, int S, int Slots, int First>
TIMESTEPS_ALWAYS void chain(Vector<float, W> (&sums)[R][P * S], const float* const (&a)[R], Index length, const float* w,
                            Index stride) {
    using V = Vector<float, W>;
    Index k = 0;
    do {
        V numbers[R];
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) numbers[r] = splat<V>(a[r][k]);
#pragma GCC unroll 16
        for (int p = 0; p < P; ++p)
#pragma GCC unroll 16
            for (int v = 0; v < Slots; ++v) {
                const V weights = load<V>(w + (p * Slots + v) * W);
#pragma GCC unroll 16
                for (int r = 0; r < R; ++r) sums[r][p * S + First + v] += numbers[r] * weights;
            }
        w += stride;
    } while (++k < length);
}

/// The same, long sums block by block as `multiply_rows` makes them, for the same bits.
template <int W, int R, int P, int S, int Slots, int First>
TIMESTEPS_ALWAYS void accumulate(Vector<float, W> (&sums)[R][P * S], const float* const (&a)[R], Index length,
                                 const float* w, Index stride) {
    if (length <= kInner) return chain<W, R, P, S, Slots, First>(sums, a, length, w, stride);
    for (Index first = 0; first < length; first += kInner, w += kInner * stride) {
        Vector<float, W> block[R][P * S]{};
        const float* numbers[R];
        for (int r = 0; r < R; ++r) numbers[r] = a[r] + first;
        chain<W, R, P, S, Slots, First>(block, numbers, least(length - first, kInner), w, stride);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
            for (int n = 0; n < P * S; ++n) sums[r][n] += block[r][n];
    }
}

/// The gates of P panels, from `panel` on, which is the `within`-th of its group of `together`, for R rows.
template <class Cell, int R, int P>
[[gnu::noinline]] void tile_gates(const StepLayout<Cell>& l, const float* packed, Index panel, Index within,
                                  Index together, const StepRow* rows) {
    constexpr int W = Cell::W, S = Cell::S, GI = Cell::GI, GH = Cell::GH;
    using V = Vector<float, W>;
    V sums[R][P * S];
    const float* numbers[R];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
        const float* start = (rows[r].start == nullptr ? packed : rows[r].start) + panel * S * W;
#pragma GCC unroll 16
        for (int n = 0; n < P * S; ++n) sums[r][n] = load<V>(start + n * W);
        numbers[r] = rows[r].x;
    }
    const Index first = panel - within;
    if (l.input > 0)
        accumulate<W, R, P, S, GI, 0>(sums, numbers, l.input, packed + l.ih(first) + within * GI * W,
                                      together * GI * W);
    if constexpr (GH > 0) {
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) numbers[r] = rows[r].h;
        accumulate<W, R, P, S, GH, Cell::OH>(sums, numbers, l.hidden, packed + l.hh(first) + within * GH * W,
                                             together * GH * W);
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
        for (int n = 0; n < P * S; ++n) store(rows[r].gates + (panel * S + n) * W, sums[r][n]);
}

/// The second product of a cell that has one: slot 0 of P panels of one row.
template <class Cell, int P>
[[gnu::noinline]] void tile_second(const StepLayout<Cell>& l, const float* packed, Index panel, const StepRow& row) {
    constexpr int W = Cell::W, S = Cell::S;
    using V = Vector<float, W>;
    V sums[1][P];
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p) sums[0][p] = load<V>(row.gates + (panel + p) * S * W);
    const float* numbers[1] = {row.reset};
    accumulate<W, 1, P, 1, 1, 0>(sums, numbers, l.hidden, packed + l.second(panel), P * W);
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p) store(row.gates + (panel + p) * S * W, sums[0][p]);
}

template <class Cell>
void step_rows(const StepShape& shape, const void* packed, const StepRow* rows, Index count) {
    constexpr int kRows = most_rows<float>(Cell::S);
    const StepLayout<Cell> l(shape);
    const auto* weights = static_cast<const float*>(packed);
    for (Index row = 0, some; row < count; row += some) {
        some = next_tile(count - row, kRows);
        for (Index first = 0; first < l.panels; first += l.kTogether) {
            const Index together = least(l.panels - first, l.kTogether);
            if (some == 1) {
                with_rows<StepLayout<Cell>::kTogether>(
                    together, [&]<int P>() { tile_gates<Cell, 1, P>(l, weights, first, 0, P, rows + row); });
                continue;
            }
            for (Index n = 0; n < together; ++n)
                with_rows<kRows>(
                    some, [&]<int R>() { tile_gates<Cell, R, 1>(l, weights, first + n, n, together, rows + row); });
        }
    }
    for (Index row = 0; row < count; ++row) {
        const StepRow& here = rows[row];
        if constexpr (Cell::kTwoStages) {
            each_panel<Cell>(l.panels, shape.option, here, [&](const ForwardStep<float>& s, Index unit) {
                Cell::first_forward(s, s.h_in, here.reset + unit);
            });
            for (Index first = 0; first < l.panels; first += l.kTogetherSecond)
                with_rows<StepLayout<Cell>::kTogetherSecond>(
                    least(l.panels - first, l.kTogetherSecond),
                    [&]<int P>() { tile_second<Cell, P>(l, weights, first, here); });
        }
        each_panel<Cell>(l.panels, shape.option, here, [](const ForwardStep<float>& s, Index) { Cell::forward(s); });
    }
}

template <class Cell>
StepKernels step_kernels_of() {
    return {
        .packed_bytes = [](const StepShape& s) { return StepLayout<Cell>(s).packed() * Index(sizeof(float)); },
        .gates = [](const StepShape& s) { return StepLayout<Cell>(s).gates(); },
        .work = [](const StepShape& s) { return StepLayout<Cell>(s).gates(); },
        .pack = pack_step<Cell>,
        .pack_table = pack_table<Cell>,
        .step = step_rows<Cell>,
    };
}

}  // namespace timesteps::TIMESTEPS_TARGET
