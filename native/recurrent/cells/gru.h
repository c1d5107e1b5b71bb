// The gated recurrent unit, pointwise, in both its forms.
#pragma once

#include "../vectors.h"

namespace timesteps::TIMESTEPS_TARGET {

/// Reset after the product. Slots: n's input side, r, z, n's recurrent side; activated: n, r, z, and that side as it
/// is.
template <class Type, int Width>
struct GruAfter {
    using T = Type;
    using V = Vector<T, Width>;
    static constexpr int W = Width;
    static constexpr int S = 4, GI = 3, GH = 3, OH = 1, U = 1, kGates = 3;
    static constexpr bool kHasCells = false, kDirect = true, kTwoStages = false, kProjected = false;
    static constexpr int kAlone = 3;
    static constexpr int input_gate(int v) { return v == 0 ? 2 : v - 1; }
    static constexpr int recurrent_gate(int v) { return v; }

    [[gnu::noinline]] static void forward(const ForwardStep<T>& s) {
        T *gates = s.gates, *h = s.h_out;
        const T* before = s.h_in;
        for (Index row = 0; row < s.rows; ++row, gates += S * W, before += s.h_stride, h += s.h_stride) {
            const V r = sigmoid<W>(load<V>(gates + W)), z = sigmoid<W>(load<V>(gates + 2 * W));
            const V n = tanh<W>(load<V>(gates) + r * load<V>(gates + 3 * W));
            const V output = n + z * (load<V>(before) - n);
            store(h, output);
            store_some(s.y[row] + s.unit, output, s.units);
            if (s.keep) store(gates, n), store(gates + W, r), store(gates + 2 * W, z);
        }
    }

    [[gnu::noinline]] static void backward(const BackwardStep<T>& s) {
        const T* gates = s.gates;
        T *dgates = s.dgates, *dh = s.dh;
        for (Index row = 0; row < s.rows; ++row, gates += S * W, dgates += S * W, dh += s.h_stride) {
            const V n = load<V>(gates), r = load<V>(gates + W), z = load<V>(gates + 2 * W),
                    side = load<V>(gates + 3 * W);
            const V before = load_some<V>(s.h_before[row] + s.unit, s.units), grad = load<V>(dh);
            const V dn = grad * (1 - z) * (1 - n * n);
            store(dgates, dn);
            store(dgates + W, dn * side * r * (1 - r));
            store(dgates + 2 * W, grad * (before - n) * z * (1 - z));
            store(dgates + 3 * W, dn * r);
            store(dh, grad * z);
        }
    }
};

/// Reset before the product: the candidate's product needs all units of r ∘ h, so a step has two stages. Slots: n, r,
/// z.
template <class Type, int Width>
struct GruBefore {
    using T = Type;
    using V = Vector<T, Width>;
    static constexpr int W = Width;
    static constexpr int S = 3, GI = 3, GH = 2, OH = 1, U = 1, kGates = 3, kSecondGate = 2;
    static constexpr bool kHasCells = false, kDirect = true, kTwoStages = true, kProjected = false;
    static constexpr int kAlone = 0;
    static constexpr int input_gate(int v) { return v == 0 ? 2 : v - 1; }
    static constexpr int recurrent_gate(int v) { return v; }

    /// r, z, and r ∘ h, which enters the second product.
    [[gnu::noinline]] static void first_forward(const ForwardStep<T>& s, const T* masked, T* reset) {
        T* gates = s.gates;
        for (Index row = 0; row < s.rows; ++row, gates += S * W, masked += s.h_stride, reset += s.h_stride) {
            const V r = sigmoid<W>(load<V>(gates + W));
            store(gates + W, r);
            store(gates + 2 * W, sigmoid<W>(load<V>(gates + 2 * W)));
            store(reset, r * load<V>(masked));
        }
    }

    [[gnu::noinline]] static void forward(const ForwardStep<T>& s) {
        T *gates = s.gates, *h = s.h_out;
        const T* before = s.h_in;
        for (Index row = 0; row < s.rows; ++row, gates += S * W, before += s.h_stride, h += s.h_stride) {
            const V n = tanh<W>(load<V>(gates)), z = load<V>(gates + 2 * W);
            const V output = n + z * (load<V>(before) - n);
            store(gates, n);
            store(h, output);
            store_some(s.y[row] + s.unit, output, s.units);
        }
    }

    /// n and z; what goes back through the candidate's product is known only after it.
    [[gnu::noinline]] static void backward(const BackwardStep<T>& s) {
        const T* gates = s.gates;
        T *dgates = s.dgates, *dh = s.dh;
        for (Index row = 0; row < s.rows; ++row, gates += S * W, dgates += S * W, dh += s.h_stride) {
            const V n = load<V>(gates), z = load<V>(gates + 2 * W);
            const V before = load_some<V>(s.h_before[row] + s.unit, s.units), grad = load<V>(dh);
            store(dgates, grad * (1 - z) * (1 - n * n));
            store(dgates + 2 * W, grad * (before - n) * z * (1 - z));
            store(dh, grad * z);
        }
    }

    /// `reset` has the gradient of r ∘ h: from it r's, and, in its place, what reaches the masked state h.
    [[gnu::noinline]] static void second_backward(const BackwardStep<T>& s, T* reset) {
        const T *gates = s.gates, *factors = s.mask;
        T* dgates = s.dgates;
        for (Index row = 0; row < s.rows; ++row, gates += S * W, dgates += S * W, reset += s.h_stride) {
            const V r = load<V>(gates + W), grad = load<V>(reset);
            V masked = load_some<V>(s.h_before[row] + s.unit, s.units);
            if (factors != nullptr) masked *= load<V>(factors + row * s.h_stride);
            store(dgates + W, grad * masked * r * (1 - r));
            store(reset, grad * r);
        }
    }
};

}  // namespace timesteps::TIMESTEPS_TARGET
