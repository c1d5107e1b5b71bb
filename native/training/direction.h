// One layer in one direction: its weights, the states it begins with, and what is dropped inside it.
#pragma once

#include <algorithm>

#include "masks.h"
#include "network.h"

namespace timesteps::training {

/// Weights and gradients, and what a batch needs of memory. Slots that the layer does not have are null.
template <class T>
class Direction {
public:
    /// Takes the layer's slots, in the order of `network_tensors` in runtime/layout.py.
    void read(const LayerSpec& spec, const Slot<T>*& slot) {
        w_ih = slot++;
        if (!spec.is_linear()) w_hh = slot++;
        b_ih = slot++;
        if (!spec.is_linear()) b_hh = slot++;
        if (spec.layer_norm) norm_ih = slot++, norm_hh = slot++;
        if (spec.peephole) w_ch = slot++;
        if (spec.layer_norm && spec.has_cells()) norm_c = slot++, norm_c_bias = slot++;
        if (!spec.learned) return;
        h0 = slot++;
        if (spec.has_cells()) c0 = slot++;
    }

    /// Initial states, and the masks of what is dropped from the state and from its weights.
    void begin(const NetworkSpec& network, const LayerSpec& spec, const Batch& batch, const Keys& keys, Index layer,
               Index direction) {
        const auto stream = [&](Index of) { return kStreamsOfLayer * layer + of; };
        const double noise = keys.rows == nullptr ? 0 : network.initial_state_noise;
        const Index from = stream(direction == 0 ? kNoiseOf : kNoiseOfReverse);
        h_ = start(h0, start_h_, spec, batch, keys.rows, noise, from);
        c_ = spec.has_cells() ? start(c0, start_c_, spec, batch, keys.rows, noise, from + 1) : nullptr;
        mask_ = nullptr, weights_ = w_hh == nullptr ? nullptr : w_hh->value, dropped_ = nullptr;
        zoneout_ = {spec.zoneout, keys.rows, stream(kZoneoutOf + direction), nullptr};
        zoneout_cell_ = {spec.zoneout_cell, keys.rows, stream(kCellZoneoutOf + direction), nullptr};
        if (keys.rows != nullptr && network.recurrent_dropout > 0) {
            const Dropout<T> dropout(network.recurrent_dropout);
            mask_ = masks_.take(batch.count() * spec.hidden_size);
            for (Index n = 0; n < batch.count(); ++n)
                dropout.fill(keys.rows[n], stream(kRecurrentOf + direction), spec.hidden_size,
                             mask_ + n * spec.hidden_size);
        }
        if (keys.weights == nullptr || w_hh == nullptr) return;
        dropped_ = weight_masks_.take(2 * w_hh->size());
        Dropout<T>(network.weight_drop).fill(*keys.weights, stream(kWeightsOf + direction), w_hh->size(), dropped_);
        T* const left = dropped_ + w_hh->size();
        for (Index n = 0; n < w_hh->size(); ++n) left[n] = w_hh->value[n] * dropped_[n];
        weights_ = left;
    }

    /// The problem of this layer gets its weights and states.
    void give(Problem<T>& p) const {
        const auto value = [](const Slot<T>* slot) { return slot == nullptr ? nullptr : slot->value; };
        p.h0 = h_, p.c0 = c_, p.mask = mask_;
        p.zone_h = zoneout_, p.zone_c = zoneout_cell_;
        p.w_ih = w_ih->value, p.w_hh = weights_, p.b_ih = b_ih->value, p.b_hh = value(b_hh);
        p.norm_ih = value(norm_ih), p.norm_hh = value(norm_hh);
        p.norm_c = value(norm_c), p.norm_c_bias = value(norm_c_bias), p.w_ch = value(w_ch);
    }

    /// … and where their gradients go.
    void take_gradients(Problem<T>& p) const {
        const auto grad = [](const Slot<T>* slot) { return slot == nullptr ? nullptr : slot->grad; };
        p.dw_ih = w_ih->grad, p.dw_hh = grad(w_hh), p.db_ih = b_ih->grad, p.db_hh = grad(b_hh);
        p.dnorm_ih = grad(norm_ih), p.dnorm_hh = grad(norm_hh);
        p.dnorm_c = grad(norm_c), p.dnorm_c_bias = grad(norm_c_bias), p.dw_ch = grad(w_ch);
    }

    /// From what the kernels left to the gradients of what was dropped from, and of learned states.
    void end(const Problem<T>& p) const {
        for (Index n = 0; n < (dropped_ == nullptr ? 0 : w_hh->size()); ++n) w_hh->grad[n] *= dropped_[n];
        if (h0 != nullptr) sum_rows(p.dh0, p.batch, *h0);
        if (c0 != nullptr) sum_rows(p.dc0, p.batch, *c0);
    }

    const Slot<T> *w_ih = nullptr, *w_hh = nullptr, *b_ih = nullptr, *b_hh = nullptr, *norm_ih = nullptr,
                  *norm_hh = nullptr, *norm_c = nullptr, *norm_c_bias = nullptr, *w_ch = nullptr, *h0 = nullptr,
                  *c0 = nullptr;
    Buffer<T> saved, last_h, last_c, dstart_h, dstart_c, gates, table;

private:
    /// (rows, hidden_size) the learned state, or zero, with noise; null where it is zero.
    static T* start(const Slot<T>* learned, Buffer<T>& buffer, const LayerSpec& spec, const Batch& batch,
                    const Index* keys, double noise, Index stream) {
        if (learned == nullptr && noise == 0) return nullptr;
        const Index size = spec.hidden_size;
        T* const rows = buffer.take(batch.count() * size);
        for (Index n = 0; n < batch.count(); ++n) {
            T* const row = rows + n * size;
            if (learned == nullptr)
                std::fill_n(row, size, T(0));
            else
                std::copy_n(learned->value, size, row);
            if (noise > 0) add_noise(keys[n], stream, static_cast<T>(noise), size, row);
        }
        return rows;
    }

    static void sum_rows(const T* rows, Index count, const Slot<T>& to) {
        std::fill_n(to.grad, to.size(), T(0));
        for (Index n = 0; n < count; ++n)
            for (Index k = 0; k < to.size(); ++k) to.grad[k] += rows[n * to.size() + k];
    }

    const T *h_ = nullptr, *c_ = nullptr, *weights_ = nullptr;  // what the batch begins with, and W_hh as it is now
    T *mask_ = nullptr, *dropped_ = nullptr;
    Zoneout zoneout_{}, zoneout_cell_{};
    Buffer<T> start_h_, start_c_, masks_, weight_masks_;
};

}  // namespace timesteps::training
