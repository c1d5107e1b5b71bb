// One time step of a layer of int8 weights: gates = bias + s_x s_row Σ q_x q_row, input first, then state. Input and
// state are quantised anew at every step.
#pragma once

#include "../panels.h"
#include "numbers.h"

namespace timesteps::TIMESTEPS_TARGET {

/// Sums in registers for one stream, and streams of a tile.
#if defined(__AVX512F__)
constexpr int kChains = 16, kMostRows = 4;
#else
constexpr int kChains = 8, kMostRows = 2;
#endif

/// Weights of one product: scales (panels, Slots, W), where sums begin (panels, Slots, W), and the numbers, for each
/// group of `kTogether` panels (fours of inputs, panels of the group, slots, W, 4).
template <int W, int S, int Slots>
struct Product {
    static constexpr int kTogether = S == 1 ? 8 : kChains / S;
    const float* scales;
    const std::int32_t* begin;
    const std::int8_t* numbers;

    static Index slots(Index panels) { return panels * Slots * W; }
    static Index bytes(Index panels, Index fours) { return slots(panels) * (8 + fours * kFour); }

    Product(const char* at, Index panels)
        : scales(reinterpret_cast<const float*>(at)),
          begin(reinterpret_cast<const std::int32_t*>(at + slots(panels) * 4)),
          numbers(reinterpret_cast<const std::int8_t*>(at + slots(panels) * 8)) {}
};

/// Packed: biases (panels, S, W), then the products with input and state, and that of the second stage.
template <class Cell>
struct Int8Layout {
    static constexpr int W = Cell::W, S = Cell::S;
    using Input = Product<W, S, Cell::GI>;
    using State = Product<W, S, Cell::GH>;
    using Second = Product<W, S, 1>;

    Index input, hidden, panels;

    explicit Int8Layout(const StepShape& shape)
        : input(shape.product ? shape.input_size : 0),
          hidden(shape.hidden_size),
          panels((shape.hidden_size + W - 1) / W) {}

    static Index fours(Index count) { return (count + kFour - 1) / kFour; }
    /// Floats that hold so many quantised numbers, and the rest of their last vector.
    static Index floats(Index count) { return (count + W - 1) / W * W / Index(sizeof(float)); }

    Index gates() const { return panels * S * W; }
    Index work() const { return gates() + floats(input) + floats(hidden); }
    Index ih() const { return gates() * Index(sizeof(float)); }
    Index hh() const { return ih() + Input::bytes(panels, fours(input)); }
    Index second() const { return hh() + State::bytes(panels, fours(hidden)); }
    Index packed() const { return second() + (Cell::kTwoStages ? Second::bytes(panels, fours(hidden)) : 0); }
};

template <class P, int W, int Slots, class GateOf>
void pack_product(Index panels, Index hidden, const std::int8_t* q, const float* s, Index columns,
                  const GateOf& gate_of, char* at) {
    const P to(at, panels);
    const Index fours = (columns + kFour - 1) / kFour;
    for (Index unit = 0; unit < hidden; ++unit)
        for (int v = 0; v < Slots; ++v) {
            const Index panel = unit / W, row = gate_of(v) * hidden + unit, first = panel / P::kTogether * P::kTogether;
            const Index together = panels - first < P::kTogether ? panels - first : P::kTogether;
            const Index lane = (panel * Slots + v) * W + unit % W;
            auto* numbers = const_cast<std::int8_t*>(to.numbers) + first * Slots * W * kFour * fours +
                            (((panel - first) * Slots + v) * W + unit % W) * kFour;
            std::int32_t sum = 0;
            for (Index k = 0; k < columns; ++k) {
                numbers[k / kFour * (together * Slots * W * kFour) + k % kFour] = q[row * columns + k];
                sum += q[row * columns + k];
            }
            const_cast<float*>(to.scales)[lane] = s[row];
            const_cast<std::int32_t*>(to.begin)[lane] = -kOffset * sum;
        }
}

template <class Cell>
void pack_int8(const StepShape& shape, const StepWeights& weights, void* packed) {
    using L = Int8Layout<Cell>;
    const L l(shape);
    auto* to = static_cast<char*>(packed);
    __builtin_memset(to, 0, l.packed());
    pack_biases<Cell>(l.panels, l.hidden, weights, reinterpret_cast<float*>(to));
    if (l.input > 0)
        pack_product<typename L::Input, Cell::W, Cell::GI>(l.panels, l.hidden, weights.q_ih, weights.s_ih, l.input,
                                                           Cell::input_gate, to + l.ih());
    pack_product<typename L::State, Cell::W, Cell::GH>(l.panels, l.hidden, weights.q_hh, weights.s_hh, l.hidden,
                                                       Cell::recurrent_gate, to + l.hh());
    if constexpr (Cell::kTwoStages)
        pack_product<typename L::Second, Cell::W, 1>(
            l.panels, l.hidden, weights.q_hh, weights.s_hh, l.hidden, [](int) { return Cell::kSecondGate; },
            to + l.second());
}

template <class Cell>
void pack_int8_table(const StepShape& shape, const StepWeights& weights, const void*, float*, float* table) {
    constexpr Index W = Cell::W, S = Cell::S;
    const Int8Layout<Cell> l(shape);
    for (Index k = 0; k < shape.input_size; ++k, table += l.gates()) {
        pack_biases<Cell>(l.panels, l.hidden, weights, table);
        for (int v = 0; v < Cell::GI; ++v)
            for (Index unit = 0; unit < l.hidden; ++unit) {
                const Index row = Cell::input_gate(v) * l.hidden + unit;
                table[(unit / W * S + v) * W + unit % W] +=
                    static_cast<float>(weights.q_ih[row * shape.input_size + k]) * weights.s_ih[row];
            }
    }
}

/// What a product reads for one stream, and where its gates are.
struct Factor {
    const std::int8_t* numbers;
    float scale;
    float* gates;
};

/// gates (panels, S, W), from slot First on, += product of R streams, for P panels that are the `within`-th … of a
/// group of `together` that begins at panel `first`.
template <int W, int S, int Slots, int First, int R, int P>
[[gnu::noinline]] void tile(const Product<W, S, Slots>& product, Index fours, Index first, Index within, Index together,
                            const Factor* rows) {
    using V = Vector<float, W>;
    using I = Integers<W>;
    const Index panel = first + within, stride = together * Slots * W * kFour;
    const std::int8_t* w = product.numbers + (first * fours + within) * Slots * W * kFour;
    const float* scales = product.scales + panel * Slots * W;
    I sums[R][P * Slots];
    const std::int8_t* x[R];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
        x[r] = rows[r].numbers;
#pragma GCC unroll 16
        for (int n = 0; n < P * Slots; ++n) sums[r][n] = load<I>(product.begin + (panel * Slots + n) * W);
    }
    Index k = 0;
    do {
        I four[R];
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
            std::int32_t bytes;
            __builtin_memcpy(&bytes, x[r] + k * kFour, sizeof bytes);
            four[r] = bytes + I{};
        }
#pragma GCC unroll 16
        for (int n = 0; n < P * Slots; ++n) {
            const I weights = load<I>(w + n * (W * kFour));
#pragma GCC unroll 16
            for (int r = 0; r < R; ++r) sums[r][n] = add_products<W>(sums[r][n], weights, four[r]);
        }
        w += stride;
    } while (++k < fours);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
        for (int n = 0; n < P * Slots; ++n) {
            float* gates = rows[r].gates + ((panel + n / Slots) * S + First + n % Slots) * W;
            const V scale = rows[r].scale * load<V>(scales + n * W);
            store(gates, load<V>(gates) + __builtin_convertvector(sums[r][n], V) * scale);
        }
}

/// The same for all panels and any number of streams.
template <int W, int S, int Slots, int First>
void add_product(const Product<W, S, Slots>& product, Index panels, Index fours, const Factor* rows, Index count) {
    constexpr int kTogether = Product<W, S, Slots>::kTogether;
    for (Index row = 0, some; row < count; row += some) {
        some = next_tile(count - row, kMostRows);
        for (Index first = 0; first < panels; first += kTogether) {
            const Index together = panels - first < kTogether ? panels - first : kTogether;
            if (some == 1) {
                with_rows<kTogether>(together, [&]<int P>() {
                    tile<W, S, Slots, First, 1, P>(product, fours, first, 0, P, rows + row);
                });
                continue;
            }
            for (Index n = 0; n < together; ++n)
                with_rows<kMostRows>(some, [&]<int R>() {
                    tile<W, S, Slots, First, R, 1>(product, fours, first, n, together, rows + row);
                });
        }
    }
}

template <class Cell>
void step_int8(const StepShape& shape, const void* packed, const StepRow* rows, Index count) {
    constexpr int W = Cell::W, S = Cell::S;
    constexpr Index kBlock = 12;
    using L = Int8Layout<Cell>;
    const L l(shape);
    const auto* weights = static_cast<const char*>(packed);
    const auto* biases = reinterpret_cast<const float*>(weights);
    Factor factors[kBlock];
    for (; count > kBlock; rows += kBlock, count -= kBlock) step_int8<Cell>(shape, packed, rows, kBlock);
    const auto quantized = [&](Index row, const float* from, Index size, Index place) {
        auto* to = reinterpret_cast<std::int8_t*>(rows[row].gates + place);
        factors[row] = {to, quantize<W>(from, size, to), rows[row].gates};
    };
    for (Index row = 0; row < count; ++row) {
        const float* start = rows[row].start == nullptr ? biases : rows[row].start;
        __builtin_memcpy(rows[row].gates, start, l.gates() * sizeof(float));
    }
    if (l.input > 0) {
        for (Index row = 0; row < count; ++row) quantized(row, rows[row].x, l.input, l.gates());
        const typename L::Input product(weights + l.ih(), l.panels);
        add_product<W, S, Cell::GI, 0>(product, l.panels, l.fours(l.input), factors, count);
    }
    const Index state = l.gates() + l.floats(l.input);
    for (Index row = 0; row < count; ++row) quantized(row, rows[row].h, l.hidden, state);
    const typename L::State product(weights + l.hh(), l.panels);
    add_product<W, S, Cell::GH, Cell::OH>(product, l.panels, l.fours(l.hidden), factors, count);
    for (Index row = 0; row < count; ++row) {
        const StepRow& here = rows[row];
        if constexpr (Cell::kTwoStages) {
            each_panel<Cell>(l.panels, shape.option, here, [&](const ForwardStep<float>& s, Index unit) {
                Cell::first_forward(s, s.h_in, here.reset + unit);
            });
            quantized(row, here.reset, l.hidden, state);
            const typename L::Second second(weights + l.second(), l.panels);
            add_product<W, S, 1, 0>(second, l.panels, l.fours(l.hidden), factors + row, 1);
        }
        each_panel<Cell>(l.panels, shape.option, here, [](const ForwardStep<float>& s, Index) { Cell::forward(s); });
    }
}

template <class Cell>
StepKernels int8_kernels_of() {
    return {
        .packed_bytes = [](const StepShape& s) { return Int8Layout<Cell>(s).packed(); },
        .gates = [](const StepShape& s) { return Int8Layout<Cell>(s).gates(); },
        .work = [](const StepShape& s) { return Int8Layout<Cell>(s).work(); },
        .pack = pack_int8<Cell>,
        .pack_table = pack_int8_table<Cell>,
        .step = step_int8<Cell>,
    };
}

StepKernels int8_kernels(CellKind kind) {
    constexpr int W = TIMESTEPS_BYTES / sizeof(float);
    switch (kind) {
        case kLstm:
            return int8_kernels_of<Lstm<float, W>>();
        case kGruAfter:
            return int8_kernels_of<GruAfter<float, W>>();
        case kGruBefore:
            return int8_kernels_of<GruBefore<float, W>>();
        default:
            return int8_kernels_of<Elman<float, W, 1>>();
    }
}

}  // namespace timesteps::TIMESTEPS_TARGET
