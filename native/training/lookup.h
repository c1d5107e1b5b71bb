// The input side of a layer's gates, made once for each distinct input of a batch and looked up by every step that
// reads it. A batch has far fewer distinct words than steps: so has it fewer products, on the way back too.
#pragma once

#include <algorithm>
#include <vector>

#include "../recurrent/targets.h"
#include "direction.h"
#include "network.h"

namespace timesteps::training {

/// to[which[n]] (count numbers each, a stride apart) += from[n], row by row of `length` steps.
template <class T>
TIMESTEPS_INLINE void add_to_rows_body(T* TIMESTEPS_RESTRICT to, const Index* which, Index pitch,
                                       const T* TIMESTEPS_RESTRICT from, Index stride, Index length, Index count) {
    for (Index n = 0; n < length; ++n, from += stride) {
        T* const row = to + which[n] * pitch;
        for (Index k = 0; k < count; ++k) row[k] += from[k];
    }
}
TIMESTEPS_DISPATCH(add_to_rows,
                   (float* to, const Index* which, Index pitch, const float* from, Index stride, Index length,
                    Index count),
                   (to, which, pitch, from, stride, length, count))
TIMESTEPS_DISPATCH(add_to_rows,
                   (double* to, const Index* which, Index pitch, const double* from, Index stride, Index length,
                    Index count),
                   (to, which, pitch, from, stride, length, count))

template <class T>
class Lookup {
public:
    /// Inputs are columns of the weights (one-hot vectors), or without that some vectors. Where each step's is, to be
    /// written: (rows, steps) numbers of inputs, `zero()` for the zero vector.
    Index* columns(const LayerSpec& layer, const Batch& batch) { return begin(nullptr, nullptr, layer.input_size, batch); }
    Index* vectors(const T* const* rows, T* const* gradients, Index count, const Batch& batch) {
        return begin(rows, gradients, count, batch);
    }
    /// The batch's input is written out.
    void leave_out() { is_used_ = false, factors_ = nullptr; }
    /// (rows, steps) what multiplies the steps' inputs; without this call, nothing.
    T* factors(const Batch& batch) { return factors_ = factor_.take(batch.count() * batch.steps()); }

    bool is_used() const { return is_used_; }
    Index zero() const { return count_; }

    /// The table of gates; p then reads them, not the input and its weights.
    void forward(const LayerSpec& layer, Direction<T>& direction, const Batch& batch, Problem<T>& p, int threads) {
        const Matrix<T> w = weights(layer, direction);
        T* table = direction.table.take((count_ + 1) * w.pitch);
        T* bias = table + count_ * w.pitch;
        std::fill_n(bias, w.pitch, T(0));
        for (Index g = 0; g < w.outputs; ++g)
            bias[g] = direction.b_ih->value[g] + (adds_both(layer) ? direction.b_hh->value[g] : T(0));
        if (vectors_ == nullptr) {
            for (Index g = 0; g < w.outputs; ++g)
                for (Index i = 0; i < count_; ++i)
                    table[i * w.pitch + g] = w.weight[g * w.inputs + i] + (factors_ == nullptr ? bias[g] : T(0));
        } else {
            const Products<T> product = products(w.outputs, T{});
            T* packed = packed_.take(w.pitch * w.inputs);
            product.pack(w, packed);
            parallel(count_, work(w), threads, [&](Index first, Index last) {
                product.forward(w, packed, bias, vectors_ + first, last - first, table + first * w.pitch);
            });
        }
        if (factors_ != nullptr) scale(w, direction, batch, threads);
        read_gates(layer, direction, batch, p);
    }

    /// p reads the gates, and gives their gradients to `gates` of the direction.
    void read_gates(const LayerSpec& layer, Direction<T>& direction, const Batch& batch, Problem<T>& p) {
        const Matrix<T> w = weights(layer, direction);
        p.input_size = w.outputs;
        if (factors_ == nullptr)
            p.x = {direction.table.get(), w.pitch, 0}, p.which = ids_.get();
        else
            p.x = {direction.gates.get(), batch.steps() * w.outputs, w.outputs};
        p.w_ih = p.b_ih = nullptr, p.dw_ih = p.db_ih = nullptr;
        if (adds_both(layer)) p.b_hh = nullptr, p.db_hh = nullptr;
    }

    /// From the gradients (rows, steps, gates) of the gates to those of weights and vectors. The second direction's
    /// vectors' are added to the first one's.
    void backward(const LayerSpec& layer, Direction<T>& direction, const Batch& batch, T* dgates, bool add,
                  int threads) {
        const Matrix<T> w = weights(layer, direction);
        T* sums = sums_.take((count_ + 1) * w.pitch);
        std::fill_n(sums, (count_ + 1) * w.pitch, T(0));
        T* const bias = direction.b_ih->grad;
        std::fill_n(bias, w.outputs, T(0));
        if (factors_ != nullptr) unscale(w, batch, dgates, bias);
        const Index blocks = (w.outputs + kBlock - 1) / kBlock;
        parallel(blocks, batch.total() * kBlock * 12, threads, [&](Index first, Index last) {
            const Index begin = first * kBlock, end = std::min(w.outputs, last * kBlock);
            for (Index n = 0; n < batch.count(); ++n) {
                const Index place = n * batch.steps();
                add_to_rows(sums + begin, ids_.get() + place, w.pitch, dgates + place * w.outputs + begin, w.outputs,
                            batch.length(n), end - begin);
            }
        });
        if (factors_ == nullptr)
            for (Index i = 0; i <= count_; ++i)
                for (Index g = 0; g < w.outputs; ++g) bias[g] += sums[i * w.pitch + g];
        if (adds_both(layer)) std::copy_n(bias, w.outputs, direction.b_hh->grad);
        if (vectors_ == nullptr) {
            for (Index g = 0; g < w.outputs; ++g)
                for (Index i = 0; i < count_; ++i) direction.w_ih->grad[g * w.inputs + i] = sums[i * w.pitch + g];
        } else {
            multiply_back(w, direction, sums, add, threads);
        }
    }

private:
    static constexpr Index kBlock = 32;

    Index* begin(const T* const* vectors, T* const* gradients, Index count, const Batch& batch) {
        is_used_ = true, vectors_ = vectors, gradients_ = gradients, count_ = count, factors_ = nullptr;
        return ids_.take(batch.count() * batch.steps());
    }

    Matrix<T> weights(const LayerSpec& layer, const Direction<T>& direction) const {
        const Index outputs = layer.gates * layer.hidden_size;
        return {direction.w_ih->value, outputs, layer.input_size, products(outputs, T{}).padded(outputs)};
    }

    static Index work(const Matrix<T>& w) { return w.inputs * w.outputs / 4; }

    /// Whether both biases are in the gates: a GRU's second one enters the product with h, linear cells have none.
    static bool adds_both(const LayerSpec& layer) { return !layer.is_gru() && !layer.is_linear(); }

    /// The gates of all steps, where each has a factor of its own.
    void scale(const Matrix<T>& w, Direction<T>& direction, const Batch& batch, int threads) {
        T* out = direction.gates.take(batch.count() * batch.steps() * w.outputs);
        const T* table = direction.table.get();
        const T* bias = table + count_ * w.pitch;
        parallel(batch.count(), batch.steps() * w.outputs * 8, threads, [&](Index first, Index last) {
            for (Index n = first; n < last; ++n)
                for (Index t = 0; t < batch.length(n); ++t) {
                    const Index place = n * batch.steps() + t, id = ids_.get()[place];
                    const T factor = id == count_ ? T(0) : factors_[place];
                    for (Index g = 0; g < w.outputs; ++g)
                        out[place * w.outputs + g] = table[id * w.pitch + g] * factor + bias[g];
                }
        });
    }

    void unscale(const Matrix<T>& w, const Batch& batch, T* dgates, T* bias) const {
        for (Index n = 0; n < batch.count(); ++n)
            for (Index t = 0; t < batch.length(n); ++t) {
                const Index place = n * batch.steps() + t;
                T* const from = dgates + place * w.outputs;
                for (Index g = 0; g < w.outputs; ++g) bias[g] += from[g], from[g] *= factors_[place];
            }
    }

    void multiply_back(const Matrix<T>& w, const Direction<T>& direction, const T* sums, bool add, int threads) {
        const Products<T> product = products(w.outputs, T{});
        T* products_of_weights = packed_.take(w.pitch * w.inputs);
        const Index panels = (w.outputs + product.panel - 1) / product.panel;
        parallel(panels, work(w) * count_ / panels, threads, [&](Index first, Index last) {
            product.weight_gradient(w, first * product.panel, std::min(w.outputs, last * product.panel), sums, vectors_,
                                    count_, products_of_weights);
        });
        if (count_ > 0)
            product.unpack(w, products_of_weights, direction.w_ih->grad);
        else
            std::fill_n(direction.w_ih->grad, w.outputs * w.inputs, T(0));
        T* packed = packed_back_.take(w.outputs * product.padded(w.inputs));
        product.pack_backward(w, packed);
        parallel(count_, work(w), threads, [&](Index first, Index last) {
            product.row_gradients(w, packed, sums + first * w.pitch, last - first, gradients_ + first, add);
        });
    }

    bool is_used_ = false;
    Index count_ = 0;
    const T* const* vectors_ = nullptr;
    T* const* gradients_ = nullptr;
    T* factors_ = nullptr;
    Buffer<Index> ids_;
    Buffer<T> factor_, packed_, packed_back_, sums_;
};

}  // namespace timesteps::training
