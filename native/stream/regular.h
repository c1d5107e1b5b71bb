// One time step of a layer with layer norm, peephole connections or zoneout (its expectation), by the functions of the
// kernels over whole sequences and in their order (visit_regularised in recurrent/forward.h), so for the same bits. One
// stream after the other.
#pragma once

#include "../recurrent/gains.h"
#include "../recurrent/regularised.h"
#include "step.h"

namespace timesteps::TIMESTEPS_TARGET {

/// A cell that its layout takes for regularised, so that there is room for gains.
template <class N>
constexpr Cell<float> kTable = kIsRegularised<N> || N::GH == 0 ? cell_of<N>() : regularised<N>();

/// Packed: what `StepLayout` says, then biases with room for whole panels of N, then gains. N is the cell whose panels
/// layer norm goes by, which differs from the cell Of the products in how many vectors of units a panel has.
template <class Of, class N>
struct RegularLayout {
    static constexpr Index W = Of::W;

    StepLayout<Of> step;
    Layout<float> norm;

    RegularLayout(const StepShape& shape, const Problem<float>& problem) : step(shape), norm(problem) {}

    /// What `Layout` and the packing of gains read.
    static Problem<float> problem(const StepShape& shape, const StepWeights& weights) {
        Problem<float> p{};
        p.input_size = shape.input_size, p.hidden_size = p.output_size = shape.hidden_size;
        p.cell = &kTable<N>;
        p.norm_ih = weights.norm_ih, p.norm_hh = weights.norm_hh;
        p.norm_c = weights.norm_c, p.norm_c_bias = weights.norm_c_bias, p.w_ch = weights.w_ch;
        return p;
    }
    explicit RegularLayout(const StepShape& shape) : RegularLayout(shape, problem(shape, {})) {}

    Index room() const { return norm.panels * norm.gate_row(); }  // numbers of all gates
    Index bias() const { return step.packed(); }
    Index gains() const { return bias() + room(); }
    Index packed() const { return gains() + norm.panels * norm.gains_row(); }
    Index work() const { return 2 * room() + 2 * norm.width; }
};

template <int W, int S, int Slots, int First, int P>
[[gnu::noinline]] void tile_product(const float* w, const float* x, Index length, bool add, float* to) {
    using V = Vector<float, W>;
    V sums[1][P * S]{};
    if (add)
        for (int p = 0; p < P; ++p)
            for (int v = 0; v < Slots; ++v) sums[0][p * S + First + v] = load<V>(to + (p * S + First + v) * W);
    const float* numbers[1] = {x};
    accumulate<W, 1, P, S, Slots, First>(sums, numbers, length, w, P * Slots * W);
    for (int p = 0; p < P; ++p)
        for (int v = 0; v < Slots; ++v) store(to + (p * S + First + v) * W, sums[0][p * S + First + v]);
}

/// Slots First … of all panels = or += the product of x with weights packed in groups of `Together` panels.
template <class Of, int Slots, int First, int Together>
void product(Index panels, const float* w, const float* x, Index length, bool add, float* to) {
    constexpr int W = Of::W, S = Of::S;
    for (Index first = 0; first < panels; first += Together, to += Together * S * W) {
        with_rows<Together>(least(panels - first, Together), [&]<int P>() {
            tile_product<W, S, Slots, First, P>(w, x, length, add, to);
            w += P * Slots * W * length;
        });
    }
}

/// What one stream's layer norm takes and gives.
template <class Of, class N>
struct RowNorm {
    static constexpr Index W = Of::W, S = Of::S;
    static constexpr bool kHasAlone = Of::kAlone >= 0;

    const RegularLayout<Of, N>& l;
    const float* packed;
    float *a, *gates;  // products, and what their norm is added to

    const float* gain(Index panel, Index side) const {
        return packed + l.gains() + panel * l.norm.gains_row() + side;
    }

    /// Gates gain γ ∘ normed(a), or become that and a bias.
    void add(Slots slots, Index side, const float* bias) const {
        const Index stride = l.norm.gate_row();
        float mean, scale;
        norm_statistics<float>(l.norm, slots, a, stride, stride, 1, &mean, &scale);
        for (Index panel = 0; panel < l.norm.panels; ++panel)
            norm_apply<float>(l.norm, slots, panel, 1, &mean, &scale, gain(panel, side),
                              bias == nullptr ? nullptr : bias + panel * stride, a + panel * stride,
                              gates + panel * stride);
    }

    void add_input() const {
        const float* bias = packed + l.bias();
        copy(gates, bias, l.room());
        add(together(l.norm), 0, bias);
        if constexpr (kHasAlone) add(kFirstSlot, 0, bias);
    }

    void add_state() const {
        add(together(l.norm), l.norm.gain_hidden(), nullptr);
        if constexpr (kHasAlone && !Of::kTwoStages) add(alone(l.norm), l.norm.gain_hidden(), nullptr);
    }

    void add_second() const { add(alone(l.norm), l.norm.gain_hidden(), nullptr); }
};

template <class Of, class N>
void pack_regular(const StepShape& shape, const StepWeights& weights, void* packed) {
    constexpr Index W = Of::W;
    const Problem<float> problem = RegularLayout<Of, N>::problem(shape, weights);
    const RegularLayout<Of, N> l(shape, problem);
    auto* to = static_cast<float*>(packed);
    pack_step<Of>(shape, weights, to);
    clear(to + l.bias(), l.room());
    copy(to + l.bias(), to, l.step.panels * Of::S * W);
    if (l.norm.cell.regularised) pack_gains<float>(problem, 0, l.norm.panels, to + l.gains());
}

template <class Of, class N>
void pack_regular_table(const StepShape& shape, const StepWeights& weights, const void* packed, float* work,
                        float* table) {
    if (!shape.norm) return pack_table<Of>(shape, weights, packed, work, table);
    if constexpr (Of::GH > 0) {
        const RegularLayout<Of, N> l(shape);
        const RowNorm<Of, N> norm{l, static_cast<const float*>(packed), work + l.room(), work};
        for (Index k = 0; k < shape.input_size; ++k, table += l.step.gates()) {
            for (int v = 0; v < Of::GI; ++v)
                for (Index unit = 0; unit < shape.hidden_size; ++unit)
                    norm.a[(unit / Of::W * Of::S + v) * Of::W + unit % Of::W] =
                        weights.w_ih[(Of::input_gate(v) * shape.hidden_size + unit) * shape.input_size + k];
            norm.add_input();
            copy(table, norm.gates, l.step.gates());
        }
    }
}

template <class Of, class N>
void step_regular_row(const RegularLayout<Of, N>& l, const StepShape& shape, const float* packed,
                      const StepRow& row) {
    constexpr Index W = Of::W, S = Of::S;
    constexpr int kTogether = StepLayout<Of>::kTogether, kTogetherSecond = StepLayout<Of>::kTogetherSecond;
    const Index panels = l.step.panels, input = l.step.input, hidden = l.step.hidden;
    float *gates = row.gates, *a = gates + l.room(), *written = a + l.room(), *h = written + l.norm.width;
    const RowNorm<Of, N> norm{l, packed, a, gates};
    const bool normed = Of::GH > 0 && shape.norm;

    if (row.start != nullptr) {
        copy(gates, row.start, l.step.gates());
    } else if (normed) {
        product<Of, Of::GI, 0, kTogether>(panels, packed + l.step.ih(0), row.x, input, false, a);
        if constexpr (Of::GH > 0) norm.add_input();
    } else {
        copy(gates, packed + l.bias(), l.step.gates());
        product<Of, Of::GI, 0, kTogether>(panels, packed + l.step.ih(0), row.x, input, true, gates);
    }
    if constexpr (Of::GH > 0) {
        product<Of, Of::GH, Of::OH, kTogether>(panels, packed + l.step.hh(0), row.h, hidden, !normed,
                                                     normed ? a : gates);
        if (normed) norm.add_state();
    }

    Regulars<float> more{};
    float mean, scale;
    float* const outputs[] = {h};
    if constexpr (Of::kHasCells) {
        more.written = written, more.written_stride = W;
        more.weights = packed + l.gains() + l.norm.own(), more.weights_stride = l.norm.gains_row();
        more.peephole = shape.peephole;
        more.zone = {nullptr, 0, static_cast<float>(shape.zone_c)};
    }
    const auto each = [&](const auto& work) {
        for (Index panel = 0; panel < panels; ++panel) {
            const Index unit = panel * W;
            work(ForwardStep<float>{.gates = gates + panel * S * W,
                                    .c = Of::kHasCells ? row.c + unit : nullptr,
                                    .h_in = row.h + unit,
                                    .h_out = h + unit,
                                    .y = outputs,
                                    .saved_c = nullptr,
                                    .rows = 1,
                                    .h_stride = W,
                                    .unit = unit,
                                    .units = least(hidden - unit, W),
                                    .option = shape.option,
                                    .keep = false,
                                    .regulars = &more});
        }
    };
    if constexpr (Of::kTwoStages || Of::kHasCells)
        each([&](const ForwardStep<float>& s) {
            Of::first_forward(s, s.h_in, Of::kTwoStages ? row.reset + s.unit : nullptr);
        });
    if constexpr (Of::kTwoStages) {
        product<Of, 1, 0, kTogetherSecond>(panels, packed + l.step.second(0), row.reset, hidden, !normed,
                                             normed ? a : gates);
        if (normed) norm.add_second();
    }
    if constexpr (Of::kHasCells)
        if (normed) {
            norm_statistics<float>(l.norm, kFirstSlot, written, W, W, 1, &mean, &scale);
            more.mean = &mean, more.scale = &scale;
        }
    each([](const ForwardStep<float>& s) { Of::forward(s); });
    const Zone<float> zone{nullptr, 0, static_cast<float>(shape.zone_h)};
    for (Index unit = 0; unit < panels * W; unit += W) {
        using V = typename Of::V;
        store(row.h + unit, zoned<float, W>(zone, 0, unit, load<V>(row.h + unit), load<V>(h + unit)));
    }
}

template <class Of, class N>
void step_regular(const StepShape& shape, const void* packed, const StepRow* rows, Index count) {
    const RegularLayout<Of, N> l(shape);
    for (Index row = 0; row < count; ++row)
        step_regular_row<Of, N>(l, shape, static_cast<const float*>(packed), rows[row]);
}

template <class Of, class N = Of>
StepKernels regular_kernels_of() {
    return {
        .packed_bytes = [](const StepShape& s) { return RegularLayout<Of, N>(s).packed() * Index(sizeof(float)); },
        .gates = [](const StepShape& s) { return RegularLayout<Of, N>(s).step.gates(); },
        .work = [](const StepShape& s) { return RegularLayout<Of, N>(s).work(); },
        .pack = pack_regular<Of, N>,
        .pack_table = pack_regular_table<Of, N>,
        .step = step_regular<Of, N>,
    };
}

/// Cells with layer norm, peephole connections or zoneout.
template <int W>
StepKernels regular_kernels(CellKind kind, Index hidden) {
    using Vanilla = Elman<float, W, 1>;
    const auto padded = [&](Index units) { return (hidden + units - 1) / units * units; };
    switch (kind) {
        case kLstm:
            return regular_kernels_of<LstmRegularised<float, W>>();
        case kGruAfter:
            return regular_kernels_of<GruAfter<float, W>>();
        case kGruBefore:
            return regular_kernels_of<GruBefore<float, W>>();
        case kMinGru:
            return regular_kernels_of<Linear<float, W, MinGru>>();
        case kMinLstm:
            return regular_kernels_of<Linear<float, W, MinLstm>>();
        default:  // sums of layer norm in panels as wide as cell_for in recurrent/target.h has them
            if (padded(4 * W) * 6 <= padded(W) * 7) return regular_kernels_of<Vanilla, Elman<float, W, 4>>();
            if (padded(2 * W) * 6 <= padded(W) * 7) return regular_kernels_of<Vanilla, Elman<float, W, 2>>();
            return regular_kernels_of<Vanilla>();
    }
}

}  // namespace timesteps::TIMESTEPS_TARGET
