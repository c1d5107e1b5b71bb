// The vanilla network, pointwise. A panel is U vectors of units. Option: 0 tanh, 1 relu, 2 the identity.
#pragma once

#include "../vectors.h"

namespace timesteps::TIMESTEPS_TARGET {

template <class Type, int Width, int Vectors>
struct Elman {
    using T = Type;
    using V = Vector<T, Width>;
    static constexpr int W = Width;
    static constexpr int S = Vectors, GI = S, GH = S, OH = 0, U = S, kGates = 1;
    static constexpr bool kHasCells = false, kDirect = false, kTwoStages = false, kProjected = false;
    static constexpr bool kGatesAreOutputs = true;
    static constexpr int kAlone = -1;
    static constexpr int input_gate(int) { return 0; }
    static constexpr int recurrent_gate(int) { return 0; }

    static V activate(V x, Index option) {
        return option == 0 ? tanh<W>(x) : option == 1 ? (x < 0 ? V{} : x) : x;  // NaN is not below 0 and passes
    }

    [[gnu::noinline]] static void forward(const ForwardStep<T>& s) {
        T *gates = s.gates, *h = s.h_out;
        for (Index r = 0; r < s.rows; ++r, gates += S * W, h += s.h_stride)
            for (int u = 0; u < U && u * W < s.units; ++u) {
                const V output = activate(load<V>(gates + u * W), s.option);
                store(gates + u * W, output);
                store(h + u * W, output);
                store_some(s.y[r] + s.unit + u * W, output, s.units - u * W);
            }
    }

    [[gnu::noinline]] static void backward(const BackwardStep<T>& s) {
        const T *gates = s.gates, *dh = s.dh;
        T* dgates = s.dgates;
        for (Index r = 0; r < s.rows; ++r, gates += S * W, dgates += S * W, dh += s.h_stride)
            for (int u = 0; u < U; ++u) {
                const V output = load<V>(gates + u * W), grad = load<V>(dh + u * W);
                store(dgates + u * W, s.option == 0   ? grad * (1 - output * output)
                                      : s.option == 1 ? (output <= 0 ? V{} : grad)  // as torch has it for NaN
                                                      : grad);
            }
    }
};

}  // namespace timesteps::TIMESTEPS_TARGET
