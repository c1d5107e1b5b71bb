// The loss of a batch with its gradient: cross-entropy of logits, as src/timesteps/training/losses.py says it, or that
// of numbers.
#pragma once

#include <algorithm>
#include <cmath>

#include "network.h"

namespace timesteps::training {

/// What the answers to a batch came to: the mean loss; the weighted sum of right ones, or of absolute errors; the
/// weight of all.
struct Outcome {
    double loss = 0, score = 0, weight = 0;
};

template <class T>
class Loss {
public:
    /// The mean loss of outputs (count, K), weighted, and its gradient; with consistency the second half of the answers
    /// is to the same targets as the first. Answer n has target targets[n].
    Outcome operator()(const NetworkSpec& spec, const Examples& examples, const Index* targets, Index count,
                       const T* outputs, T* doutputs) {
        if (spec.loss == LossKind::kCrossEntropy)
            return of_classes(spec, examples, targets, count, outputs, doutputs);
        return of_numbers(spec, examples, targets, count, outputs, doutputs);
    }

private:
    Outcome of_numbers(const NetworkSpec& spec, const Examples& examples, const Index* targets, Index count,
                       const T* outputs, T* doutputs) const {
        const NumberLoss loss(spec.loss, spec.quantiles);
        const Index P = loss.parameters(), D = spec.outputs / P;
        Outcome outcome;
        for (Index n = 0; n < count; ++n)
            for (Index d = 0; d < D; ++d)
                if (is_there(examples.wanted[targets[n] * D + d])) outcome.weight += examples.weights[targets[n]];
        for (Index n = 0; n < count; ++n)
            for (Index d = 0; d < D; ++d) {
                const T* const z = outputs + (n * D + d) * P;
                T* const dz = doutputs + (n * D + d) * P;
                const float wanted = examples.wanted[targets[n] * D + d];
                if (!is_there(wanted)) {
                    std::fill_n(dz, P, T(0));
                    continue;
                }
                const double weight = examples.weights[targets[n]], share = weight / outcome.weight;
                outcome.loss += share * loss(z, wanted, share, dz);
                outcome.score += weight * std::abs(wanted - loss.prediction(z));
            }
        return outcome;
    }

    static bool is_there(float number) { return !std::isnan(number); }

    Outcome of_classes(const NetworkSpec& spec, const Examples& examples, const Index* targets, Index count,
                       const T* logits, T* dlogits) {
        const Index K = spec.outputs;
        T* target = target_.take(K);
        Outcome outcome;
        for (Index n = 0; n < count; ++n) outcome.weight += examples.weights[targets[n]];
        for (Index n = 0; n < count; ++n) {
            const T* z = logits + n * K;
            const double share = examples.weights[targets[n]];
            read_target(examples, targets[n], K, target);
            outcome.score += is_right(examples, targets[n], K, z) ? share : 0;
            smooth(spec.label_smoothing, K, target);
            const double loss = K == 1 ? binary(z[0], target[0], dlogits + n) : softmax(z, target, K, dlogits + n * K);
            outcome.loss += loss * share / outcome.weight;
            for (Index k = 0; k < K; ++k) dlogits[n * K + k] *= static_cast<T>(share / outcome.weight);
        }
        if (spec.consistency > 0)
            outcome.loss += agree(spec.consistency, examples, targets, count / 2, K, logits, dlogits);
        return outcome;
    }

    /// target (K,): the distribution over the classes, or the probability of class 1.
    static void read_target(const Examples& e, Index row, Index K, T* target) {
        for (Index k = 0; k < K; ++k) {
            if (e.wanted != nullptr)
                target[k] = e.wanted[row * K + k];
            else
                target[k] = K == 1 ? static_cast<T>(e.classes[row]) : static_cast<T>(e.classes[row] == k);
        }
    }

    static void smooth(double smoothing, Index K, T* target) {
        if (smoothing == 0) return;
        const T keep = static_cast<T>(1 - smoothing), add = static_cast<T>(smoothing / (K == 1 ? 2.0 : double(K)));
        for (Index k = 0; k < K; ++k) target[k] = target[k] * keep + add;
    }

    static bool is_right(const Examples& e, Index row, Index K, const T* z) {
        if (K == 1) return (z[0] > 0) == (e.wanted != nullptr ? e.wanted[row] > 0.5f : e.classes[row] > 0);
        const Index answer = std::max_element(z, z + K) - z;
        if (e.wanted == nullptr) return answer == e.classes[row];
        const float* const wanted = e.wanted + row * K;
        return answer == std::max_element(wanted, wanted + K) - wanted;
    }

    static T sigmoid(T z) { return 1 / (1 + std::exp(-z)); }

    static double binary(T z, T target, T* dz) {
        *dz = sigmoid(z) - target;
        return std::max(z, T(0)) - z * target + std::log1p(std::exp(-std::abs(z)));
    }

    /// p (K,) = softmax(z), log_p its logarithm.
    static void softmax(const T* z, Index K, T* p, T* log_p) {
        T most = z[0], total = 0;
        for (Index k = 1; k < K; ++k) most = std::max(most, z[k]);
        for (Index k = 0; k < K; ++k) total += std::exp(z[k] - most);
        for (Index k = 0; k < K; ++k) {
            log_p[k] = z[k] - most - std::log(total);
            p[k] = std::exp(log_p[k]);
        }
    }

    double softmax(const T* z, const T* target, Index K, T* dz) {
        T* p = work_.take(2 * K);
        softmax(z, K, p, p + K);
        T loss = 0, sum = 0;
        for (Index k = 0; k < K; ++k) loss -= target[k] * p[K + k], sum += target[k];
        for (Index k = 0; k < K; ++k) dz[k] = p[k] * sum - target[k];
        return loss;
    }

    /// Half the symmetric Kullback-Leibler divergence of the two answers to each row, times `strength`.
    double agree(double strength, const Examples& e, const Index* targets, Index half, Index K, const T* logits,
                 T* dlogits) {
        T* p = work_.take(4 * K);
        T *q = p + K, *log_p = q + K, *log_q = log_p + K;
        double total = 0, apart = 0;
        for (Index n = 0; n < half; ++n) total += e.weights[targets[n]];
        for (Index n = 0; n < half; ++n) {
            const T *a = logits + n * K, *b = logits + (half + n) * K;
            T *da = dlogits + n * K, *db = dlogits + (half + n) * K;
            const double share = 0.5 * e.weights[targets[n]] / total;
            const T factor = static_cast<T>(strength * share);
            if (K == 1) {
                const T p1 = sigmoid(a[0]), q1 = sigmoid(b[0]), between = a[0] - b[0];
                apart += share * (p1 - q1) * between;
                da[0] += factor * (p1 * (1 - p1) * between + (p1 - q1));
                db[0] -= factor * (q1 * (1 - q1) * between + (p1 - q1));
                continue;
            }
            softmax(a, K, p, log_p);
            softmax(b, K, q, log_q);
            T of_p = 0, of_q = 0, sum = 0;
            for (Index k = 0; k < K; ++k) {
                const T between = log_p[k] - log_q[k];
                of_p += p[k] * between, of_q += q[k] * between, sum += (p[k] - q[k]) * between;
            }
            apart += share * sum;
            for (Index k = 0; k < K; ++k) {
                const T between = log_p[k] - log_q[k];
                da[k] += factor * (p[k] * (between - of_p) + (p[k] - q[k]));
                db[k] -= factor * (q[k] * (between - of_q) + (p[k] - q[k]));
            }
        }
        return strength * apart;
    }

    Buffer<T> target_, work_;
};

}  // namespace timesteps::training
