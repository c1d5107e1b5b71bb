// From the outputs of all steps of a row to one vector, and back; rows without steps give zeros. Or, without pooling,
// to the vectors of all real steps.
#pragma once

#include <algorithm>
#include <cmath>

#include "../threads.h"
#include "network.h"

namespace timesteps::training {

template <class T>
class Pooling {
public:
    /// pooled (rows, width) from outputs y (rows, steps, size). Not for `last`, which needs the final states only.
    void forward(Pool pool, const Batch& batch, const T* y, Index size, const T* attention, T* pooled, int threads) {
        const Index steps = batch.steps(), width = pool == Pool::kMeanMax ? 2 * size : size;
        const bool mean = pool == Pool::kMean || pool == Pool::kMeanMax;
        const bool max = pool == Pool::kMax || pool == Pool::kMeanMax;
        Index* best = max ? best_.take(batch.count() * size) : nullptr;
        T* shares = pool == Pool::kAttention ? share_.take(batch.count() * steps) : nullptr;
        parallel(batch.count(), steps * size * 4, threads, [&](Index first, Index last) {
            for (Index n = first; n < last; ++n) {
                const T* const row = y + n * steps * size;
                T* out = pooled + n * width;
                std::fill_n(out, width, T(0));
                if (batch.length(n) == 0) continue;
                if (mean) {
                    average(row, batch.length(n), size, out);
                    out += size;
                }
                if (max) largest(row, batch.length(n), size, out, best + n * size);
                if (pool == Pool::kAttention) attend(row, batch.length(n), size, attention, out, shares + n * steps);
            }
        });
    }

    /// dy (rows, steps, size) from dpooled (rows, width), and dattention (size,); of dy, nothing is said on padding.
    void backward(Pool pool, const Batch& batch, const T* y, Index size, const T* attention, const T* dpooled, T* dy,
                  T* dattention, int threads) {
        const Index steps = batch.steps(), width = pool == Pool::kMeanMax ? 2 * size : size;
        const bool mean = pool == Pool::kMean || pool == Pool::kMeanMax;
        const bool max = pool == Pool::kMax || pool == Pool::kMeanMax;
        T* parts = pool == Pool::kAttention ? part_.take(batch.count() * size) : nullptr;
        parallel(batch.count(), steps * size * 8, threads, [&](Index first, Index last) {
            for (Index n = first; n < last; ++n) {
                T* const row = dy + n * steps * size;
                const T* from = dpooled + n * width;
                const Index length = batch.length(n);
                if (parts != nullptr) std::fill_n(parts + n * size, size, T(0));
                if (length == 0) continue;
                if (mean) {
                    const T count = static_cast<T>(length);
                    for (Index k = 0; k < size; ++k) row[k] = from[k] / count;
                    for (Index t = 1; t < length; ++t) std::copy_n(row, size, row + t * size);
                    from += size;
                } else if (max) {
                    std::fill_n(row, length * size, T(0));
                }
                if (max)
                    for (Index k = 0; k < size; ++k) row[best_.get()[n * size + k] * size + k] += from[k];
                if (pool == Pool::kAttention)
                    unattend(y + n * steps * size, length, size, attention, from, share_.get() + n * steps, row,
                             parts + n * size);
            }
        });
        if (parts == nullptr) return;
        std::fill_n(dattention, size, T(0));
        for (Index n = 0; n < batch.count(); ++n)
            for (Index k = 0; k < size; ++k) dattention[k] += parts[n * size + k];
    }

    /// The outputs of all real steps, row after row, out of y (rows, steps, size) …
    void pack(const Batch& batch, const T* y, Index size, T* packed, int threads) {
        const Index* const starts = find_starts(batch);
        parallel(batch.count(), batch.steps() * size, threads, [&](Index first, Index last) {
            for (Index n = first; n < last; ++n)
                std::copy_n(y + n * batch.steps() * size, batch.length(n) * size, packed + starts[n] * size);
        });
    }

    /// … and back.
    void unpack(const Batch& batch, const T* packed, Index size, T* y, int threads) {
        const Index* const starts = find_starts(batch);
        parallel(batch.count(), batch.steps() * size, threads, [&](Index first, Index last) {
            for (Index n = first; n < last; ++n)
                std::copy_n(packed + starts[n] * size, batch.length(n) * size, y + n * batch.steps() * size);
        });
    }

private:
    /// Of each row, the real steps of the rows before it.
    const Index* find_starts(const Batch& batch) {
        Index* const starts = start_.take(batch.count());
        Index total = 0;
        for (Index n = 0; n < batch.count(); ++n) starts[n] = total, total += batch.length(n);
        return starts;
    }

    static void average(const T* y, Index length, Index size, T* out) {
        for (Index t = 0; t < length; ++t)
            for (Index k = 0; k < size; ++k) out[k] += y[t * size + k];
        const T count = static_cast<T>(length);
        for (Index k = 0; k < size; ++k) out[k] /= count;
    }

    static void largest(const T* y, Index length, Index size, T* out, Index* best) {
        std::copy_n(y, size, out);
        std::fill_n(best, size, Index(0));
        for (Index t = 1; t < length; ++t)
            for (Index k = 0; k < size; ++k) {
                const T value = y[t * size + k];
                const bool more = !(value <= out[k]) && out[k] == out[k];  // NaN is the largest of all
                out[k] = more ? value : out[k];
                best[k] = more ? t : best[k];
            }
    }

    static void attend(const T* y, Index length, Index size, const T* weight, T* out, T* share) {
        T most = 0;
        for (Index t = 0; t < length; ++t) {
            share[t] = 0;
            for (Index k = 0; k < size; ++k) share[t] += y[t * size + k] * weight[k];
            most = t == 0 ? share[t] : std::max(most, share[t]);
        }
        T total = 0;
        for (Index t = 0; t < length; ++t) total += share[t] = std::exp(share[t] - most);
        for (Index t = 0; t < length; ++t) {
            share[t] /= total;
            for (Index k = 0; k < size; ++k) out[k] += share[t] * y[t * size + k];
        }
    }

    static void unattend(const T* y, Index length, Index size, const T* weight, const T* dout, const T* share, T* dy,
                         T* dweight) {
        T mean = 0;
        for (Index t = 0; t < length; ++t) mean += share[t] * product(dout, y + t * size, size);
        for (Index t = 0; t < length; ++t) {
            const T dscore = share[t] * (product(dout, y + t * size, size) - mean);
            for (Index k = 0; k < size; ++k) {
                dy[t * size + k] = share[t] * dout[k] + dscore * weight[k];
                dweight[k] += dscore * y[t * size + k];
            }
        }
    }

    static T product(const T* a, const T* b, Index size) {
        T sum = 0;
        for (Index k = 0; k < size; ++k) sum += a[k] * b[k];
        return sum;
    }

    Buffer<Index> best_, start_;
    Buffer<T> share_, part_;
};

}  // namespace timesteps::training
