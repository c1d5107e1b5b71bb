// A plain network and a batch, as the native engine sees them: sizes, options, and where the numbers lie.
//
// What is computed is said in src/timesteps/nn/models.py, whose torch code does the same;
// tests/training/test_engine_law.py ties the two.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "../recurrent/problem.h"
#include "number_loss.h"

namespace timesteps::training {

using Address = std::uintptr_t;
using Index = std::int64_t;

enum class Input : Index { kIds, kOneHot, kNumeric, kBag };
enum class Pool : Index { kLast, kMean, kMax, kMeanMax, kAttention, kNone };

/// One recurrent layer. For the backward pass it keeps `saved_each` numbers for each step of a row, and `saved_once`.
struct LayerSpec {
    Index kind = 0, option = 0, input_size = 0, hidden_size = 0, gates = 0;
    bool bidirectional = false, learned = false, layer_norm = false, peephole = false;
    double zoneout = 0, zoneout_cell = 0;
    Index saved_each = 0, saved_once = 0;

    Index directions() const { return bidirectional ? 2 : 1; }
    Index outputs() const { return hidden_size * directions(); }
    bool is_gru() const { return kind == kGruAfter || kind == kGruBefore; }
    bool is_linear() const { return kind == kMinGru || kind == kMinLstm; }
    bool has_cells() const { return kind == kLstm; }
};

/// A network, and what acts on it in training.
struct NetworkSpec {
    Input input = Input::kIds;
    Index input_size = 0, embedding_size = 0, channels = 0, outputs = 1;
    Pool pool = Pool::kLast;
    bool wide = false;
    double share = 0;
    std::vector<LayerSpec> layers;
    double input_dropout = 0, dropout = 0, recurrent_dropout = 0, feature_dropout = 0, word_dropout = 0,
           head_dropout = 0, initial_state_noise = 0, weight_drop = 0;
    LossKind loss = LossKind::kCrossEntropy;
    std::vector<double> quantiles;
    double label_smoothing = 0, consistency = 0;

    /// Whether a step in training draws a key a row, as `Network.draws` of nn/models.py says.
    bool draws() const {
        const double features = input == Input::kBag ? feature_dropout : 0;
        double most = std::max({input_dropout, dropout, recurrent_dropout, features, word_dropout, head_dropout,
                                initial_state_noise});
        for (const LayerSpec& layer : layers) most = std::max({most, layer.zoneout, layer.zoneout_cell});
        return most > 0;
    }
    bool embeds() const { return input == Input::kIds || input == Input::kBag; }
    Index first_inputs() const { return embeds() ? embedding_size + channels : input_size; }
    Index width() const { return layers.back().outputs() * (pool == Pool::kMeanMax ? 2 : 1); }
};

/// One tensor of the network and all that training keeps beside it; `rows` of `width` numbers. A table of a bag has no
/// dense gradient. What is not kept is null.
template <class T>
struct Slot {
    T *value, *grad, *first, *second, *steps, *average;
    double* marks;
    Index rows, width;
    bool decays;  // under weight decay

    Index size() const { return rows * width; }
};

/// Rows of examples, laid end to end as in runtime/sequences.py; what a data set does not have is null. Targets are of
/// rows or of steps: class numbers, or `wanted` (targets, columns), soft targets or numbers to predict, NaN for none.
struct Examples {
    const std::int32_t* ids;
    const float* numbers;
    const Index* offsets;
    const std::int32_t* bag_ids;
    const Index* bag_offsets;
    const std::int32_t* phrase_ids;
    const Index* phrase_offsets;
    const float *channels, *linear;
    const Index* classes;
    const float* wanted;
    const float* weights;
};

/// Memory that grows to the largest batch and is then used again.
template <class T>
class Buffer {
public:
    /// At least so many numbers, of any value.
    T* take(Index count) {
        if (count > capacity_) {
            const Index wanted = count + count / 8;
            data_.reset(static_cast<T*>(std::aligned_alloc(64, (wanted * sizeof(T) + 63) / 64 * 64)));
            if (data_ == nullptr) throw std::bad_alloc();
            capacity_ = wanted;
        }
        return data_.get();
    }
    T* get() const { return data_.get(); }

private:
    struct Free {
        void operator()(T* data) const { std::free(data); }
    };
    std::unique_ptr<T[], Free> data_;
    Index capacity_ = 0;
};

/// The rows of one batch, padded at the end to `steps`.
class Batch {
public:
    /// With `twice`, all rows come a second time.
    void read(const Examples& examples, const Index* rows, Index count, bool twice) {
        count_ = twice ? 2 * count : count;
        Index *row = row_.take(count_), *length = length_.take(count_);
        steps_ = 1, total_ = 0, all_ = true;
        for (Index n = 0; n < count_; ++n) {
            row[n] = rows[n % count];
            length[n] = examples.offsets[row[n] + 1] - examples.offsets[row[n]];
            steps_ = std::max(steps_, length[n]);
            total_ += length[n];
        }
        all_ = total_ == count_ * steps_;
    }

    Index count() const { return count_; }
    Index steps() const { return steps_; }
    Index total() const { return total_; }
    Index row(Index n) const { return row_.get()[n]; }
    Index length(Index n) const { return length_.get()[n]; }
    /// (count,) steps of each row, or null where no step is padding.
    const Index* counts() const { return all_ ? nullptr : length_.get(); }

private:
    Buffer<Index> row_, length_;
    Index count_ = 0, steps_ = 0, total_ = 0;
    bool all_ = true;
};

}  // namespace timesteps::training
