// A plain network with its optimizer: answers to rows, and training steps, from the first byte of a batch to the last
// weight.
#pragma once

#include <cmath>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

#include "head.h"
#include "input.h"
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
    double loss, norm, score, weight;
    bool taken;
};

template <class T>
class Trainer {
public:
    /// The slots are in the order of `network_tensors` in runtime/layout.py.
    Trainer(NetworkSpec spec, const OptimizerSpec& optimizer, std::vector<Slot<T>> slots)
        : spec_(std::move(spec)), slots_(std::move(slots)), optimizer_(optimizer), stack_(build()),
          input_(spec_, table_, wide_) {}
    Trainer(const Trainer&) = delete;
    Trainer& operator=(const Trainer&) = delete;

    /// logits of rows (count, outputs), or of their steps, as a trained network answers.
    void answer(const Examples& examples, const Index* rows, Index count, T* logits, int threads) {
        batch_.read(examples, rows, count, false);
        forward(examples, {}, logits, threads);
        const Index K = spec_.outputs;
        if (spec_.share > 0)
            for (Index n = 0; n < count; ++n)
                for (Index k = 0; k < K; ++k) {
                    const T linear = examples.linear[batch_.row(n) * K + k];
                    logits[n * K + k] += static_cast<T>(spec_.share) * (linear - logits[n * K + k]);
                }
    }

    /// Loss and gradients of rows; the keys of what is random are drawn by `seed`, or nothing is.
    StepResult gradients(const Examples& examples, const Index* rows, Index count, std::uint64_t seed, bool drops,
                         int threads) {
        batch_.read(examples, rows, count, spec_.consistency > 0);
        const Keys keys = drops ? draw_keys(seed) : Keys{};
        if (spec_.input == Input::kIds) {
            input_.find_used(examples, batch_);
            deferred_.settle(optimizer_, *table_, used().data(), static_cast<Index>(used().size()), threads);
        }
        T* logits = logits_.take(answers() * spec_.outputs);
        T* dlogits = dlogits_.take(answers() * spec_.outputs);
        forward(examples, keys, logits, threads, true);
        const Outcome outcome = loss_(spec_, examples, find_targets(examples), answers(), logits, dlogits);
        backward(examples, keys, dlogits, threads);
        double sum = 0;
        for (std::size_t n = 0; n < slots_.size(); ++n) sum += squares_of(slots_[n]);
        return {outcome.loss, std::sqrt(sum), outcome.score, outcome.weight, false};
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
                optimizer_.table(slot, bags().touched_rows(), bags().touched(), bags().gradients(wide),
                                 wide ? rates.wide : rates.table, scale, threads);
            } else {
                const DenseStep<T> step = optimizer_.plan(slot, rates.dense, scale, rates.count);
                if (&slot == table_)
                    deferred_.step(optimizer_, slot, used().data(), static_cast<Index>(used().size()), step, threads);
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

    /// Those of the last step, (answers, outputs).
    const T* logits() const { return logits_.get(); }
    Index answers() const { return per_step() ? batch_.total() : batch_.count(); }
    Index batch_rows() const { return batch_.count(); }
    AverageClock& clock() { return optimizer_.clock; }
    const BagInput<T>& bags() const { return input_.bags(); }

private:
    Stack<T> build() {
        const Slot<T>* slot = slots_.data();
        if (spec_.embeds()) table_ = slot++;
        if (spec_.wide) wide_ = slot++;
        Stack<T> stack(spec_, slot);
        if (spec_.pool == Pool::kAttention) attention_ = slot++;
        head_ = slot++, bias_ = slot++;
        if (slot != slots_.data() + slots_.size()) throw std::invalid_argument("the tensors are not the network's");
        return stack;
    }

    bool per_step() const { return spec_.pool == Pool::kNone; }

    /// The target of each answer to the batch.
    const Index* find_targets(const Examples& examples) {
        Index* const targets = targets_.take(answers());
        Index place = 0;
        for (Index n = 0; n < batch_.count(); ++n) {
            const Index begin = examples.offsets[batch_.row(n)] - examples.offsets[0];
            if (!per_step()) targets[place++] = batch_.row(n);
            for (Index t = 0; per_step() && t < batch_.length(n); ++t) targets[place++] = begin + t;
        }
        return targets;
    }

    const std::vector<Index>& used() const { return input_.used(); }

    /// What `draw_keys` of nn/dropout.py draws from torch's generator when it has this seed: a key for each row, where
    /// anything is a function of it, and then one for dropped weights.
    Keys draw_keys(std::uint64_t seed) {
        const Index rows = spec_.draws() ? batch_.count() : 0, weights = spec_.weight_drop > 0 ? 1 : 0;
        std::mt19937 generator(static_cast<std::uint32_t>(seed));
        Index* const keys = keys_.take(rows + weights);
        for (Index n = 0; n < rows + weights; ++n) {
            const std::uint64_t high = generator(), low = generator();
            keys[n] = static_cast<Index>((high << 32 | low) & ~(std::uint64_t{1} << 63)) - (Index{1} << 62);
        }
        return {rows > 0 ? keys : nullptr, weights > 0 ? keys + rows : nullptr};
    }

    /// Whether lazy Adam trains it.
    bool is_table(const Slot<T>& slot) const {
        return spec_.input == Input::kBag && (&slot == table_ || &slot == wide_);
    }

    double squares_of(const Slot<T>& slot) const {
        if (is_table(slot)) return squares(bags().gradients(&slot == wide_), bags().touched() * slot.width);
        if (&slot != table_) return squares(slot.grad, slot.size());
        double sum = 0;  // of an embedding, the rows that the batch used
        for (const Index row : used()) sum += squares(slot.grad + row * slot.width, slot.width);
        return sum;
    }

    void forward(const Examples& examples, const Keys& keys, T* logits, int threads, bool keep = false) {
        input_.read(examples, batch_, keys.rows, keep, stack_, threads);
        stack_.forward(batch_, keys, keep, threads);
        const Index width = spec_.width(), K = spec_.outputs;
        T* pooled = pooled_.take(answers() * width);
        if (spec_.pool == Pool::kLast)
            take_last(pooled);
        else if (per_step())
            pooling_.pack(batch_, stack_.outputs(), width, pooled, threads);
        else
            pooling_.forward(spec_.pool, batch_, stack_.outputs(), spec_.layers.back().outputs(),
                             attention_ == nullptr ? nullptr : attention_->value, pooled, threads);
        drop(keys.rows, pooled);
        dense_.forward(*head_, *bias_, pooled, answers(), logits, threads);
        if (!spec_.wide) return;
        for (Index place = 0; place < batch_.count() * K; ++place) logits[place] += input_.wide_terms()[place];
    }

    void backward(const Examples& examples, const Keys& keys, const T* dlogits, int threads) {
        const Index width = spec_.width();
        T* dpooled = dpooled_.take(answers() * width);
        dense_.backward(*head_, *bias_, pooled_.get(), dlogits, answers(), dpooled, threads);
        drop(keys.rows, dpooled);
        const bool last = spec_.pool == Pool::kLast;
        if (last)
            give_last(dpooled);
        else if (per_step())
            pooling_.unpack(batch_, dpooled, width, stack_.output_gradients(batch_), threads);
        else
            pooling_.backward(spec_.pool, batch_, stack_.outputs(), spec_.layers.back().outputs(),
                              attention_ == nullptr ? nullptr : attention_->value, dpooled,
                              stack_.output_gradients(batch_), attention_ == nullptr ? nullptr : attention_->grad,
                              threads);
        T* const dx = stack_.backward(batch_, keys, last, spec_.embeds(), threads);
        if (spec_.embeds()) input_.backward(examples, batch_, dx, dlogits, threads);
    }

    /// What the dense layer reads, or its gradient, times the row's factors of dropout.
    void drop(const Index* keys, T* x) const {
        if (keys == nullptr || spec_.head_dropout == 0) return;
        const Dropout<T> dropout(spec_.head_dropout);
        for (Index n = 0; n < batch_.count(); ++n) {
            const Index size = spec_.width() * (per_step() ? batch_.length(n) : 1);
            dropout.apply(keys[n], kHeadStream, size, x);
            x += size;
        }
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
    Optimizer<T> optimizer_;
    DeferredRows<T> deferred_;
    Stack<T> stack_;
    NetworkInput<T> input_;
    Batch batch_;
    Pooling<T> pooling_;
    Head<T> dense_;
    Loss<T> loss_;
    Buffer<T> logits_, dlogits_, pooled_, dpooled_;
    Buffer<Index> keys_, targets_;
};

}  // namespace timesteps::training
