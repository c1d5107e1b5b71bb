// What the first recurrent layer reads, from the rows of a batch, and the way back to the tables of vectors.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "bag_input.h"
#include "masks.h"
#include "network.h"
#include "stack.h"

namespace timesteps::training {

template <class T>
class NetworkInput {
public:
    /// The tables are null where the network has none.
    NetworkInput(const NetworkSpec& spec, const Slot<T>* table, const Slot<T>* wide)
        : spec_(spec), table_(table), wide_(wide) {
        if (spec.input == Input::kIds) touched_.assign(static_cast<std::size_t>(table->rows), 0);
    }

    /// The distinct ids of the batch; the gradients of the last one's are forgotten.
    void find_used(const Examples& examples, const Batch& batch) {
        const Index D = spec_.embedding_size;
        for (const Index row : used_) {
            std::fill_n(table_->grad + row * D, D, T(0));
            touched_[static_cast<std::size_t>(row)] = 0;
        }
        used_.clear();
        for (Index n = 0; n < batch.count(); ++n) {
            const Index begin = examples.offsets[batch.row(n)];
            for (Index t = 0; t < batch.length(n); ++t) {
                const Index id = examples.ids[begin + t];
                if (std::exchange(touched_[static_cast<std::size_t>(id)], 1) == 0) used_.push_back(id);
            }
        }
    }

    /// The first layer's input (rows, steps, size), dropped from; padding holds anything.
    void read(const Examples& examples, const Batch& batch, const Index* keys, Stack<T>& stack, int threads) {
        const Index inputs = spec_.first_inputs(), steps = batch.steps(), D = spec_.embedding_size;
        const bool one_hot = spec_.input == Input::kOneHot, looked_up = spec_.looks_up();
        mask_ = one_hot ? nullptr : stack.input_mask(batch, keys, spec_.channels);
        words_ = keys != nullptr && spec_.word_dropout > 0 ? word_.take(batch.count() * steps) : nullptr;
        T* x = looked_up ? nullptr : stack.input(batch);
        if (spec_.input == Input::kBag) {
            wide_scale_ = static_cast<T>(keys != nullptr ? 1 / (1 - spec_.feature_dropout) : 1.0);
            bags_.read(examples, batch, keys, spec_.feature_dropout, threads);
            bags_.forward(batch, table_->value, D, inputs, spec_.wide ? wide_->value : nullptr, spec_.outputs,
                          wide_scale_, x, wide_terms_.take(batch.count() * spec_.outputs), threads);
        }
        Index* ids = looked_up ? stack.ids(batch) : nullptr;
        if (spec_.input == Input::kIds) ids = id_.take(batch.count() * steps);
        T* const scales = looked_up ? stack.scales(batch) : nullptr;
        parallel(batch.count(), steps * inputs * 8, threads, [&](Index first, Index last) {
            for (Index n = first; n < last; ++n) {
                const Index begin = examples.offsets[batch.row(n)];
                const Draws dropped(keys == nullptr ? 0 : keys[n], kInputOf);
                if (words_ != nullptr) draw_words(keys[n], batch.length(n), words_ + n * steps);
                for (Index t = 0; t < batch.length(n); ++t) {
                    const Index step = begin + t, place = n * steps + t;
                    const bool kept = words_ == nullptr || words_[place] != 0;
                    if (one_hot) {
                        const Index id = examples.ids[step];
                        const bool drops = keys != nullptr && spec_.input_dropout > 0;
                        const T scale = drops ? Dropout<T>(spec_.input_dropout)(dropped, id) : T(1);
                        if (looked_up) {
                            ids[place] = kept ? id : -1, scales[place] = scale;
                        } else {
                            std::fill_n(x + place * inputs, inputs, T(0));
                            x[place * inputs + id] = kept ? scale : T(0);
                        }
                        continue;
                    }
                    T* const to = x + place * inputs;
                    if (spec_.input == Input::kIds) {
                        ids[place] = examples.ids[step];
                        std::copy_n(table_->value + ids[place] * D, D, to);
                    } else if (spec_.input == Input::kNumeric) {
                        std::copy_n(examples.numbers + step * inputs, inputs, to);
                    }
                    const Index own = spec_.embeds() ? D : inputs;
                    for (Index i = 0; i < own && words_ != nullptr; ++i) to[i] *= words_[place];
                    if (spec_.channels > 0)
                        std::copy_n(examples.channels + step * spec_.channels, spec_.channels, to + D);
                    for (Index i = 0; i < own && mask_ != nullptr; ++i) to[i] *= mask_[n * inputs + i];
                }
            }
        });
    }

    /// The wide terms (rows, outputs) of the batch.
    const T* wide_terms() const { return wide_terms_.get(); }
    /// The distinct ids of the batch.
    const std::vector<Index>& used() const { return used_; }
    const BagInput<T>& bags() const { return bags_; }

    /// From the gradients of the first layer's input, which change, and of the logits, to those of the tables.
    void backward(const Batch& batch, T* dx, const T* dlogits, int threads) {
        spread_factors(batch, dx, threads);
        if (spec_.input == Input::kBag)
            bags_.backward(batch, dx, spec_.embedding_size, spec_.first_inputs(), spec_.wide ? dlogits : nullptr,
                           spec_.outputs, wide_scale_, table_->rows, threads);
        else
            scatter(batch, dx, threads);
    }

private:
    void draw_words(Index key, Index steps, T* words) const {
        const Dropout<T> dropout(spec_.word_dropout);
        const Draws draws(key, kWordStream);
        for (Index t = 0; t < steps; ++t) words[t] = draws.bits(t) >= dropout.threshold ? T(1) : T(0);
    }

    /// The gradient of the first layer's input becomes that of the vectors before dropout.
    void spread_factors(const Batch& batch, T* dx, int threads) const {
        if (mask_ == nullptr && words_ == nullptr) return;
        const Index inputs = spec_.first_inputs(), steps = batch.steps(), D = spec_.embedding_size;
        parallel(batch.count(), steps * inputs * 8, threads, [&](Index first, Index last) {
            for (Index n = first; n < last; ++n)
                for (Index t = 0; t < batch.length(n); ++t) {
                    T* const from = dx + (n * steps + t) * inputs;
                    for (Index i = 0; i < D && mask_ != nullptr; ++i) from[i] *= mask_[n * inputs + i];
                    for (Index i = 0; i < D && words_ != nullptr; ++i) from[i] *= words_[n * steps + t];
                }
        });
    }

    /// Gradients of the vectors of ids. Each thread adds up some of the columns: the order of additions is the same.
    void scatter(const Batch& batch, const T* dx, int threads) {
        const Index inputs = spec_.first_inputs(), steps = batch.steps(), D = spec_.embedding_size;
        const Index blocks = (D + 15) / 16;
        parallel(blocks, batch.total() * 16 * 8, threads, [&](Index first, Index last) {
            const Index begin = first * 16, end = std::min(D, last * 16);
            for (Index n = 0; n < batch.count(); ++n)
                for (Index t = 0; t < batch.length(n); ++t) {
                    const Index place = n * steps + t;
                    T* const to = table_->grad + id_.get()[place] * D;
                    for (Index i = begin; i < end; ++i) to[i] += dx[place * inputs + i];
                }
        });
    }

    const NetworkSpec& spec_;
    const Slot<T> *table_, *wide_;
    std::vector<unsigned char> touched_;
    std::vector<Index> used_;
    BagInput<T> bags_;
    Buffer<T> wide_terms_, word_;
    Buffer<Index> id_;
    const T* mask_ = nullptr;
    T* words_ = nullptr;
    T wide_scale_ = 1;
};

}  // namespace timesteps::training
