// The dense layer at the end: from vectors (count, width) to outputs (count, K), and back.
#pragma once

#include <algorithm>

#include "../threads.h"
#include "network.h"

namespace timesteps::training {

/// Every number has one chain of additions, in the order of the inputs or of the vectors, on any number of threads.
template <class T>
class Head {
public:
    void forward(const Slot<T>& weight, const Slot<T>& bias, const T* x, Index count, T* out, int threads) {
        const Index K = weight.rows, width = weight.width;
        T* const turned = turned_.take(width * K);  // so that the inner loop is over outputs, which are independent
        for (Index k = 0; k < K; ++k)
            for (Index i = 0; i < width; ++i) turned[i * K + k] = weight.value[k * width + i];
        parallel(count, K * width * 2, threads, [&](Index first, Index last) {
            for (Index n = first; n < last; ++n) {
                const T* const row = x + n * width;
                T* const to = out + n * K;
                std::fill_n(to, K, T(0));
                for (Index i = 0; i < width; ++i)
                    for (Index k = 0; k < K; ++k) to[k] += row[i] * turned[i * K + k];
                for (Index k = 0; k < K; ++k) to[k] += bias.value[k];
            }
        });
    }

    /// dx (count, width), and the gradients of the weights.
    void backward(const Slot<T>& weight, const Slot<T>& bias, const T* x, const T* dout, Index count, T* dx,
                  int threads) {
        const Index K = weight.rows, width = weight.width;
        std::fill_n(bias.grad, K, T(0));
        for (Index n = 0; n < count; ++n)
            for (Index k = 0; k < K; ++k) bias.grad[k] += dout[n * K + k];
        parallel(K, count * width * 2, threads, [&](Index first, Index last) {
            std::fill(weight.grad + first * width, weight.grad + last * width, T(0));
            for (Index n = 0; n < count; ++n)
                for (Index k = first; k < last; ++k)
                    for (Index i = 0; i < width; ++i) weight.grad[k * width + i] += dout[n * K + k] * x[n * width + i];
        });
        parallel(count, K * width * 2, threads, [&](Index first, Index last) {
            for (Index n = first; n < last; ++n) {
                T* const to = dx + n * width;
                std::fill_n(to, width, T(0));
                for (Index k = 0; k < K; ++k)
                    for (Index i = 0; i < width; ++i) to[i] += dout[n * K + k] * weight.value[k * width + i];
            }
        });
    }

private:
    Buffer<T> turned_;
};

}  // namespace timesteps::training
