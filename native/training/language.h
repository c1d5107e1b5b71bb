// A whole training step of a recurrent language model: embedding, layers, softmax, by truncated back-propagation
// through time over streams of text whose states are carried from step to step.
//
// What is computed is said in src/timesteps/training/language/torch_engine.py, which does the same;
// tests/training/language/test_language_law.py ties the two. Positions lie time by time: position t * batch + b.
#pragma once

#include <cmath>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

#include "../recurrent/run.h"
#include "language_spec.h"
#include "masks.h"
#include "sampled.h"

namespace timesteps::training {

constexpr Index kWeightOf = 5;  // a layer's stream of weight drop

template <class T>
class LanguageTrainer {
public:
    /// Slots in the order embedding, four of each layer, head unless tied, head's bias. States: h of each layer, and c
    /// of an LSTM's, (batch, hidden_size).
    LanguageTrainer(const LanguageSpec& spec, const OptimizerSpec& optimizer, const std::vector<Slot<T>>& slots)
        : spec_(spec), optimizer_(optimizer), slots_(slots), layers_(spec.layers.size()) {
        if (!fit(spec, slots_)) throw std::invalid_argument("the tensors are not the model's");
        const Slot<T>* slot = slots_.data();
        table_ = slot++;
        for (Layer& layer : layers_)
            layer.w_ih = slot++, layer.w_hh = slot++, layer.b_ih = slot++, layer.b_hh = slot++;
        head_ = spec.tied ? table_ : slot++;
        bias_ = slot;
    }
    LanguageTrainer(const LanguageTrainer&) = delete;
    LanguageTrainer& operator=(const LanguageTrainer&) = delete;

    /// What the softmax of the steps to come is over; no classes: all. The caller keeps them.
    void sample(const Sample<T>& sample) { sample_ = sample; }

    /// log P (steps, batch) of the targets, over all classes; `states` go on.
    void answer(const Streams& streams, T* const* states, T* log_probs, int threads) {
        settle(threads);
        forward(streams, states, false, threads);
        ProjectionProblem<T> p = problem(streams, layers_.back().y.get());
        p.log_probs = log_probs;
        projection_.run(p, threads);
    }

    /// Loss and gradients; the keys of dropout are drawn by `seed`, or nothing is dropped. `states` go on.
    LanguageStep gradients(const Streams& streams, T* const* states, std::uint64_t seed, bool drops, int threads) {
        draw_keys(streams.batch, seed, drops);
        find_used(streams);
        for (const Slot<T>* slot : {table_, head_}) {
            Rows* const rows = sparse(slot);
            if (rows == nullptr) continue;
            rows->deferred.settle(optimizer_, *slot, rows->used.data(), Index(rows->used.size()), threads);
            for (const Index row : rows->used) std::fill_n(slot->grad + row * slot->width, slot->width, T(0));
        }
        forward(streams, states, true, threads);
        const Index rows = streams.positions(), size = spec_.outputs();
        const T *const y = layers_.back().y.get(), *h = y;
        if (keys_ != nullptr && spec_.output_dropout > 0) {
            T* const dropped = dropped_.take(rows * size);
            std::copy_n(y, rows * size, dropped);
            drop(streams, kHeadStream, spec_.output_dropout, size, dropped, threads);
            h = dropped;
        }
        ProjectionProblem<T> p = problem(streams, h);
        p.log_probs = log_probs_.take(rows);
        p.scale = T(1) / static_cast<T>(rows);
        p.dh = layers_.back().dy.take(rows * size);
        p.dweight = head_->grad, p.dbias = bias_->grad;
        if (sample_.count == 0)
            projection_.run(p, threads);
        else
            sampled_.run(projection_, p, sample_, threads);
        LanguageStep step{0, 0, 0, false};
        for (Index n = 0; n < rows; ++n) step.loss -= double(p.log_probs[n]);
        step.loss /= double(rows);
        step.penalty = regularise_dropped(h, p.dh, rows * size);
        drop_again(streams, kHeadStream, spec_.output_dropout, size, p.dh, threads);
        step.penalty += regularise_steps(streams, y, p.dh);
        backward(streams, threads);
        step.norm = norm(threads);
        return step;
    }

    /// A step of training; not taken where a loss or the norm is not finite.
    LanguageStep step(const Streams& streams, T* const* states, std::uint64_t seed, bool drops, double rate, Index count,
                      int threads) {
        LanguageStep result = gradients(streams, states, seed, drops, threads);
        result.taken = std::isfinite(result.loss + result.penalty) && std::isfinite(result.norm);
        if (!result.taken) return result;
        const double scale = optimizer_.clip(result.norm);
        for (const Slot<T>& slot : slots_) {
            const DenseStep<T> plan = optimizer_.plan(slot, rate, scale, count);
            if (Rows* const rows = sparse(&slot))
                rows->deferred.step(optimizer_, slot, rows->used.data(), Index(rows->used.size()), plan, threads);
            else
                optimizer_.dense(slot, plan, threads);
        }
        optimizer_.tick();
        return result;
    }

    /// Brings all weights up to date; steps leave rows behind that they have not used.
    void settle(int threads) {
        of_table_.deferred.settle_all(optimizer_, *table_, threads);
        of_head_.deferred.settle_all(optimizer_, *head_, threads);
    }

    AverageClock& clock() { return optimizer_.clock; }

private:
    /// A tensor of which a step uses some rows only.
    struct Rows {
        std::vector<Index> used;
        DeferredRows<T> deferred;
    };

    struct Layer {
        const Slot<T> *w_ih, *w_hh, *b_ih, *b_hh;
        Buffer<T> input, y, dy, saved, h0, c0, hn, cn, weight, keep;
        const T* x = nullptr;
    };

    ProjectionProblem<T> problem(const Streams& streams, const T* h) const {
        ProjectionProblem<T> p{};
        p.rows = streams.positions(), p.size = spec_.outputs(), p.classes = spec_.vocabulary;
        p.h = h, p.weight = head_->value, p.bias = bias_->value, p.targets = streams.targets;
        return p;
    }

    /// One key a stream and one for what all share, as draw_keys of nn/dropout.py draws them from torch's generator.
    void draw_keys(Index batch, std::uint64_t seed, bool drops) {
        keys_ = nullptr;
        if (!drops) return;
        std::mt19937 generator(static_cast<std::uint32_t>(seed));
        Index* const keys = key_.take(batch + 1);
        for (Index n = 0; n <= batch; ++n) {
            const std::uint64_t high = generator(), low = generator();
            keys[n] = static_cast<Index>((high << 32 | low) & ~(std::uint64_t{1} << 63)) - (Index{1} << 62);
        }
        keys_ = keys, shared_key_ = keys[batch];
    }

    /// Of a tensor most of whose rows have no gradient, those that have one; null for any other.
    Rows* sparse(const Slot<T>* slot) {
        if (slot == table_ && (!spec_.tied || sample_.count > 0)) return &of_table_;
        return slot == head_ && sample_.count > 0 ? &of_head_ : nullptr;
    }

    void find_used(const Streams& streams) {
        touched_.resize(static_cast<std::size_t>(spec_.vocabulary));
        of_table_.used.clear(), of_head_.used.clear();
        std::vector<Index>& classes = spec_.tied ? of_table_.used : of_head_.used;
        const auto use = [this](std::vector<Index>& used, Index id) {
            if (std::exchange(touched_[static_cast<std::size_t>(id)], 1) == 0) used.push_back(id);
        };
        const auto close = [this](const std::vector<Index>& used) {
            for (const Index id : used) touched_[static_cast<std::size_t>(id)] = 0;
        };
        for (Index n = 0; n < streams.positions(); ++n) use(of_table_.used, streams.ids[n]);
        if (!spec_.tied) close(of_table_.used);
        for (Index n = 0; n < sample_.count; ++n) use(classes, sample_.classes[n]);
        for (Index n = 0; n < streams.positions() && sample_.count > 0; ++n) use(classes, streams.targets[n]);
        close(classes);
    }

    static Index stream_of(std::size_t k, Index of) { return kStreamsOfLayer * static_cast<Index>(k) + of; }

    /// x (positions, size) times its factors.
    void drop(const Streams& streams, Index stream, double rate, Index size, T* x, int threads) {
        const Dropout<T> dropout(rate);
        const Index batch = streams.batch, steps = streams.steps;
        T* const mask = spec_.locked ? mask_.take(batch * size) : nullptr;
        for (Index b = 0; b < batch && mask != nullptr; ++b) dropout.fill(keys_[b], stream, size, mask + b * size);
        parallel(steps, batch * size * 8, threads, [&](Index first, Index last) {
            for (Index t = first; t < last; ++t)
                for (Index b = 0; b < batch; ++b) {
                    T* const row = x + (t * batch + b) * size;
                    const Draws draws(keys_[b], stream);
                    if (mask != nullptr)
                        for (Index i = 0; i < size; ++i) row[i] *= mask[b * size + i];
                    else
                        for (Index i = 0; i < size; ++i) row[i] *= dropout(draws, t * size + i);
                }
        });
    }

    void drop_again(const Streams& streams, Index stream, double rate, Index size, T* dx, int threads) {
        if (keys_ != nullptr && rate > 0) drop(streams, stream, rate, size, dx, threads);
    }

    /// What dropout of whole words makes of the vector of each.
    T word_factor(Index id) const {
        if (keys_ == nullptr || spec_.word_dropout == 0) return T(1);
        return Dropout<T>(spec_.word_dropout)(Draws(shared_key_, kWordStream), id);
    }

    void forward(const Streams& streams, T* const* states, bool keep, int threads) {
        const Index rows = streams.positions(), batch = streams.batch, E = spec_.embedding_size;
        if (!keep) keys_ = nullptr;
        T* x = layers_[0].input.take(rows * E);
        for (Index n = 0; n < rows; ++n) {
            const T* const vector = table_->value + streams.ids[n] * E;
            const T factor = word_factor(streams.ids[n]);
            for (Index i = 0; i < E; ++i) x[n * E + i] = vector[i] * factor;
        }
        if (keys_ != nullptr && spec_.input_dropout > 0)
            drop(streams, stream_of(0, kInputOf), spec_.input_dropout, E, x, threads);
        layers_[0].x = x;
        for (std::size_t k = 0; k < layers_.size(); ++k) {
            const LayerSpec& spec = spec_.layers[k];
            Layer& layer = layers_[k];
            if (k > 0) layer.x = between(streams, k, threads);
            const Index size = batch * spec.hidden_size;
            std::copy_n(*states, size, layer.h0.take(size));
            if (spec.has_cells()) std::copy_n(states[1], size, layer.c0.take(size));
            drop_weights(k);
            Problem<T> p = problem(streams, k);
            layer.y.take(rows * spec.hidden_size);
            p.y = {layer.y.get(), spec.hidden_size, batch * spec.hidden_size};
            p.hn = states[0], p.cn = spec.has_cells() ? states[1] : nullptr;
            T* const saved = keep ? layer.saved.take(rows * spec.saved_each + spec.saved_once) : nullptr;
            run_forward(static_cast<CellKind>(spec.kind), p, nullptr, saved, threads);
            states += spec.has_cells() ? 2 : 1;
        }
    }

    /// Layer k's input: the outputs below, after dropout.
    const T* between(const Streams& streams, std::size_t k, int threads) {
        const T* const y = layers_[k - 1].y.get();
        if (keys_ == nullptr || spec_.dropout == 0) return y;
        const Index size = spec_.layers[k].input_size, numbers = streams.positions() * size;
        T* const x = layers_[k].input.take(numbers);
        std::copy_n(y, numbers, x);
        drop(streams, stream_of(k - 1, kBetweenOf), spec_.dropout, size, x, threads);
        return x;
    }

    void drop_weights(std::size_t k) {
        if (keys_ == nullptr || spec_.weight_drop == 0) return;
        Layer& layer = layers_[k];
        const Index count = layer.w_hh->size();
        T *const weight = layer.weight.take(count), *const keep = layer.keep.take(count);
        Dropout<T>(spec_.weight_drop).fill(shared_key_, stream_of(k, kWeightOf), count, keep);
        for (Index n = 0; n < count; ++n) weight[n] = layer.w_hh->value[n] * keep[n];
    }

    Problem<T> problem(const Streams& streams, std::size_t k) const {
        const LayerSpec& spec = spec_.layers[k];
        const Layer& layer = layers_[k];
        Problem<T> p{};
        p.batch = streams.batch, p.steps = streams.steps, p.input_size = spec.input_size;
        p.hidden_size = p.output_size = spec.hidden_size;
        p.option = spec.option, p.direction = 1;
        p.x = {layer.x, spec.input_size, streams.batch * spec.input_size};
        p.h0 = layer.h0.get(), p.c0 = spec.has_cells() ? layer.c0.get() : nullptr;
        const bool drops = keys_ != nullptr && spec_.weight_drop > 0;
        p.w_ih = layer.w_ih->value, p.w_hh = drops ? layer.weight.get() : layer.w_hh->value;
        p.b_ih = layer.b_ih->value, p.b_hh = layer.b_hh->value;
        return p;
    }

    void backward(const Streams& streams, int threads) {
        const Index rows = streams.positions();
        for (std::size_t k = layers_.size(); k-- > 0;) {
            const LayerSpec& spec = spec_.layers[k];
            Layer& layer = layers_[k];
            Problem<T> p = problem(streams, k);
            T* const dx = (k > 0 ? layers_[k - 1].dy : dx_).take(rows * spec.input_size);
            p.y = {layer.y.get(), spec.hidden_size, streams.batch * spec.hidden_size};
            p.dy = {layer.dy.get(), spec.hidden_size, streams.batch * spec.hidden_size};
            p.dx = {dx, spec.input_size, streams.batch * spec.input_size};
            p.dw_ih = layer.w_ih->grad, p.dw_hh = layer.w_hh->grad;
            p.db_ih = layer.b_ih->grad, p.db_hh = layer.b_hh->grad;
            T* const saved = layer.saved.take(rows * spec.saved_each + spec.saved_once);
            run_backward(static_cast<CellKind>(spec.kind), p, nullptr, saved, threads);
            if (keys_ != nullptr && spec_.weight_drop > 0)
                for (Index n = 0; n < layer.w_hh->size(); ++n) layer.w_hh->grad[n] *= layer.keep.get()[n];
            if (k > 0) drop_again(streams, stream_of(k - 1, kBetweenOf), spec_.dropout, spec.input_size, dx, threads);
        }
        drop_again(streams, stream_of(0, kInputOf), spec_.input_dropout, spec_.embedding_size, dx_.get(), threads);
        scatter(streams);
    }

    /// Into the rows of the embedding, on top of the softmax's gradient where it is tied; of an untied one they are 0.
    void scatter(const Streams& streams) {
        const Index E = spec_.embedding_size;
        for (Index n = 0; n < streams.positions(); ++n) {
            const Index id = streams.ids[n];
            const T factor = word_factor(id);
            T* const to = table_->grad + id * E;
            for (Index i = 0; i < E; ++i) to[i] += dx_.get()[n * E + i] * factor;
        }
    }

    /// AR: the mean square of the last layer's dropped outputs.
    double regularise_dropped(const T* h, T* dh, Index numbers) const {
        if (spec_.activation == 0 || keys_ == nullptr) return 0;
        const double share = spec_.activation / double(numbers);
        for (Index n = 0; n < numbers; ++n) dh[n] += static_cast<T>(2 * share) * h[n];
        return share * squares(h, numbers);
    }

    /// TAR: the mean square of what its outputs change by from step to step.
    double regularise_steps(const Streams& streams, const T* y, T* dy) const {
        const Index width = streams.batch * spec_.outputs(), numbers = (streams.steps - 1) * width;
        if (spec_.slowness == 0 || keys_ == nullptr || numbers == 0) return 0;
        const double share = spec_.slowness / double(numbers);
        double sum = 0;
        for (Index n = 0; n < numbers; ++n) {
            const T change = y[n + width] - y[n], d = static_cast<T>(2 * share) * change;
            dy[n + width] += d, dy[n] -= d;
            sum += double(change) * double(change);
        }
        return share * sum;
    }

    double norm(int threads) {
        double sum = 0;
        for (const Slot<T>& slot : slots_) {
            if (const Rows* const rows = sparse(&slot)) {
                for (const Index id : rows->used) sum += squares(slot.grad + id * slot.width, slot.width);
                continue;
            }
            const Index parts = (slot.size() + kPart - 1) / kPart;
            std::vector<double> part(static_cast<std::size_t>(parts));
            parallel(parts, kPart * Index(sizeof(T)), threads, [&](Index first, Index last) {
                for (Index n = first; n < last; ++n)
                    part[static_cast<std::size_t>(n)] =
                        squares(slot.grad + n * kPart, std::min(kPart, slot.size() - n * kPart));
            });
            for (const double one : part) sum += one;
        }
        return std::sqrt(sum);
    }

    static constexpr Index kPart = 1 << 16;

    const LanguageSpec spec_;
    Optimizer<T> optimizer_;
    const std::vector<Slot<T>> slots_;
    const Slot<T> *table_, *head_, *bias_;
    std::vector<Layer> layers_;
    Rows of_table_, of_head_;
    Sample<T> sample_;
    SampledSoftmax<T> sampled_;
    Projection<T> projection_;
    std::vector<unsigned char> touched_;
    Buffer<Index> key_;
    Buffer<T> dropped_, dx_, log_probs_, mask_;
    const Index* keys_ = nullptr;
    Index shared_key_ = 0;
};

}  // namespace timesteps::training
