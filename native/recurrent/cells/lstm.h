// Long short-term memory, pointwise. Slots of a panel: i, f, g, o.
#pragma once

#include "../vectors.h"

namespace timesteps::TIMESTEPS_TARGET {

template <class Type, int Width>
struct Lstm {
    using T = Type;
    using V = Vector<T, Width>;
    static constexpr int W = Width;
    static constexpr int S = 4, GI = 4, GH = 4, OH = 0, U = 1, kGates = 4;
    static constexpr bool kHasCells = true, kDirect = false, kTwoStages = false, kProjected = false;
    static constexpr int kAlone = -1;
    static constexpr int input_gate(int v) { return v; }
    static constexpr int recurrent_gate(int v) { return v; }

    [[gnu::noinline]] static void forward(const ForwardStep<T>& s) {
        T *gates = s.gates, *c = s.c, *h = s.h_out, *saved = s.saved_c;
        for (Index r = 0; r < s.rows; ++r, gates += S * W, c += W, h += s.h_stride) {
            const V i = sigmoid<W>(load<V>(gates)), f = sigmoid<W>(load<V>(gates + W));
            const V g = tanh<W>(load<V>(gates + 2 * W)), o = sigmoid<W>(load<V>(gates + 3 * W));
            const V cell = f * load<V>(c) + i * g;
            const V output = o * tanh<W>(cell);
            store(c, cell);
            store(h, output);
            store_some(s.y[r] + s.unit, output, s.units);
            if (saved != nullptr) {
                store(gates, i), store(gates + W, f), store(gates + 2 * W, g), store(gates + 3 * W, o);
                store(saved, cell);
                saved += W;
            }
        }
    }

    [[gnu::noinline]] static void backward(const BackwardStep<T>& s) {
        const T *gates = s.gates, *c = s.c, *before = s.c_before;
        T *dgates = s.dgates, *dc = s.dc;
        const T* dh = s.dh;
        for (Index r = 0; r < s.rows;
             ++r, gates += S * W, dgates += S * W, c += W, before += W, dc += W, dh += s.h_stride) {
            const V i = load<V>(gates), f = load<V>(gates + W), g = load<V>(gates + 2 * W), o = load<V>(gates + 3 * W);
            const V squashed = tanh<W>(load<V>(c)), grad = load<V>(dh);
            const V through = load<V>(dc) + grad * o * (1 - squashed * squashed);
            store(dgates, through * g * i * (1 - i));
            store(dgates + W, through * load<V>(before) * f * (1 - f));
            store(dgates + 2 * W, through * i * (1 - g * g));
            store(dgates + 3 * W, grad * squashed * o * (1 - o));
            store(dc, through * f);
        }
    }
};

/// With a projection behind it: h' = W_hr (o ∘ tanh(c')), which the driver does.
template <class Type, int Width>
struct LstmProjected : Lstm<Type, Width> {
    using V = Vector<Type, Width>;
    static constexpr bool kProjected = true;

    /// What is projected, from what forward kept of a panel.
    [[gnu::noinline]] static void output(const Type* gates, const Type* c, Index rows, Type* to) {
        for (Index row = 0; row < rows; ++row, gates += 4 * Width, c += Width, to += Width)
            store(to, load<V>(gates + 3 * Width) * tanh<Width>(load<V>(c)));
    }
};

}  // namespace timesteps::TIMESTEPS_TARGET
