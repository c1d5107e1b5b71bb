// A softmax over some of a vocabulary's classes, for training. What is computed is said in
// src/timesteps/training/language/{sampling,torch_engine}.py.
#pragma once

#include <algorithm>
#include <vector>

#include "../projection/projection.h"
#include "network.h"

namespace timesteps::training {

/// Classes that stand for all in a step's softmax: sorted, no two alike, and of each class of the vocabulary the
/// logarithm of how many times it is expected among them, by which its score is lower.
template <class T>
struct Sample {
    const Index* classes = nullptr;
    Index count = 0;
    const T* expected = nullptr;
};

/// Over the sample, and each row's own class beside it where it is not in it.
template <class T>
class SampledSoftmax {
public:
    /// `p` is the problem over all classes, with gradients. Those of the bias become whole; of the weights, those of rows
    /// in the sample, and to the rows of other targets is added.
    void run(Projection<T>& projection, ProjectionProblem<T> p, const Sample<T>& sample, int threads) {
        constexpr std::int32_t apart = ProjectionProblem<T>::kApart;
        const Index rows = p.rows, size = p.size, vocabulary = p.classes, count = sample.count;
        const std::int32_t* const classes = p.targets;
        T* const bias_gradient = p.dbias;
        places_.resize(static_cast<std::size_t>(vocabulary), apart);
        T *const bias = bias_.take(2 * count), *const dbias = bias + count;
        for (Index n = 0; n < count; ++n) {
            const Index id = sample.classes[n];
            places_[static_cast<std::size_t>(id)] = static_cast<std::int32_t>(n);
            bias[n] = p.bias[id] - sample.expected[id];
        }
        targets_.resize(static_cast<std::size_t>(rows));
        T* const own = own_.take(rows);
        for (Index n = 0; n < rows; ++n) {
            const Index id = classes[n];
            targets_[static_cast<std::size_t>(n)] = places_[static_cast<std::size_t>(id)];
            if (targets_[static_cast<std::size_t>(n)] != apart) continue;
            own[n] = p.bias[id] - sample.expected[id];
            for (Index k = 0; k < size; ++k) own[n] += p.h[n * size + k] * p.weight[id * size + k];
        }
        for (Index n = 0; n < count; ++n) places_[static_cast<std::size_t>(sample.classes[n])] = apart;
        p.classes = count, p.chosen = sample.classes, p.targets = targets_.data(), p.own = own;
        p.bias = bias, p.dbias = dbias;
        projection.run(p, threads);
        std::fill_n(bias_gradient, vocabulary, T(0));
        for (Index n = 0; n < count; ++n) bias_gradient[sample.classes[n]] = dbias[n];
        for (Index n = 0; n < rows; ++n) {
            if (targets_[static_cast<std::size_t>(n)] != apart) continue;
            const Index id = classes[n];
            bias_gradient[id] += own[n];
            for (Index k = 0; k < size; ++k) {
                p.dh[n * size + k] += own[n] * p.weight[id * size + k];
                p.dweight[id * size + k] += own[n] * p.h[n * size + k];
            }
        }
    }

private:
    std::vector<std::int32_t> places_, targets_;  // of classes in the sample; of rows
    Buffer<T> bias_, own_;
};

}  // namespace timesteps::training
