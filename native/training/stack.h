// The recurrent layers of a plain network, forward and backward, with dropout on their inputs, states and outputs.
#pragma once

#include <algorithm>
#include <vector>

#include "../recurrent/run.h"
#include "direction.h"
#include "lookup.h"
#include "masks.h"
#include "network.h"

namespace timesteps::training {

template <class T>
class Stack {
public:
    Stack(const NetworkSpec& spec, const Slot<T>*& slot) : spec_(spec), layers_(spec.layers.size()) {
        for (std::size_t k = 0; k < layers_.size(); ++k)
            for (Index d = 0; d < spec.layers[k].directions(); ++d) layers_[k].directions[d].read(spec.layers[k], slot);
    }

    /// Where the first layer's input is to be written: (rows, steps, size). Or it is looked up.
    T* input(const Batch& batch) { return layers_[0].x.take(batch.count() * batch.steps() * spec_.first_inputs()); }

    Lookup<T>& lookup() { return lookup_; }

    /// The input mask (rows, size) of the first layer, whose input the caller multiplies by it; null without dropout.
    const T* input_mask(const Batch& batch, const Index* keys, Index spared) {
        return input_mask(0, batch, keys, spec_.first_inputs() - spared);
    }

    void forward(const Batch& batch, const Keys& keys, bool keep, int threads) {
        for (std::size_t k = 0; k < layers_.size(); ++k) {
            const LayerSpec& spec = spec_.layers[k];
            Layer& layer = layers_[k];
            layer.input = k > 0 ? pass_on(k, batch, keys.rows, threads) : layer.x.get();
            T* y = layer.y.take(batch.count() * batch.steps() * spec.outputs());
            for (Index d = 0; d < spec.directions(); ++d) {
                Direction<T>& direction = layer.directions[d];
                direction.begin(spec_, spec, batch, keys, static_cast<Index>(k), d);
                Problem<T> p = problem(spec, layer, direction, batch, d);
                if (k == 0 && lookup_.is_used()) lookup_.forward(spec, direction, batch, p, threads);
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

    /// Gradients of all weights; returns those of the first layer's input, null where it is not learned or looked up.
    T* backward(const Batch& batch, const Keys& keys, bool from_last, bool wants_input, int threads) {
        T* dx = nullptr;
        for (std::size_t k = layers_.size(); k-- > 0;) {
            const LayerSpec& spec = spec_.layers[k];
            Layer& layer = layers_[k];
            const bool top = k + 1 == layers_.size(), looked_up = k == 0 && lookup_.is_used();
            const Index cells = batch.count() * batch.steps();
            T* dy = top ? layer.dy.get() : dx;
            T* next = k > 0 || (wants_input && !looked_up) ? layer.dx.take(cells * spec.input_size) : nullptr;
            for (Index d = 0; d < spec.directions(); ++d) {
                Direction<T>& direction = layer.directions[d];
                Problem<T> p = problem(spec, layer, direction, batch, d);
                direction.take_gradients(p);
                if (looked_up) lookup_.read_gates(spec, direction, batch, p);
                const Index states = batch.count() * spec.hidden_size;
                p.y = {layer.y.get() + d * spec.hidden_size, batch.steps() * spec.outputs(), spec.outputs()};
                if (top && from_last)
                    p.dhn = direction.dstart_h.get() + states;
                else
                    p.dy = {dy + d * spec.hidden_size, batch.steps() * spec.outputs(), spec.outputs()};
                T* to = d == 0 ? next : next == nullptr ? nullptr : other_.take(cells * spec.input_size);
                if (looked_up) to = direction.gates.take(cells * p.input_size);
                if (to != nullptr) p.dx = {to, batch.steps() * p.input_size, p.input_size};
                if (direction.h0 != nullptr) p.dh0 = direction.dstart_h.take(2 * states);
                if (direction.c0 != nullptr) p.dc0 = direction.dstart_c.take(states);
                const Index kept = batch.count() * batch.steps() * spec.saved_each + spec.saved_once;
                run_backward(static_cast<CellKind>(spec.kind), p, batch.counts(), direction.saved.take(kept), threads);
                if (looked_up) lookup_.backward(spec, direction, batch, p.dx.data, d == 1, threads);
                direction.end(p);
                if (d == 1 && next != nullptr) add(other_.get(), next, cells * spec.input_size, threads);
            }
            if (k > 0) pass_back(k, batch, keys.rows, next, threads);
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

    Problem<T> problem(const LayerSpec& spec, const Layer& layer, const Direction<T>& direction, const Batch& batch,
                       Index d) const {
        Problem<T> p{};
        p.batch = batch.count(), p.steps = batch.steps(), p.input_size = spec.input_size;
        p.hidden_size = p.output_size = spec.hidden_size;
        p.option = spec.option, p.direction = d == 1 ? -1 : 1;
        p.x = {layer.input, batch.steps() * spec.input_size, spec.input_size};
        direction.give(p);
        return p;
    }

    static void add(const T* from, T* to, Index count, int threads) {
        parallel(count, 3 * Index(sizeof(T)), threads, [&](Index first, Index last) {
            for (Index n = first; n < last; ++n) to[n] += from[n];
        });
    }

    const NetworkSpec& spec_;
    std::vector<Layer> layers_;
    Lookup<T> lookup_;
    Buffer<T> other_;
};

}  // namespace timesteps::training
