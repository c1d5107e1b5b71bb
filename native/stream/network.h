// A trained network as the streaming engine runs it: what `src/timesteps/runtime/network.py` computes, one time step at
// a time. Everything is packed when it is made; nothing is allocated and nothing locked afterwards.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "targets.h"

namespace timesteps {

enum class InputKind { kIds, kOneHot, kNumeric };
enum class Pool { kLast, kMean, kMax, kMeanMax, kAttention };

/// Weights of one direction of a layer, as torch has them, in float or in int8; h0 and c0 may be null.
struct DirectionParts {
    StepWeights weights;
    const float *h0, *c0;
};

struct LayerParts {
    CellKind kind;
    std::int64_t option, input_size, hidden_size;
    double zone_h, zone_c;
    std::vector<DirectionParts> directions;  // one or two
};

/// A network by its tensors, which are read while it is made.
struct NetworkParts {
    InputKind input;
    std::int64_t input_size, embedding_size;
    const float* embedding;
    const std::int8_t* embedding_int8;  // in its place, with a scale a row
    const float* embedding_scale;
    std::vector<LayerParts> layers;
    Pool pool;
    const float* attention;
    std::int64_t outputs;
    const float *head, *head_bias;
};

struct FreeMemory {
    void operator()(void* memory) const;
};
using Memory = std::unique_ptr<std::byte, FreeMemory>;

/// Zeros, at the beginning of a cache line; `std::bad_alloc` where there is no room.
Memory zeros(std::int64_t bytes);

/// One direction of a layer with its weights packed.
struct Direction {
    Direction(CellKind kind, const StepShape& shape, const DirectionParts& parts);

    /// The states before the first step; c may be null.
    void begin(float* h, float* c) const;

    StepShape shape;
    StepKernels kernels;
    Memory packed, table;
    std::int64_t gates, work;
    std::vector<float> h0, c0;    // padded
    std::int64_t h = -1, c = -1;  // places in a network's state
};

/// A part of a stream's state: `count` numbers at byte `offset`.
struct Field {
    std::string name;
    std::int64_t offset, count;
    bool in_double;
};

/// Hands out places in a block of memory.
class Places {
public:
    std::int64_t take(std::int64_t bytes) {
        const std::int64_t place = size_;
        size_ += (bytes + 63) / 64 * 64;
        return place;
    }
    std::int64_t size() const { return size_; }

private:
    std::int64_t size_ = 0;
};

class Network {
public:
    /// Its state begins at `places`; `prefix` stands before the names of its fields.
    Network(const NetworkParts& parts, Places& places, const std::string& prefix, std::vector<Field>& fields);
    Network(Network&&) = default;

    /// Numbers of the memory that a step works in, at the least.
    struct Needs {
        std::int64_t gates, units, pooled, row;
    };
    Needs needs() const;

    /// The first bidirectional layer; -1 if there is none, and the network can run step by step.
    std::int64_t reads_ahead() const;

    std::int64_t outputs() const { return outputs_; }
    std::int64_t width() const { return width_; }

    /// Where a stream has memory to work in.
    struct Scratch {
        std::int64_t gates, reset, pooled, row;
    };

    void reset(char* state) const;

    /// One step's input: a row of numbers, or an id.
    struct Input {
        const float* x;
        std::int64_t id;
    };

    /// One step of `count` streams, kBlock at the most, each with the number of steps that it had before.
    void step(char* const* states, const std::int64_t* steps, std::int64_t count, const Input* inputs,
              const Scratch& scratch) const;

    /// The logits as of now.
    void logits(char* state, std::int64_t steps, const Scratch& scratch, float* to) const;

    /// Bytes of `work` for `whole`.
    std::int64_t whole_bytes(std::int64_t steps) const;

    /// The logits of a whole sequence, read in both directions: x (steps, x_stride), or ids (steps).
    void whole(const float* x, std::int64_t x_stride, const std::int32_t* ids, std::int64_t steps, char* work,
               float* to) const;

    static constexpr std::int64_t kBlock = 12;

private:
    struct Layer {
        std::vector<Direction> directions;
        std::int64_t hidden_size;
        bool has_cells;
    };
    /// Running values of the pool, null where it has none: sums over the steps, maxima, the largest score and the sum
    /// of the weights.
    struct Running {
        double* sum;
        float* max;
        double *score, *weight;
    };

    /// What the first layer reads; `row` has room for an embedded id.
    StepRow row(const Direction& direction, const Input& input, float* row) const;
    Running running(char* state) const;
    void reset(const Running& pool) const;
    void add(const Running& pool, const float* y, std::int64_t steps) const;
    void read(const Running& pool, const float* last, std::int64_t steps, float* to) const;

    InputKind input_;
    std::int64_t input_size_, embedding_size_, outputs_, features_, width_, padded_width_;
    std::vector<float> embedding_, embedding_scale_, attention_, head_, head_bias_;
    std::vector<std::int8_t> embedding_int8_;
    std::vector<Layer> layers_;
    Pool pool_;
    Dense multiply_;
    std::int64_t sum_ = -1, max_ = -1, score_ = -1, weight_ = -1;  // places in the state, where the pool has them
};

}  // namespace timesteps
