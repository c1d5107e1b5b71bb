#include "model.h"

#include <algorithm>
#include <cmath>

namespace timesteps {

namespace {

constexpr std::int64_t kFloat = sizeof(float);

std::int64_t line(std::int64_t bytes) { return (bytes + 63) / 64 * 64; }

template <class T>
T* at(char* memory, std::int64_t place) {
    return reinterpret_cast<T*>(memory + place);
}

/// The mean of the members' logits, as Python has it: summed in double precision, then divided.
void mean_logits(const std::vector<Network>& members, float* logits, std::int64_t outputs, const auto& member_logits,
                 float* each) {
    if (members.size() == 1) return member_logits(members.front(), logits);
    constexpr std::int64_t kAtOnce = 64;
    double sums[kAtOnce];
    for (std::int64_t first = 0; first < outputs; first += kAtOnce) {
        const std::int64_t some = std::min(outputs - first, kAtOnce);
        std::fill_n(sums, some, 0.0);
        for (const Network& member : members) {
            member_logits(member, each);
            for (std::int64_t k = 0; k < some; ++k) sums[k] += each[first + k];
        }
        for (std::int64_t k = 0; k < some; ++k)
            logits[first + k] = static_cast<float>(sums[k] / static_cast<double>(members.size()));
    }
}

}  // namespace

Model::Model(const ModelParts& parts)
    : input_(parts.members.front().input),
      input_size_(parts.members.front().input_size),
      outputs_(parts.members.front().outputs) {
    if (parts.mean != nullptr) {
        mean_.assign(parts.mean, parts.mean + input_size_);
        scale_.assign(parts.scale, parts.scale + input_size_);
    }
    Places places;
    steps_ = places.take(sizeof(std::int64_t));
    members_.reserve(parts.members.size());
    Network::Needs needs{};
    for (const NetworkParts& member : parts.members) {
        const std::string prefix =
            parts.members.size() > 1 ? "members." + std::to_string(members_.size()) + "." : std::string();
        members_.emplace_back(member, places, prefix, fields_);
        const Network::Needs own = members_.back().needs();
        needs = {std::max(needs.gates, own.gates), std::max(needs.units, own.units),
                 std::max(needs.pooled, own.pooled), std::max(needs.row, own.row)};
    }
    kept_bytes_ = places.size();
    x_ = places.take(input_ == InputKind::kNumeric ? input_size_ * kFloat : 0);
    scratch_ = {places.take(needs.gates * kFloat), places.take(needs.units * kFloat),
                places.take(needs.pooled * kFloat), places.take(needs.row * kFloat)};
    member_logits_ = places.take(outputs_ * kFloat);
    state_bytes_ = places.size();
}

void Model::reset(char* state) const {
    *at<std::int64_t>(state, steps_) = 0;
    for (const Network& member : members_) member.reset(state);
}

/// False where a number is NaN, infinite, or too large for single precision.
template <class X>
bool Model::scaled(const X* x, float* to) const {
    bool wrong = false;
    for (std::int64_t k = 0; k < input_size_; ++k)
        to[k] = static_cast<float>((static_cast<double>(x[k]) - mean_[k]) / scale_[k]);
    for (std::int64_t k = 0; k < input_size_; ++k) {
        std::uint32_t bits;
        __builtin_memcpy(&bits, to + k, sizeof bits);
        wrong |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    return !wrong;
}

void Model::advance(char* const* states, std::int64_t count, const Network::Input* inputs, float* logits) const {
    std::int64_t steps[Network::kBlock];
    for (std::int64_t n = 0; n < count; ++n) steps[n] = (*at<std::int64_t>(states[n], steps_))++;
    for (const Network& member : members_) member.step(states, steps, count, inputs, scratch_);
    for (std::int64_t n = 0; n < count && logits != nullptr; ++n) this->logits(states[n], logits + n * outputs_);
}

template <class X>
Fault Model::step(char* const* states, std::int64_t count, const X* x, float* logits) const {
    bool fine = true;
    for (std::int64_t n = 0; n < count; ++n) fine &= scaled(x + n * input_size_, at<float>(states[n], x_));
    if (!fine) return Fault::kNotFinite;
    Network::Input inputs[Network::kBlock];
    for (std::int64_t first = 0; first < count; first += Network::kBlock) {
        const std::int64_t some = std::min(count - first, Network::kBlock);
        for (std::int64_t n = 0; n < some; ++n) inputs[n] = {at<float>(states[first + n], x_), 0};
        advance(states + first, some, inputs, logits == nullptr ? nullptr : logits + first * outputs_);
    }
    return Fault::kNone;
}

template Fault Model::step(char* const*, std::int64_t, const float*, float*) const;
template Fault Model::step(char* const*, std::int64_t, const double*, float*) const;

Fault Model::step_ids(char* const* states, std::int64_t count, const std::int32_t* ids, float* logits) const {
    for (std::int64_t n = 0; n < count; ++n)
        if (ids[n] < 0 || ids[n] >= input_size_) return Fault::kNoSuchId;
    Network::Input inputs[Network::kBlock];
    for (std::int64_t first = 0; first < count; first += Network::kBlock) {
        const std::int64_t some = std::min(count - first, Network::kBlock);
        for (std::int64_t n = 0; n < some; ++n) inputs[n] = {nullptr, ids[first + n]};
        advance(states + first, some, inputs, logits == nullptr ? nullptr : logits + first * outputs_);
    }
    return Fault::kNone;
}

void Model::logits(char* state, float* to) const {
    const std::int64_t steps = *at<std::int64_t>(state, steps_);
    mean_logits(
        members_, to, outputs_,
        [&](const Network& member, float* logits) { member.logits(state, steps, scratch_, logits); },
        at<float>(state, member_logits_));
}

std::int64_t Model::whole_bytes(std::int64_t steps) const {
    std::int64_t most = 0;
    for (const Network& member : members_) most = std::max(most, member.whole_bytes(steps));
    return line(outputs_ * kFloat) + (mean_.empty() ? 0 : line(steps * input_size_ * kFloat)) + most;
}

Fault Model::whole(const float* x, const std::int32_t* ids, std::int64_t steps, char* work, float* logits) const {
    auto* member_logits = reinterpret_cast<float*>(work);
    work += line(outputs_ * kFloat);
    const float* numbers = nullptr;
    if (input_ == InputKind::kNumeric) {
        auto* to = reinterpret_cast<float*>(work);
        work += line(steps * input_size_ * kFloat);
        for (std::int64_t t = 0; t < steps; ++t)
            if (!scaled(x + t * input_size_, to + t * input_size_)) return Fault::kNotFinite;
        numbers = to;
    } else {
        for (std::int64_t t = 0; t < steps; ++t)
            if (ids[t] < 0 || ids[t] >= input_size_) return Fault::kNoSuchId;
    }
    mean_logits(
        members_, logits, outputs_,
        [&](const Network& member, float* to) { member.whole(numbers, input_size_, ids, steps, work, to); },
        member_logits);
    return Fault::kNone;
}

}  // namespace timesteps
