// The recurrent layers of a plain network, forward and backward, with dropout on their inputs, states and outputs.
#pragma once

#include <algorithm>
#include <vector>

#include "../recurrent/plan.h"
#include "masks.h"
#include "network.h"

namespace timesteps::training {

/// Weights and gradients of one layer in one direction, and what a batch needs of memory.
template <class T>
struct Direction {
    const Slot<T> *w_ih, *w_hh, *b_ih, *b_hh, *h0 = nullptr, *c0 = nullptr;
    Buffer<T> saved, last_h, last_c, mask, start_h, start_c, dstart_h, dstart_c, gates;
};

template <class T>
class Stack {
public:
    Stack(const NetworkSpec& spec, const Slot<T>*& slot) : spec_(spec), layers_(spec.layers.size()) {
        for (std::size_t k = 0; k < layers_.size(); ++k)
            for (Index d = 0; d < spec.layers[k].directions(); ++d) {
                Direction<T>& direction = layers_[k].directions[d];
                direction.w_ih = slot++, direction.w_hh = slot++, direction.b_ih = slot++, direction.b_hh = slot++;
                if (spec.layers[k].learned) {
                    direction.h0 = slot++;
                    if (spec.layers[k].has_cells()) direction.c0 = slot++;
                }
            }
    }

    /// Where the first layer's input is to be written: (rows, steps, size); one-hot ids go into `ids` instead.
    T* input(const Batch& batch) { return layers_[0].x.take(batch.count() * batch.steps() * spec_.first_inputs()); }

    /// One-hot input: (rows, steps) ids, -1 for the zero vector, and the factors of their ones.
    Index* ids(const Batch& batch) { return ids_.take(batch.count() * batch.steps()); }
    T* scales(const Batch& batch) { return scales_.take(batch.count() * batch.steps()); }

    /// The input mask (rows, size) of the first layer, whose input the caller multiplies by it; null without dropout.
    const T* input_mask(const Batch& batch, const Index* keys, Index spared) {
        return input_mask(0, batch, keys, spec_.first_inputs() - spared);
    }

    void forward(const Batch& batch, const Index* keys, bool keep, int threads) {
        for (std::size_t k = 0; k < layers_.size(); ++k) {
            const LayerSpec& spec = spec_.layers[k];
            Layer& layer = layers_[k];
            layer.input = k > 0 ? pass_on(k, batch, keys, threads) : layer.x.get();
            T* y = layer.y.take(batch.count() * batch.steps() * spec.outputs());
            for (Index d = 0; d < spec.directions(); ++d) {
                Direction<T>& direction = layer.directions[d];
                prepare(spec, direction, batch, keys, k, d);
                Problem<T> p = problem(spec, layer, direction, batch, d);
                if (k == 0 && spec_.input == Input::kOneHot) look_up(spec, direction, batch, p, threads);
                p.y = {y + d * spec.hidden_size, batch.steps() * spec.outputs(), spec.outputs()};
                p.hn = direction.last_h.take(batch.count() * spec.hidden_size);
                p.cn = spec.has_cells() ? direction.last_c.take(batch.count() * spec.hidden_size) : nullptr;
                T* saved = nullptr;
                const Index kept = batch.count() * batch.steps() * spec.saved_each + spec.saved_once;
                if (keep) saved = direction.saved.take(kept);
                run_forward(static_cast<CellKind>(spec.kind), p, batch.counts(), saved, threads);
            }
        }
    }

    /// The last layer's outputs (rows, steps, size) …
    const T* outputs() const { return layers_.back().y.get(); }
    /// … and its final states, (rows, hidden_size) a direction.
    const T* last(Index d) const { return layers_.back().directions[d].last_h.get(); }

    /// Where the gradients of outputs and of final states are to be written.
    T* output_gradients(const Batch& batch) {
        return layers_.back().dy.take(batch.count() * batch.steps() * spec_.layers.back().outputs());
    }
    T* last_gradients(const Batch& batch, Index d) {
        return layers_.back().directions[d].dstart_h.take(2 * batch.count() * spec_.layers.back().hidden_size);
    }

    /// Gradients of all weights; returns those of the first layer's input, null where it is not learned.
    T* backward(const Batch& batch, const Index* keys, bool from_last, bool wants_input, int threads) {
        T* dx = nullptr;
        for (std::size_t k = layers_.size(); k-- > 0;) {
            const LayerSpec& spec = spec_.layers[k];
            Layer& layer = layers_[k];
            const bool top = k + 1 == layers_.size(), one_hot = k == 0 && spec_.input == Input::kOneHot;
            const Index cells = batch.count() * batch.steps();
            T* dy = top ? layer.dy.get() : dx;
            T* next = k > 0 || wants_input ? layer.dx.take(cells * spec.input_size) : nullptr;
            for (Index d = 0; d < spec.directions(); ++d) {
                Direction<T>& direction = layer.directions[d];
                Problem<T> p = problem(spec, layer, direction, batch, d);
                if (one_hot) keep_gates(direction, batch, p);
                const Index states = batch.count() * spec.hidden_size;
                p.y = {layer.y.get() + d * spec.hidden_size, batch.steps() * spec.outputs(), spec.outputs()};
                if (top && from_last)
                    p.dhn = direction.dstart_h.get() + states;
                else
                    p.dy = {dy + d * spec.hidden_size, batch.steps() * spec.outputs(), spec.outputs()};
                T* to = d == 0 ? next : next == nullptr ? nullptr : other_.take(cells * spec.input_size);
                if (one_hot) to = direction.gates.get();
                if (to != nullptr) p.dx = {to, batch.steps() * p.input_size, p.input_size};
                if (direction.h0 != nullptr) p.dh0 = direction.dstart_h.take(2 * states);
                if (direction.c0 != nullptr) p.dc0 = direction.dstart_c.take(states);
                p.dw_ih = one_hot ? nullptr : direction.w_ih->grad, p.dw_hh = direction.w_hh->grad;
                p.db_ih = one_hot ? nullptr : direction.b_ih->grad;
                p.db_hh = one_hot && !spec.is_gru() ? nullptr : direction.b_hh->grad;
                const Index kept = batch.count() * batch.steps() * spec.saved_each + spec.saved_once;
                run_backward(static_cast<CellKind>(spec.kind), p, batch.counts(), direction.saved.take(kept), threads);
                if (one_hot) unlook(spec, direction, batch, p.dx.data);
                if (direction.h0 != nullptr) sum_rows(p.dh0, batch.count(), *direction.h0);
                if (direction.c0 != nullptr) sum_rows(p.dc0, batch.count(), *direction.c0);
                if (d == 1 && next != nullptr) add(other_.get(), next, cells * spec.input_size, threads);
            }
            if (k > 0) pass_back(k, batch, keys, next, threads);
            dx = next;
        }
        return dx;
    }

private:
    struct Layer {
        Direction<T> directions[2];
        Buffer<T> x, y, dx, dy, mask;
        T* input = nullptr;
    };

    const T* input_mask(std::size_t k, const Batch& batch, const Index* keys, Index size) {
        if (keys == nullptr || spec_.input_dropout == 0) return nullptr;
        const Dropout<T> dropout(spec_.input_dropout);
        const Index width = spec_.layers[k].input_size;
        T* mask = layers_[k].mask.take(batch.count() * width);
        for (Index n = 0; n < batch.count(); ++n) {
            dropout.fill(keys[n], stream(k, kInputOf), size, mask + n * width);
            std::fill(mask + n * width + size, mask + (n + 1) * width, T(1));
        }
        return mask;
    }

    static Index stream(std::size_t k, Index of) { return kStreamsOfLayer * static_cast<Index>(k) + of; }

    /// Layer k's input: the outputs of the one below, after dropout.
    T* pass_on(std::size_t k, const Batch& batch, const Index* keys, int threads) {
        const Index size = spec_.layers[k].input_size, row = batch.steps() * size;
        const T* mask = input_mask(k, batch, keys, size);
        const bool between = keys != nullptr && spec_.dropout > 0;
        if (mask == nullptr && !between) return layers_[k - 1].y.get();
        T* x = layers_[k].x.take(batch.count() * row);
        const T* y = layers_[k - 1].y.get();
        parallel(batch.count(), row * 16, threads, [&](Index first, Index last) {
            for (Index n = first; n < last; ++n) {
                std::copy_n(y + n * row, batch.length(n) * size, x + n * row);
                drop(k, batch, keys, n, mask, x + n * row);
            }
        });
        return x;
    }

    /// The gradient of layer k's input becomes that of the outputs below.
    void pass_back(std::size_t k, const Batch& batch, const Index* keys, T* dx, int threads) {
        const Index row = batch.steps() * spec_.layers[k].input_size;
        const T* mask = keys != nullptr && spec_.input_dropout > 0 ? layers_[k].mask.get() : nullptr;
        if (mask == nullptr && (keys == nullptr || spec_.dropout == 0)) return;
        parallel(batch.count(), row * 16, threads, [&](Index first, Index last) {
            for (Index n = first; n < last; ++n) drop(k, batch, keys, n, mask, dx + n * row);
        });
    }

    void drop(std::size_t k, const Batch& batch, const Index* keys, Index n, const T* mask, T* x) const {
        const Index size = spec_.layers[k].input_size;
        if (keys != nullptr && spec_.dropout > 0)
            Dropout<T>(spec_.dropout).apply(keys[n], stream(k - 1, kBetweenOf), batch.length(n) * size, x);
        if (mask == nullptr) return;
        for (Index t = 0; t < batch.length(n); ++t)
            for (Index i = 0; i < size; ++i) x[t * size + i] *= mask[n * size + i];
    }

    /// Initial states and the mask of recurrent dropout.
    void prepare(const LayerSpec& spec, Direction<T>& direction, const Batch& batch, const Index* keys, std::size_t k,
                 Index d) {
        const Index size = spec.hidden_size;
        const auto spread = [&](const Slot<T>* state, Buffer<T>& buffer) {
            if (state == nullptr) return;
            T* rows = buffer.take(batch.count() * size);
            for (Index n = 0; n < batch.count(); ++n) std::copy_n(state->value, size, rows + n * size);
        };
        spread(direction.h0, direction.start_h);
        spread(direction.c0, direction.start_c);
        drops_ = keys != nullptr && spec_.recurrent_dropout > 0;
        if (!drops_) return;
        T* mask = direction.mask.take(batch.count() * size);
        for (Index n = 0; n < batch.count(); ++n)
            Dropout<T>(spec_.recurrent_dropout).fill(keys[n], stream(k, kRecurrentOf + d), size, mask + n * size);
    }

    Problem<T> problem(const LayerSpec& spec, const Layer& layer, const Direction<T>& direction, const Batch& batch,
                       Index d) const {
        Problem<T> p{};
        p.batch = batch.count(), p.steps = batch.steps(), p.input_size = spec.input_size;
        p.hidden_size = p.output_size = spec.hidden_size;
        p.option = spec.option, p.direction = d == 1 ? -1 : 1;
        p.x = {layer.input, batch.steps() * spec.input_size, spec.input_size};
        if (direction.h0 != nullptr) p.h0 = direction.start_h.get();
        if (direction.c0 != nullptr) p.c0 = direction.start_c.get();
        if (drops_) p.mask = direction.mask.get();
        p.w_ih = direction.w_ih->value, p.w_hh = direction.w_hh->value;
        p.b_ih = direction.b_ih->value, p.b_hh = direction.b_hh->value;
        return p;
    }

    /// One-hot input: the input side of the gates is looked up in the weights, turned round so that columns are rows.
    void look_up(const LayerSpec& spec, Direction<T>& direction, const Batch& batch, Problem<T>& p, int threads) {
        const Index gates = spec.gates * spec.hidden_size, inputs = spec.input_size, steps = batch.steps();
        T* turned = turned_.take(inputs * gates);
        for (Index g = 0; g < gates; ++g)
            for (Index i = 0; i < inputs; ++i) turned[i * gates + g] = direction.w_ih->value[g * inputs + i];
        T* bias = bias_.take(gates);
        for (Index g = 0; g < gates; ++g)
            bias[g] = direction.b_ih->value[g] + (spec.is_gru() ? 0 : direction.b_hh->value[g]);
        T* out = direction.gates.take(batch.count() * steps * gates);
        parallel(batch.count(), steps * gates * 8, threads, [&](Index first, Index last) {
            for (Index n = first; n < last; ++n)
                for (Index t = 0; t < batch.length(n); ++t) {
                    const Index place = n * steps + t, id = ids_.get()[place];
                    const T scale = id < 0 ? T(0) : scales_.get()[place];
                    const T* row = turned + std::max<Index>(id, 0) * gates;
                    for (Index g = 0; g < gates; ++g) out[place * gates + g] = row[g] * scale + bias[g];
                }
        });
        keep_gates(direction, batch, p);
    }

    /// The problem of one-hot input reads the gates.
    static void keep_gates(const Direction<T>& direction, const Batch& batch, Problem<T>& p) {
        const Index gates = direction.b_ih->size();
        p.input_size = gates;
        p.x = {direction.gates.get(), batch.steps() * gates, gates};
        p.w_ih = nullptr, p.b_ih = nullptr;
        if (direction.b_hh->size() != 3 * p.hidden_size) p.b_hh = nullptr;  // it is in the gates, but for GRUs
    }

    /// From the gradient of the gates to that of the weights that were looked up.
    void unlook(const LayerSpec& spec, Direction<T>& direction, const Batch& batch, const T* dgates) {
        const Index gates = spec.gates * spec.hidden_size, inputs = spec.input_size, steps = batch.steps();
        T* turned = turned_.take(inputs * gates);
        std::fill_n(turned, inputs * gates, T(0));
        std::fill_n(direction.b_ih->grad, gates, T(0));
        for (Index n = 0; n < batch.count(); ++n)
            for (Index t = 0; t < batch.length(n); ++t) {
                const Index place = n * steps + t, id = ids_.get()[place];
                const T* from = dgates + place * gates;
                for (Index g = 0; g < gates; ++g) direction.b_ih->grad[g] += from[g];
                if (id < 0) continue;
                for (Index g = 0; g < gates; ++g) turned[id * gates + g] += from[g] * scales_.get()[place];
            }
        for (Index g = 0; g < gates; ++g)
            for (Index i = 0; i < inputs; ++i) direction.w_ih->grad[g * inputs + i] = turned[i * gates + g];
        if (!spec.is_gru()) std::copy_n(direction.b_ih->grad, gates, direction.b_hh->grad);
    }

    static void sum_rows(const T* rows, Index count, const Slot<T>& to) {
        std::fill_n(to.grad, to.size(), T(0));
        for (Index n = 0; n < count; ++n)
            for (Index k = 0; k < to.size(); ++k) to.grad[k] += rows[n * to.size() + k];
    }

    static void add(const T* from, T* to, Index count, int threads) {
        parallel(count, 3 * Index(sizeof(T)), threads, [&](Index first, Index last) {
            for (Index n = first; n < last; ++n) to[n] += from[n];
        });
    }

    const NetworkSpec& spec_;
    std::vector<Layer> layers_;
    Buffer<Index> ids_;
    Buffer<T> scales_, turned_, bias_, other_;
    bool drops_ = false;
};

}  // namespace timesteps::training
