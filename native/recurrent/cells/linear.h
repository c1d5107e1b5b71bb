// Cells whose recurrence is linear, pointwise: h' = a ∘ h + b, with a and b functions of the input side alone. An
// equation has kGates slots; it says what a and b are, and how their gradients become those of the slots. Forward keeps
// the slots as the product with x left them, so that backward finds them all; with option 1 they are kept activated, for
// who only looks at them.
#pragma once

#include "../vectors.h"

namespace timesteps::TIMESTEPS_TARGET {

template <class Type, int Width, template <class, int> class Of>
struct Linear {
    using T = Type;
    using V = Vector<T, Width>;
    using Equation = Of<T, Width>;
    static constexpr int W = Width;
    static constexpr int S = Equation::kGates, GI = S, GH = 0, OH = S, U = 1, kGates = S;
    static constexpr bool kHasCells = false, kDirect = true, kTwoStages = false, kProjected = false;
    static constexpr int kAlone = -1;
    static constexpr int input_gate(int v) { return v; }
    static constexpr int recurrent_gate(int v) { return v; }

    [[gnu::noinline]] static void forward(const ForwardStep<T>& s) {
        T *gates = s.gates, *h = s.h_out;
        const T* before = s.h_in;
        for (Index row = 0; row < s.rows; ++row, gates += S * W, before += s.h_stride, h += s.h_stride) {
            V slots[S], a, b;
            for (int n = 0; n < S; ++n) slots[n] = load<V>(gates + n * W);
            Equation::coefficients(slots, a, b);
            const V output = a * load<V>(before) + b;
            store(h, output);
            store_some(s.y[row] + s.unit, output, s.units);
            if (s.option == 0 || !s.keep) continue;
            Equation::activate(slots);
            for (int n = 0; n < S; ++n) store(gates + n * W, slots[n]);
        }
    }

    [[gnu::noinline]] static void backward(const BackwardStep<T>& s) {
        const T* gates = s.gates;
        T *dgates = s.dgates, *dh = s.dh;
        for (Index row = 0; row < s.rows; ++row, gates += S * W, dgates += S * W, dh += s.h_stride) {
            V slots[S], dslots[S], a, b;
            for (int n = 0; n < S; ++n) slots[n] = load<V>(gates + n * W);
            Equation::coefficients(slots, a, b);
            const V before = load_some<V>(s.h_before[row] + s.unit, s.units), grad = load<V>(dh);
            Equation::gradients(slots, a, grad * before, grad, dslots);
            for (int n = 0; n < S; ++n) store(dgates + n * W, dslots[n]);
            store(dh, grad * a);
        }
    }
};

/// Slots: a, b themselves.
template <class T, int W>
struct Given {
    using V = Vector<T, W>;
    static constexpr int kGates = 2;

    TIMESTEPS_ALWAYS void coefficients(const V* slots, V& a, V& b) { a = slots[0], b = slots[1]; }

    TIMESTEPS_ALWAYS void activate(V*) {}

    TIMESTEPS_ALWAYS void gradients(const V*, const V&, const V& da, const V& db, V* dslots) {
        dslots[0] = da, dslots[1] = db;
    }
};

/// Slots: z, the candidate. a = 1 - σ(z), b = σ(z) ∘ candidate.
template <class T, int W>
struct MinGru {
    using V = Vector<T, W>;
    static constexpr int kGates = 2;

    TIMESTEPS_ALWAYS void coefficients(const V* slots, V& a, V& b) {
        const V z = sigmoid<W>(slots[0]);
        a = 1 - z, b = z * slots[1];
    }

    TIMESTEPS_ALWAYS void activate(V* slots) { slots[0] = sigmoid<W>(slots[0]); }

    TIMESTEPS_ALWAYS void gradients(const V* slots, const V& a, const V& da, const V& db, V* dslots) {
        const V z = sigmoid<W>(slots[0]);
        dslots[0] = (db * slots[1] - da) * z * a;
        dslots[1] = db * z;
    }
};

/// Slots: f, i, the candidate. a = σ(f) / (σ(f) + σ(i)), b = (1 - a) ∘ candidate.
template <class T, int W>
struct MinLstm {
    using V = Vector<T, W>;
    static constexpr int kGates = 3;

    /// The shares of f and i. By e^-|f - i| and e^min(f, i), which cannot both be large or both be lost, as the two
    /// sigmoids can: where they are so small that both are zero, their shares are still those of e^f and e^i.
    TIMESTEPS_ALWAYS void shares(const V* slots, V& forget, V& input) {
        const V f = at_most(slots[0], T(80)), i = at_most(slots[1], T(80)), between = f - i;
        const V less = exponential_below<W>(between < 0 ? between : -between);
        const V low = exponential_below<W>(f < i ? f : i);
        const V whole = 1 + less + 2 * low;
        forget = (low + (between < 0 ? less : splat<V>(T(1)))) / whole;
        input = (low + (between < 0 ? splat<V>(T(1)) : less)) / whole;
    }

    TIMESTEPS_ALWAYS void coefficients(const V* slots, V& a, V& b) {
        V input;
        shares(slots, a, input);
        b = input * slots[2];
    }

    TIMESTEPS_ALWAYS void activate(V* slots) {
        slots[0] = sigmoid<W>(slots[0]), slots[1] = sigmoid<W>(slots[1]);
    }

    TIMESTEPS_ALWAYS void gradients(const V* slots, const V&, const V& da, const V& db, V* dslots) {
        V forget, input;
        shares(slots, forget, input);
        const V through = (da - db * slots[2]) * forget * input;
        dslots[0] = through * sigmoid<W>(-slots[0]);
        dslots[1] = -through * sigmoid<W>(-slots[1]);
        dslots[2] = db * input;
    }
};

}  // namespace timesteps::TIMESTEPS_TARGET
