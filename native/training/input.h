// What the first recurrent layer reads, from the rows of a batch, and the way back to the tables of vectors.
#pragma once

#include <algorithm>
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
        if (spec.input == Input::kIds) place_.assign(static_cast<std::size_t>(table->rows), -1);
    }

    /// The distinct ids of the batch; the gradients of the last one's are forgotten.
    void find_used(const Examples& examples, const Batch& batch) {
        const Index D = spec_.embedding_size;
        for (const Index row : used_) {
            std::fill_n(table_->grad + row * D, D, T(0));
            place_[static_cast<std::size_t>(row)] = -1;
        }
        used_.clear();
        for (Index n = 0; n < batch.count(); ++n) {
            const Index begin = examples.offsets[batch.row(n)];
            for (Index t = 0; t < batch.length(n); ++t) {
                const Index id = examples.ids[begin + t];
                std::int32_t& place = place_[static_cast<std::size_t>(id)];
                if (place >= 0) continue;
                place = static_cast<std::int32_t>(used_.size());
                used_.push_back(id);
            }
        }
    }

    /// The first layer's input (rows, steps, size), dropped from; padding holds anything. Or it is looked up. A batch
    /// that is learned from had its ids found.
    void read(const Examples& examples, const Batch& batch, const Index* keys, bool learns, Stack<T>& stack,
              int threads) {
        words_ = keys != nullptr && spec_.word_dropout > 0 ? word_.take(batch.count() * batch.steps()) : nullptr;
        for (Index n = 0; n < batch.count() && words_ != nullptr; ++n)
            draw_words(keys[n], batch.length(n), words_ + n * batch.steps());
        if (spec_.input == Input::kOneHot ? !spec_.layers[0].layer_norm : learns && shares(batch, keys))
            return look_up(examples, batch, keys, stack.lookup(), threads);
        stack.lookup().leave_out();
        mask_ = stack.input_mask(batch, keys, spec_.channels);
        T* const x = stack.input(batch);
        const Index inputs = spec_.first_inputs(), steps = batch.steps(), D = spec_.embedding_size;
        if (spec_.input == Input::kBag) {
            wide_scale_ = static_cast<T>(keys != nullptr ? 1 / (1 - spec_.feature_dropout) : 1.0);
            bags_.read(examples, batch, keys, spec_.feature_dropout, threads);
            bags_.forward(batch, table_->value, D, inputs, spec_.wide ? wide_->value : nullptr, spec_.outputs,
                          wide_scale_, x, wide_terms_.take(batch.count() * spec_.outputs), threads);
        }
        const Index own = spec_.embeds() ? D : inputs;
        parallel(batch.count(), steps * inputs * 8, threads, [&](Index first, Index last) {
            for (Index n = first; n < last; ++n)
                for (Index t = 0; t < batch.length(n); ++t) {
                    const Index step = examples.offsets[batch.row(n)] + t, place = n * steps + t;
                    T* const to = x + place * inputs;
                    if (spec_.input == Input::kIds)
                        std::copy_n(table_->value + examples.ids[step] * D, D, to);
                    else if (spec_.input == Input::kNumeric)
                        std::copy_n(examples.numbers + step * inputs, inputs, to);
                    else if (spec_.input == Input::kOneHot)
                        std::fill_n(to, inputs, T(0)), to[examples.ids[step]] = T(1);
                    for (Index i = 0; i < own && words_ != nullptr; ++i) to[i] *= words_[place];
                    if (spec_.channels > 0)
                        std::copy_n(examples.channels + step * spec_.channels, spec_.channels, to + D);
                    for (Index i = 0; i < own && mask_ != nullptr; ++i) to[i] *= mask_[n * inputs + i];
                }
        });
    }

    /// The wide terms (rows, outputs) of the batch.
    const T* wide_terms() const { return wide_terms_.get(); }
    /// The distinct ids of the batch.
    const std::vector<Index>& used() const { return used_; }
    const BagInput<T>& bags() const { return bags_; }

    /// From the gradients of the first layer's input, which change, and of the logits, to those of the tables. Without
    /// the former, where the input was looked up, those of the vectors are there.
    void backward(const Examples& examples, const Batch& batch, T* dx, const T* dlogits, int threads) {
        if (dx == nullptr) return;
        spread_factors(batch, dx, threads);
        if (spec_.input == Input::kBag)
            bags_.backward(batch, dx, spec_.embedding_size, spec_.first_inputs(), spec_.wide ? dlogits : nullptr,
                           spec_.outputs, wide_scale_, table_->rows, threads);
        else
            scatter(examples, batch, dx, threads);
    }

private:
    /// Whether it pays to make products once for each distinct id. They have to be the same in all rows.
    bool shares(const Batch& batch, const Index* keys) const {
        const bool alike = spec_.input == Input::kIds && spec_.channels == 0 && !spec_.layers[0].layer_norm &&
                           (keys == nullptr || spec_.input_dropout == 0);
        return alike && static_cast<double>(used_.size()) < kShared * static_cast<double>(batch.total());
    }

    void look_up(const Examples& examples, const Batch& batch, const Index* keys, Lookup<T>& lookup, int threads) {
        const bool one_hot = spec_.input == Input::kOneHot;
        Index* which;
        if (one_hot) {
            which = lookup.columns(spec_.layers[0], batch);
        } else {
            vectors_.clear(), gradients_.clear();
            for (const Index id : used_) {
                vectors_.push_back(table_->value + id * spec_.embedding_size);
                gradients_.push_back(table_->grad + id * spec_.embedding_size);
            }
            which = lookup.vectors(vectors_.data(), gradients_.data(), static_cast<Index>(used_.size()), batch);
        }
        T* const factors = one_hot && keys != nullptr && spec_.input_dropout > 0 ? lookup.factors(batch) : nullptr;
        const Dropout<T> dropout(spec_.input_dropout);
        parallel(batch.count(), batch.steps() * 16, threads, [&](Index first, Index last) {
            for (Index n = first; n < last; ++n) {
                const std::int32_t* const ids = examples.ids + examples.offsets[batch.row(n)];
                const Draws dropped(keys == nullptr ? 0 : keys[n], kInputOf);
                for (Index t = 0; t < batch.length(n); ++t) {
                    const Index place = n * batch.steps() + t;
                    which[place] = one_hot ? ids[t] : place_[static_cast<std::size_t>(ids[t])];
                    if (words_ != nullptr && words_[place] == 0) which[place] = lookup.zero();
                    if (factors != nullptr) factors[place] = dropout(dropped, ids[t]);
                }
            }
        });
    }

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
    void scatter(const Examples& examples, const Batch& batch, const T* dx, int threads) {
        const Index inputs = spec_.first_inputs(), steps = batch.steps(), D = spec_.embedding_size;
        const Index blocks = (D + 15) / 16;
        parallel(blocks, batch.total() * 16 * 8, threads, [&](Index first, Index last) {
            const Index begin = first * 16, end = std::min(D, last * 16);
            for (Index n = 0; n < batch.count(); ++n)
                for (Index t = 0; t < batch.length(n); ++t) {
                    const Index place = n * steps + t;
                    T* const to = table_->grad + examples.ids[examples.offsets[batch.row(n)] + t] * D;
                    for (Index i = begin; i < end; ++i) to[i] += dx[place * inputs + i];
                }
        });
    }

    const NetworkSpec& spec_;
    const Slot<T> *table_, *wide_;
    static constexpr double kShared = 0.6;  // of the steps; above that, looking up costs as much as it saves

    std::vector<std::int32_t> place_;  // of an id among those that are used, or -1
    std::vector<Index> used_;
    std::vector<const T*> vectors_;
    std::vector<T*> gradients_;
    BagInput<T> bags_;
    Buffer<T> wide_terms_, word_;
    const T* mask_ = nullptr;
    T* words_ = nullptr;
    T wide_scale_ = 1;
};

}  // namespace timesteps::training
