// One step of every optimizer over dense tensors and over the touched rows of tables, with averaged weights.
//
// The equations are torch's (torch.optim) and those of src/timesteps/training/{lazy,averages}.py.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "../bags.h"
#include "network.h"

namespace timesteps::training {

enum class Method : Index { kAdam, kAdamW, kRmsprop, kSgd };

struct OptimizerSpec {
    Method method = Method::kAdam;
    double beta1 = 0.9, beta2 = 0.999, momentum = 0, weight_decay = 0;
    double clip_norm = 0;  // 0: none
    double ema = 0;        // 0: no average
    bool nesterov = false;  // of SGD's momentum
};

constexpr double kEpsilon = 1e-8, kSquareDecay = 0.99;

/// What the update of a dense tensor needs, in one precision.
template <class T>
struct DenseStep {
    T scale, keep, decay, rest1, beta2, rest2, rate, root, momentum;
    T rest;  // of the average
};

template <class T>
TIMESTEPS_INLINE void adam_dense_body(T* TIMESTEPS_RESTRICT value, T* TIMESTEPS_RESTRICT mean,
                                      T* TIMESTEPS_RESTRICT square, const T* TIMESTEPS_RESTRICT grad, Index count,
                                      const DenseStep<T>& step) {
    const DenseStep<T> s = step;
    const T epsilon = static_cast<T>(kEpsilon);
    for (Index n = 0; n < count; ++n) {
        const T g = grad[n] * s.scale + s.decay * value[n];
        const T m = mean[n] + s.rest1 * (g - mean[n]);
        const T v = s.beta2 * square[n] + s.rest2 * g * g;
        mean[n] = m;
        square[n] = v;
        value[n] = s.keep * value[n] - s.rate * m / (std::sqrt(v) * s.root + epsilon);
    }
}
TIMESTEPS_DISPATCH(adam_dense,
                   (float* value, float* mean, float* square, const float* grad, Index count,
                    const DenseStep<float>& step),
                   (value, mean, square, grad, count, step))
TIMESTEPS_DISPATCH(adam_dense,
                   (double* value, double* mean, double* square, const double* grad, Index count,
                    const DenseStep<double>& step),
                   (value, mean, square, grad, count, step))

template <class T>
void rmsprop_dense(T* value, T* buffer, T* square, const T* grad, Index count, const DenseStep<T>& s) {
    for (Index n = 0; n < count; ++n) {
        const T g = grad[n] * s.scale + s.decay * value[n];
        square[n] = s.beta2 * square[n] + s.rest2 * g * g;
        T change = g / (std::sqrt(square[n]) + static_cast<T>(kEpsilon));
        if (buffer != nullptr) change = buffer[n] = s.momentum * buffer[n] + change;
        value[n] -= s.rate * change;
    }
}

template <class T>
void sgd_dense(T* value, T* buffer, const T* grad, Index count, const DenseStep<T>& s, bool nesterov) {
    for (Index n = 0; n < count; ++n) {
        const T g = grad[n] * s.scale + s.decay * value[n];
        T change = g;
        if (buffer != nullptr) change = buffer[n] = s.momentum * buffer[n] + g;
        if (nesterov) change = g + s.momentum * buffer[n];
        value[n] -= s.rate * change;
    }
}

// The kernel of bags.h is for float; gradients are checked in double.
inline void adam_row(double* value, double* mean, double* square, const double* grad, Index width,
                     const AdamSettings& s, float correction1, float correction2) {
    for (Index k = 0; k < width; ++k) {
        mean[k] += (1 - s.beta1) * (grad[k] - mean[k]);
        square[k] = s.beta2 * square[k] + (1 - s.beta2) * grad[k] * grad[k];
        value[k] -= s.lr * (mean[k] * correction1 / (std::sqrt(square[k] * correction2) + s.eps));
    }
}
using timesteps::adam_row;

/// The squares of numbers, summed in double in an order that no thread changes.
template <class T>
double squares(const T* values, Index count) {
    double sums[8] = {};
    Index n = 0;
    for (; n + 8 <= count; n += 8)
        for (int lane = 0; lane < 8; ++lane) sums[lane] += double(values[n + lane]) * double(values[n + lane]);
    for (; n < count; ++n) sums[0] += double(values[n]) * double(values[n]);
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

/// The average's clock: steps taken, and the sum of the logarithms of all decays.
struct AverageClock {
    Index steps = 0;
    double log_decay = 0;

    double next(double ema) const { return std::min(ema, double(steps + 1) / double(9 + steps + 1)); }
};

template <class T>
class Optimizer {
public:
    explicit Optimizer(const OptimizerSpec& spec) : spec_(spec) {}

    AverageClock clock;

    /// What gradients are multiplied by.
    double clip(double norm) const {
        return spec_.clip_norm > 0 ? std::min(1.0, spec_.clip_norm / (norm + 1e-6)) : 1.0;
    }

    /// What a step does to a dense tensor; `count` is the number of the step, from 1.
    DenseStep<T> plan(const Slot<T>& slot, double rate, double scale, Index count) const {
        const double wd = slot.decays ? spec_.weight_decay : 0, t = static_cast<double>(count);
        const bool adam = spec_.method == Method::kAdam || spec_.method == Method::kAdamW;
        const bool decoupled = spec_.method == Method::kAdamW;
        const double beta2 = adam ? spec_.beta2 : kSquareDecay;
        DenseStep<T> s;
        s.scale = static_cast<T>(scale), s.decay = static_cast<T>(decoupled ? 0 : wd);
        s.keep = static_cast<T>(decoupled ? 1 - rate * wd : 1);
        s.rest1 = static_cast<T>(1 - spec_.beta1), s.beta2 = static_cast<T>(beta2), s.rest2 = static_cast<T>(1 - beta2);
        s.rate = static_cast<T>(adam ? rate / (1 - std::pow(spec_.beta1, t)) : rate);
        s.root = static_cast<T>(1 / std::sqrt(1 - std::pow(spec_.beta2, t)));
        s.momentum = static_cast<T>(spec_.momentum);
        s.rest = static_cast<T>(1 - clock.next(spec_.ema));
        return s;
    }

    /// Whether numbers without a gradient stay as they are.
    bool rests(const Slot<T>& slot) const {
        const bool decays = slot.decays && spec_.weight_decay != 0;
        return spec_.method == Method::kSgd && slot.first == nullptr && slot.average == nullptr && !decays;
    }

    /// `count` numbers of a dense tensor from the `begin`-th on, whose gradients are `grad`.
    void update(const Slot<T>& slot, Index begin, Index count, const T* grad, const DenseStep<T>& s) const {
        const auto at = [&](T* numbers) { return numbers == nullptr ? nullptr : numbers + begin; };
        T *const value = slot.value + begin, *const average = at(slot.average);
        if (spec_.method == Method::kAdam || spec_.method == Method::kAdamW)
            adam_dense(value, at(slot.first), at(slot.second), grad, count, s);
        else if (spec_.method == Method::kRmsprop)
            rmsprop_dense(value, at(slot.first), at(slot.second), grad, count, s);
        else
            sgd_dense(value, at(slot.first), grad, count, s, spec_.nesterov);
        for (Index n = 0; n < count && average != nullptr; ++n) average[n] += s.rest * (value[n] - average[n]);
    }

    /// A whole dense tensor.
    void dense(const Slot<T>& slot, const DenseStep<T>& step, int threads) const {
        parallel(slot.size(), 7 * Index(sizeof(T)), threads, [&](Index first, Index last) {
            update(slot, first, last - first, slot.grad + first, step);
        });
    }

    /// The touched rows of a table, by lazy Adam; `grads` (count, width) are scaled here.
    void table(const Slot<T>& slot, const std::int32_t* rows, Index count, T* grads, double rate, double scale,
               int threads) const {
        const AdamSettings settings{rate, spec_.beta1, spec_.beta2, kEpsilon, 0};
        const Index width = slot.width;
        const T factor = static_cast<T>(scale);
        parallel(count, 7 * width * Index(sizeof(T)), threads, [&](Index first, Index last) {
            BiasCorrection correction1(spec_.beta1), correction2(spec_.beta2);
            for (Index place = first; place < last; ++place) {
                if (place + kAdamAhead < last) fetch(slot, rows[place + kAdamAhead]);
                const Index row = rows[place], begin = row * width;
                T *const value = slot.value + begin, *const grad = grads + place * width;
                if (scale < 1)
                    for (Index k = 0; k < width; ++k) grad[k] *= factor;
                if (slot.average != nullptr) {  // it stands still between two steps that touch the row
                    const T share = static_cast<T>(std::exp(clock.log_decay - slot.marks[row]));
                    T* const average = slot.average + begin;
                    for (Index k = 0; k < width; ++k) average[k] = value[k] + share * (average[k] - value[k]);
                    slot.marks[row] = clock.log_decay;
                }
                const auto step = static_cast<float>(slot.steps[row] += T(1));
                adam_row(value, slot.first + begin, slot.second + begin, grad, width, settings, correction1(step),
                         correction2(step));
            }
        });
    }

    /// After all tensors of a step.
    void tick() {
        if (spec_.ema == 0) return;
        clock.log_decay += std::log(clock.next(spec_.ema));
        ++clock.steps;
    }

private:
    static void fetch(const Slot<T>& slot, Index row) {
        for (Index column = 0; column < slot.width; column += 64 / Index(sizeof(T))) {
            TIMESTEPS_PREFETCH(slot.value + row * slot.width + column);
            TIMESTEPS_PREFETCH(slot.first + row * slot.width + column);
            TIMESTEPS_PREFETCH(slot.second + row * slot.width + column);
        }
        TIMESTEPS_PREFETCH(slot.steps + row);
    }

    const OptimizerSpec spec_;
};

/// A dense tensor most of whose rows have no gradient in a step, an embedding. They change all the same, by momentum,
/// decay and averages; but nobody reads them until a batch uses them, so what they have missed is made up for then,
/// step by step, in the cache: the same bits, without passing over the whole table in every step.
template <class T>
class DeferredRows {
public:
    /// Makes up for what these rows have missed.
    void settle(const Optimizer<T>& optimizer, const Slot<T>& slot, const Index* rows, Index count, int threads) {
        if (steps_.empty() || optimizer.rests(slot)) return;
        if (seen_.empty()) seen_.assign(static_cast<std::size_t>(slot.rows), 0);
        zeros_.assign(static_cast<std::size_t>(slot.width), T(0));
        parallel(count, 32 * slot.width * Index(sizeof(T)), threads, [&](Index first, Index last) {
            for (Index n = first; n < last; ++n) {
                const Index row = rows == nullptr ? n : rows[n];
                auto& seen = seen_[static_cast<std::size_t>(row)];
                for (; seen < static_cast<std::int32_t>(steps_.size()); ++seen)
                    optimizer.update(slot, row * slot.width, slot.width, zeros_.data(),
                                     steps_[static_cast<std::size_t>(seen)]);
            }
        });
    }

    /// One step of the rows that have a gradient, which were settled before it.
    void step(const Optimizer<T>& optimizer, const Slot<T>& slot, const Index* rows, Index count,
              const DenseStep<T>& step, int threads) {
        if (seen_.empty()) seen_.assign(static_cast<std::size_t>(slot.rows), 0);
        steps_.push_back(step);
        parallel(count, 7 * slot.width * Index(sizeof(T)), threads, [&](Index first, Index last) {
            for (Index n = first; n < last; ++n) {
                const Index begin = rows[n] * slot.width;
                optimizer.update(slot, begin, slot.width, slot.grad + begin, step);
                seen_[static_cast<std::size_t>(rows[n])] = static_cast<std::int32_t>(steps_.size());
            }
        });
    }

    /// Makes up for everything.
    void settle_all(const Optimizer<T>& optimizer, const Slot<T>& slot, int threads) {
        settle(optimizer, slot, nullptr, slot.rows, threads);
        steps_.clear();
        std::fill(seen_.begin(), seen_.end(), 0);
    }

private:
    std::vector<DenseStep<T>> steps_;  // since all rows were settled
    std::vector<std::int32_t> seen_;   // how many of them a row has made
    std::vector<T> zeros_;
};

}  // namespace timesteps::training
