// One-hot input of a layer: the input side of its gates is looked up in the weights instead of multiplied.
#pragma once

#include <algorithm>

#include "direction.h"
#include "network.h"

namespace timesteps::training {

template <class T>
class Lookup {
public:
    Buffer<Index> ids;  // (rows, steps), -1 for the zero vector
    Buffer<T> scales;   // (rows, steps) the factors of their ones

    /// The gates of all steps from the weights, turned round so that columns are rows; p then reads them.
    void forward(const LayerSpec& spec, Direction<T>& direction, const Batch& batch, Problem<T>& p, int threads) {
        const Index gates = spec.gates * spec.hidden_size, inputs = spec.input_size, steps = batch.steps();
        T* turned = turned_.take(inputs * gates);
        for (Index g = 0; g < gates; ++g)
            for (Index i = 0; i < inputs; ++i) turned[i * gates + g] = direction.w_ih->value[g * inputs + i];
        T* bias = bias_.take(gates);
        for (Index g = 0; g < gates; ++g)
            bias[g] = direction.b_ih->value[g] + (adds_both(spec) ? direction.b_hh->value[g] : T(0));
        T* out = direction.gates.take(batch.count() * steps * gates);
        parallel(batch.count(), steps * gates * 8, threads, [&](Index first, Index last) {
            for (Index n = first; n < last; ++n)
                for (Index t = 0; t < batch.length(n); ++t) {
                    const Index place = n * steps + t, id = ids.get()[place];
                    const T scale = id < 0 ? T(0) : scales.get()[place];
                    const T* row = turned + std::max<Index>(id, 0) * gates;
                    for (Index g = 0; g < gates; ++g) out[place * gates + g] = row[g] * scale + bias[g];
                }
        });
        read_gates(spec, direction, batch, p);
    }

    /// p reads the gates, not the input and its weights.
    static void read_gates(const LayerSpec& spec, const Direction<T>& direction, const Batch& batch, Problem<T>& p) {
        const Index gates = spec.gates * spec.hidden_size;
        p.input_size = gates;
        p.x = {direction.gates.get(), batch.steps() * gates, gates};
        p.w_ih = p.b_ih = nullptr, p.dw_ih = p.db_ih = nullptr;
        if (adds_both(spec)) p.b_hh = nullptr, p.db_hh = nullptr;
    }

    /// From the gradients of the gates to those of the weights that were looked up.
    void backward(const LayerSpec& spec, Direction<T>& direction, const Batch& batch, const T* dgates) {
        const Index gates = spec.gates * spec.hidden_size, inputs = spec.input_size, steps = batch.steps();
        T* turned = turned_.take(inputs * gates);
        std::fill_n(turned, inputs * gates, T(0));
        std::fill_n(direction.b_ih->grad, gates, T(0));
        for (Index n = 0; n < batch.count(); ++n)
            for (Index t = 0; t < batch.length(n); ++t) {
                const Index place = n * steps + t, id = ids.get()[place];
                const T* from = dgates + place * gates;
                for (Index g = 0; g < gates; ++g) direction.b_ih->grad[g] += from[g];
                if (id < 0) continue;
                for (Index g = 0; g < gates; ++g) turned[id * gates + g] += from[g] * scales.get()[place];
            }
        for (Index g = 0; g < gates; ++g)
            for (Index i = 0; i < inputs; ++i) direction.w_ih->grad[g * inputs + i] = turned[i * gates + g];
        if (adds_both(spec)) std::copy_n(direction.b_ih->grad, gates, direction.b_hh->grad);
    }

private:
    /// Whether both biases are in the gates: a GRU's second one enters the product with h, linear cells have none.
    static bool adds_both(const LayerSpec& spec) { return !spec.is_gru() && !spec.is_linear(); }

    Buffer<T> turned_, bias_;
};

}  // namespace timesteps::training
