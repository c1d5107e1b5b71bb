// A trained model as the streaming engine runs it: its networks, and memory of a stream that a caller owns.
#pragma once

#include "network.h"

namespace timesteps {

/// All networks read the same input, and answer together by their mean logit. Numbers are read as (x - mean) / scale.
struct ModelParts {
    std::vector<NetworkParts> members;
    const double *mean, *scale;  // (input size); null for ids
};

/// What is wrong with a step.
enum class Fault { kNone, kNotFinite, kNoSuchId };

/// A stream is a block of `state_bytes` plain bytes; to copy it is to copy the stream. Its first `kept_bytes` are the
/// state, of which `fields` tells; the rest is memory to work in.
class Model {
public:
    explicit Model(const ModelParts& parts);
    Model(const Model&) = delete;
    Model& operator=(const Model&) = delete;

    std::int64_t state_bytes() const { return state_bytes_; }
    std::int64_t kept_bytes() const { return kept_bytes_; }
    const std::vector<Field>& fields() const { return fields_; }
    InputKind input() const { return input_; }
    std::int64_t input_size() const { return input_size_; }
    std::int64_t outputs() const { return outputs_; }

    /// The first layer that reads the future; -1 where `step` and `run` are possible.
    std::int64_t reads_ahead() const { return members_.front().reads_ahead(); }

    void reset(char* state) const;

    /// One step of each of `count` streams, x (count, input size); logits (count, outputs), or null if nobody asks. At
    /// a fault no stream has moved.
    template <class X>
    Fault step(char* const* states, std::int64_t count, const X* x, float* logits) const;
    Fault step_ids(char* const* states, std::int64_t count, const std::int32_t* ids, float* logits) const;

    /// The logits as of now: those of an empty sequence before the first step.
    void logits(char* state, float* to) const;

    /// Bytes of work for `whole`.
    std::int64_t whole_bytes(std::int64_t steps) const;

    /// The logits of a whole sequence, in whatever directions the layers read it: x (steps, input size), or ids
    /// (steps).
    Fault whole(const float* x, const std::int32_t* ids, std::int64_t steps, char* work, float* logits) const;

private:
    template <class X>
    bool scaled(const X* x, float* to) const;
    void advance(char* const* states, std::int64_t count, const Network::Input* inputs, float* logits) const;

    InputKind input_;
    std::int64_t input_size_, outputs_, state_bytes_ = 0, kept_bytes_ = 0;
    std::vector<double> mean_, scale_;
    std::vector<Network> members_;
    std::vector<Field> fields_;
    std::int64_t steps_ = 0, x_ = 0, member_logits_ = 0;
    Network::Scratch scratch_{};
};

}  // namespace timesteps
