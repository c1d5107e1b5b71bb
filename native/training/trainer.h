// A plain network with its optimizer: answers to rows, and training steps, from the first byte of a batch to the last
// weight.
#pragma once

#include <cmath>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

#include "bag_input.h"
#include "loss.h"
#include "masks.h"
#include "network.h"
#include "optimizer.h"
#include "pooling.h"
#include "stack.h"

namespace timesteps::training {

/// The rates of a step: of dense tensors, of the tables of vectors, and of wide terms; and its number, from 1.
struct Rates {
    double dense, table, wide;
    Index count;
};

struct StepResult {
    double loss, norm, right, weight;
    bool taken;
};

template <class T>
class Trainer {
public:
    /// The slots are in the order of `network_tensors` in runtime/layout.py.
    Trainer(NetworkSpec spec, const OptimizerSpec& optimizer, std::vector<Slot<T>> slots)
        : spec_(std::move(spec)), slots_(std::move(slots)), optimizer_(optimizer), stack_(build()) {}
    Trainer(const Trainer&) = delete;
    Trainer& operator=(const Trainer&) = delete;

    /// logits (count, outputs) of rows, as a trained network answers.
    void answer(const Examples& examples, const Index* rows, Index count, T* logits, int threads) {
        batch_.read(examples, rows, count, false);
        forward(examples, nullptr, logits, threads);
        const Index K = spec_.outputs;
        if (spec_.share > 0)
            for (Index n = 0; n < count; ++n)
                for (Index k = 0; k < K; ++k) {
                    const T linear = examples.linear[batch_.row(n) * K + k];
                    logits[n * K + k] += static_cast<T>(spec_.share) * (linear - logits[n * K + k]);
                }
    }

    /// Loss and gradients of rows; the rows' keys of dropout are drawn by `seed`, or nothing is dropped.
    StepResult gradients(const Examples& examples, const Index* rows, Index count, std::uint64_t seed, bool drops,
                         int threads) {
        batch_.read(examples, rows, count, spec_.consistency > 0);
        const Index* const keys = drops ? draw_keys(seed) : nullptr;
        if (spec_.input == Input::kIds) {
            find_used(examples);
            deferred_.settle(optimizer_, *table_, used_.data(), static_cast<Index>(used_.size()), threads);
        }
        T* logits = logits_.take(batch_.count() * spec_.outputs);
        T* dlogits = dlogits_.take(batch_.count() * spec_.outputs);
        forward(examples, keys, logits, threads, true);
        const Outcome outcome = loss_(spec_, examples, batch_, logits, dlogits);
        backward(keys, dlogits, threads);
        double sum = 0;
        for (std::size_t n = 0; n < slots_.size(); ++n) sum += squares_of(slots_[n]);
        return {outcome.loss, std::sqrt(sum), outcome.right, outcome.weight, false};
    }

    /// One step of training; not taken where loss or norm is not finite.
    StepResult step(const Examples& examples, const Index* rows, Index count, std::uint64_t seed, bool drops,
                    const Rates& rates, int threads) {
        StepResult result = gradients(examples, rows, count, seed, drops, threads);
        result.taken = std::isfinite(result.loss) && std::isfinite(result.norm);
        if (!result.taken) return result;
        const double scale = optimizer_.clip(result.norm);
        for (const Slot<T>& slot : slots_) {
            if (is_table(slot)) {
                const bool wide = &slot == wide_;
                optimizer_.table(slot, bags_.touched_rows(), bags_.touched(), bags_.gradients(wide),
                                 wide ? rates.wide : rates.table, scale, threads);
            } else {
                const DenseStep<T> step = optimizer_.plan(slot, rates.dense, scale, rates.count);
                if (&slot == table_)
                    deferred_.step(optimizer_, slot, used_.data(), static_cast<Index>(used_.size()), step, threads);
                else
                    optimizer_.dense(slot, step, threads);
            }
        }
        optimizer_.tick();
        return result;
    }

    /// Brings all weights up to date; steps leave rows of an embedding behind that no batch has used.
    void settle(int threads) {
        if (spec_.input == Input::kIds) deferred_.settle_all(optimizer_, *table_, threads);
    }

    const T* logits() const { return logits_.get(); }
    Index batch_rows() const { return batch_.count(); }
    AverageClock& clock() { return optimizer_.clock; }
    const BagInput<T>& bags() const { return bags_; }

private:
    Stack<T> build() {
        const Slot<T>* slot = slots_.data();
        if (spec_.embeds()) table_ = slot++;
        if (spec_.wide) wide_ = slot++;
        Stack<T> stack(spec_, slot);
        if (spec_.pool == Pool::kAttention) attention_ = slot++;
        head_ = slot++, bias_ = slot++;
        if (slot != slots_.data() + slots_.size()) throw std::invalid_argument("the tensors are not the network's");
        touched_.assign(spec_.input == Input::kIds ? static_cast<std::size_t>(table_->rows) : 0, 0);
        return stack;
    }

    /// One key a row, what `draw_keys` of nn/dropout.py draws from torch's generator when it has this seed.
    const Index* draw_keys(std::uint64_t seed) {
        std::mt19937 generator(static_cast<std::uint32_t>(seed));
        Index* const keys = keys_.take(batch_.count());
        for (Index n = 0; n < batch_.count(); ++n) {
            const std::uint64_t high = generator(), low = generator();
            keys[n] = static_cast<Index>((high << 32 | low) & ~(std::uint64_t{1} << 63)) - (Index{1} << 62);
        }
        return keys;
    }

    /// Whether lazy Adam trains it.
    bool is_table(const Slot<T>& slot) const {
        return spec_.input == Input::kBag && (&slot == table_ || &slot == wide_);
    }

    double squares_of(const Slot<T>& slot) const {
        if (is_table(slot)) return squares(bags_.gradients(&slot == wide_), bags_.touched() * slot.width);
        if (&slot != table_) return squares(slot.grad, slot.size());
        double sum = 0;  // of an embedding, the rows that the batch used
        for (const Index row : used_) sum += squares(slot.grad + row * slot.width, slot.width);
        return sum;
    }

    void forward(const Examples& examples, const Index* keys, T* logits, int threads, bool keep = false) {
        read_input(examples, keys, threads);
        stack_.forward(batch_, keys, keep, threads);
        const Index width = spec_.width(), K = spec_.outputs;
        T* pooled = pooled_.take(batch_.count() * width);
        if (spec_.pool == Pool::kLast)
            take_last(pooled);
        else
            pooling_.forward(spec_.pool, batch_, stack_.outputs(), spec_.layers.back().outputs(),
                             attention_ == nullptr ? nullptr : attention_->value, pooled, threads);
        if (keys != nullptr && spec_.head_dropout > 0)
            for (Index n = 0; n < batch_.count(); ++n)
                Dropout<T>(spec_.head_dropout).apply(keys[n], kHeadStream, width, pooled + n * width);
        for (Index n = 0; n < batch_.count(); ++n)
            for (Index k = 0; k < K; ++k) {
                T sum = 0;
                for (Index i = 0; i < width; ++i) sum += head_->value[k * width + i] * pooled[n * width + i];
                logits[n * K + k] = sum + bias_->value[k] + (spec_.wide ? wide_terms_.get()[n * K + k] : T(0));
            }
    }

    void backward(const Index* keys, const T* dlogits, int threads) {
        const Index width = spec_.width(), K = spec_.outputs;
        const T* pooled = pooled_.get();
        T* dpooled = dpooled_.take(batch_.count() * width);
        std::fill_n(head_->grad, head_->size(), T(0));
        std::fill_n(bias_->grad, K, T(0));
        std::fill_n(dpooled, batch_.count() * width, T(0));
        for (Index n = 0; n < batch_.count(); ++n)
            for (Index k = 0; k < K; ++k) {
                const T d = dlogits[n * K + k];
                bias_->grad[k] += d;
                for (Index i = 0; i < width; ++i) {
                    head_->grad[k * width + i] += d * pooled[n * width + i];
                    dpooled[n * width + i] += d * head_->value[k * width + i];
                }
            }
        if (keys != nullptr && spec_.head_dropout > 0)
            for (Index n = 0; n < batch_.count(); ++n)
                Dropout<T>(spec_.head_dropout).apply(keys[n], kHeadStream, width, dpooled + n * width);
        const bool last = spec_.pool == Pool::kLast;
        if (last)
            give_last(dpooled);
        else
            pooling_.backward(spec_.pool, batch_, stack_.outputs(), spec_.layers.back().outputs(),
                              attention_ == nullptr ? nullptr : attention_->value, dpooled,
                              stack_.output_gradients(batch_), attention_ == nullptr ? nullptr : attention_->grad,
                              threads);
        T* dx = stack_.backward(batch_, keys, last, spec_.embeds(), threads);
        if (!spec_.embeds()) return;
        spread_factors(dx, threads);
        const Index inputs = spec_.first_inputs();
        if (spec_.input == Input::kBag)
            bags_.backward(batch_, dx, spec_.embedding_size, inputs, spec_.wide ? dlogits : nullptr, K, wide_scale_,
                           table_->rows, threads);
        else
            scatter(dx, threads);
    }

    /// The first layer's input (rows, steps, size), dropped from; padding holds anything.
    void read_input(const Examples& examples, const Index* keys, int threads) {
        const Index inputs = spec_.first_inputs(), steps = batch_.steps(), D = spec_.embedding_size;
        const bool one_hot = spec_.input == Input::kOneHot;
        mask_ = one_hot ? nullptr : stack_.input_mask(batch_, keys, spec_.channels);
        words_ = keys != nullptr && spec_.word_dropout > 0 ? word_.take(batch_.count() * steps) : nullptr;
        T* x = one_hot ? nullptr : stack_.input(batch_);
        if (spec_.input == Input::kBag) {
            wide_scale_ = static_cast<T>(keys != nullptr ? 1 / (1 - spec_.feature_dropout) : 1.0);
            bags_.read(examples, batch_, keys, spec_.feature_dropout, threads);
            bags_.forward(batch_, table_->value, D, inputs, spec_.wide ? wide_->value : nullptr, spec_.outputs,
                          wide_scale_, x, wide_terms_.take(batch_.count() * spec_.outputs), threads);
        }
        Index* const ids = one_hot ? stack_.ids(batch_) : spec_.input == Input::kIds ? id_.take(batch_.count() * steps) : nullptr;
        T* const scales = one_hot ? stack_.scales(batch_) : nullptr;
        parallel(batch_.count(), steps * inputs * 8, threads, [&](Index first, Index last) {
            for (Index n = first; n < last; ++n) {
                const Index begin = examples.offsets[batch_.row(n)];
                const Draws dropped(keys == nullptr ? 0 : keys[n], stream_of_input());
                if (words_ != nullptr) draw_words(keys[n], n, words_ + n * steps);
                for (Index t = 0; t < batch_.length(n); ++t) {
                    const Index step = begin + t, place = n * steps + t;
                    const bool kept = words_ == nullptr || words_[place] != 0;
                    if (one_hot) {
                        ids[place] = kept ? examples.ids[step] : -1;
                        scales[place] = keys != nullptr && spec_.input_dropout > 0
                                            ? Dropout<T>(spec_.input_dropout)(dropped, examples.ids[step])
                                            : T(1);
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
                    if (spec_.channels > 0) std::copy_n(examples.channels + step * spec_.channels, spec_.channels, to + D);
                    for (Index i = 0; i < own && mask_ != nullptr; ++i) to[i] *= mask_[n * inputs + i];
                }
            }
        });
    }

    static constexpr Index stream_of_input() { return kInputOf; }

    void draw_words(Index key, Index n, T* words) const {
        const Dropout<T> dropout(spec_.word_dropout);
        const Draws draws(key, kWordStream);
        for (Index t = 0; t < batch_.length(n); ++t) words[t] = draws.bits(t) >= dropout.threshold ? T(1) : T(0);
    }

    /// The gradient of the first layer's input becomes that of the vectors before dropout.
    void spread_factors(T* dx, int threads) const {
        if (mask_ == nullptr && words_ == nullptr) return;
        const Index inputs = spec_.first_inputs(), steps = batch_.steps(), D = spec_.embedding_size;
        parallel(batch_.count(), steps * inputs * 8, threads, [&](Index first, Index last) {
            for (Index n = first; n < last; ++n)
                for (Index t = 0; t < batch_.length(n); ++t) {
                    T* const from = dx + (n * steps + t) * inputs;
                    for (Index i = 0; i < D && mask_ != nullptr; ++i) from[i] *= mask_[n * inputs + i];
                    for (Index i = 0; i < D && words_ != nullptr; ++i) from[i] *= words_[n * steps + t];
                }
        });
    }

    /// The distinct ids of the batch; the gradients of the last one's are forgotten.
    void find_used(const Examples& examples) {
        const Index D = spec_.embedding_size;
        for (const Index row : used_) {
            std::fill_n(table_->grad + row * D, D, T(0));
            touched_[static_cast<std::size_t>(row)] = 0;
        }
        used_.clear();
        for (Index n = 0; n < batch_.count(); ++n) {
            const Index begin = examples.offsets[batch_.row(n)];
            for (Index t = 0; t < batch_.length(n); ++t) {
                const Index id = examples.ids[begin + t];
                if (std::exchange(touched_[static_cast<std::size_t>(id)], 1) == 0) used_.push_back(id);
            }
        }
    }

    /// Gradients of the vectors of ids. Each thread adds up some of the columns: the order of additions is the same.
    void scatter(const T* dx, int threads) {
        const Index inputs = spec_.first_inputs(), steps = batch_.steps(), D = spec_.embedding_size;
        const Index blocks = (D + 15) / 16;
        parallel(blocks, batch_.total() * 16 * 8, threads, [&](Index first, Index last) {
            const Index begin = first * 16, end = std::min(D, last * 16);
            for (Index n = 0; n < batch_.count(); ++n)
                for (Index t = 0; t < batch_.length(n); ++t) {
                    const Index place = n * steps + t;
                    T* const to = table_->grad + id_.get()[place] * D;
                    for (Index i = begin; i < end; ++i) to[i] += dx[place * inputs + i];
                }
        });
    }

    void take_last(T* pooled) const {
        const Index size = spec_.layers.back().hidden_size, width = spec_.width();
        for (Index d = 0; d < spec_.layers.back().directions(); ++d)
            for (Index n = 0; n < batch_.count(); ++n)
                for (Index k = 0; k < size; ++k)
                    pooled[n * width + d * size + k] = batch_.length(n) == 0 ? T(0) : stack_.last(d)[n * size + k];
    }

    void give_last(const T* dpooled) {
        const Index size = spec_.layers.back().hidden_size, width = spec_.width();
        for (Index d = 0; d < spec_.layers.back().directions(); ++d) {
            T* to = stack_.last_gradients(batch_, d) + batch_.count() * size;
            for (Index n = 0; n < batch_.count(); ++n)
                for (Index k = 0; k < size; ++k)
                    to[n * size + k] = batch_.length(n) == 0 ? T(0) : dpooled[n * width + d * size + k];
        }
    }

    const NetworkSpec spec_;
    const std::vector<Slot<T>> slots_;
    const Slot<T> *table_ = nullptr, *wide_ = nullptr, *attention_ = nullptr, *head_ = nullptr, *bias_ = nullptr;
    std::vector<unsigned char> touched_;
    std::vector<Index> used_;
    Optimizer<T> optimizer_;
    DeferredRows<T> deferred_;
    Stack<T> stack_;
    Batch batch_;
    BagInput<T> bags_;
    Pooling<T> pooling_;
    Loss<T> loss_;
    Buffer<T> logits_, dlogits_, pooled_, dpooled_, wide_terms_, word_;
    Buffer<Index> id_, keys_;
    const T* mask_ = nullptr;
    T* words_ = nullptr;
    T wide_scale_ = 1;
};

}  // namespace timesteps::training
