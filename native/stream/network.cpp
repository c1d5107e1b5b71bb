#include "network.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

namespace timesteps {

namespace {

constexpr std::int64_t kFloat = sizeof(float), kDouble = sizeof(double);

std::int64_t padded(std::int64_t count) { return (count + kPadding - 1) / kPadding * kPadding; }

/// Rows of `from`, each with zeros behind it up to a whole number of vectors.
std::vector<float> padded_rows(const float* from, std::int64_t rows, std::int64_t columns) {
    std::vector<float> to(static_cast<std::size_t>(rows * padded(columns)));
    for (std::int64_t row = 0; row < rows; ++row)
        std::copy_n(from + row * columns, columns, to.data() + row * padded(columns));
    return to;
}

StepShape with_options(StepShape shape, const StepWeights& weights) {
    shape.norm = weights.norm_ih != nullptr, shape.peephole = weights.w_ch != nullptr;
    return shape;
}

template <class T>
T* at(char* memory, std::int64_t place) {
    return place < 0 ? nullptr : reinterpret_cast<T*>(memory + place);
}

template <class T>
T* at(const Memory& memory) {
    return reinterpret_cast<T*>(memory.get());
}

}  // namespace

void FreeMemory::operator()(void* memory) const { std::free(memory); }

Memory zeros(std::int64_t bytes) {
    const std::size_t size = (static_cast<std::size_t>(bytes) + 63) / 64 * 64;
    Memory memory(static_cast<std::byte*>(std::aligned_alloc(64, std::max<std::size_t>(size, 64))));
    if (memory == nullptr) throw std::bad_alloc();
    std::memset(memory.get(), 0, size);
    return memory;
}

Direction::Direction(CellKind kind, const StepShape& given, const DirectionParts& parts)
    : shape(with_options(given, parts.weights)),
      kernels(parts.weights.q_hh == nullptr ? step_kernels(kind, shape)
                                            : int8_kernels(kind, shape.hidden_size)),
      packed(zeros(kernels.packed_bytes(shape))),
      gates(kernels.gates(shape)),
      work(kernels.work(shape)) {
    kernels.pack(shape, parts.weights, packed.get());
    if (!shape.product) {
        table = zeros(shape.input_size * gates * kFloat);
        const Memory memory = zeros(work * kFloat);
        kernels.pack_table(shape, parts.weights, packed.get(), at<float>(memory), at<float>(table));
    }
    const std::vector<float> none(static_cast<std::size_t>(shape.hidden_size));
    h0 = padded_rows(parts.h0 == nullptr ? none.data() : parts.h0, 1, shape.hidden_size);
    c0 = padded_rows(parts.c0 == nullptr ? none.data() : parts.c0, 1, shape.hidden_size);
}

void Direction::begin(float* h_to, float* c_to) const {
    std::copy(h0.begin(), h0.end(), h_to);
    if (c_to != nullptr) std::copy(c0.begin(), c0.end(), c_to);
}

Network::Network(const NetworkParts& parts, Places& places, const std::string& prefix, std::vector<Field>& fields)
    : input_(parts.input),
      input_size_(parts.input_size),
      embedding_size_(parts.embedding_size),
      outputs_(parts.outputs),
      pool_(parts.pool),
      multiply_(dense_kernel()) {
    const auto place = [&](const std::string& name, std::int64_t count, bool in_double) {
        const std::int64_t offset = places.take((in_double ? count : padded(count)) * (in_double ? kDouble : kFloat));
        fields.push_back({prefix + name, offset, count, in_double});
        return offset;
    };
    if (parts.embedding != nullptr)
        embedding_.assign(parts.embedding, parts.embedding + input_size_ * embedding_size_);
    if (parts.embedding_int8 != nullptr) {
        embedding_int8_.assign(parts.embedding_int8, parts.embedding_int8 + input_size_ * embedding_size_);
        embedding_scale_.assign(parts.embedding_scale, parts.embedding_scale + input_size_);
    }
    for (std::size_t number = 0; number < parts.layers.size(); ++number) {
        const LayerParts& from = parts.layers[number];
        const bool looked_up = number == 0 && input_ == InputKind::kOneHot;
        Layer layer{{}, from.hidden_size, from.kind == kLstm};
        for (std::size_t way = 0; way < from.directions.size(); ++way) {
            const StepShape shape{.input_size = from.input_size,
                                  .hidden_size = from.hidden_size,
                                  .option = from.option,
                                  .product = !looked_up,
                                  .zone_h = from.zone_h,
                                  .zone_c = from.zone_c};
            Direction to(from.kind, shape, from.directions[way]);
            const std::string suffix = "_l" + std::to_string(number) + (way == 1 ? "_reverse" : "");
            to.h = place("h" + suffix, from.hidden_size, false);
            to.c = layer.has_cells ? place("c" + suffix, from.hidden_size, false) : -1;
            layer.directions.push_back(std::move(to));
        }
        layers_.push_back(std::move(layer));
    }
    features_ = layers_.back().hidden_size * static_cast<std::int64_t>(layers_.back().directions.size());
    width_ = pool_ == Pool::kMeanMax ? 2 * features_ : features_;
    if (pool_ == Pool::kMean || pool_ == Pool::kMeanMax || pool_ == Pool::kAttention)
        sum_ = place("pool.sum", features_, true);
    if (pool_ == Pool::kMax || pool_ == Pool::kMeanMax) max_ = place("pool.max", features_, false);
    if (pool_ == Pool::kAttention) {
        score_ = place("pool.score", 1, true), weight_ = place("pool.weight", 1, true);
        attention_ = padded_rows(parts.attention, 1, features_);
    }
    head_ = padded_rows(parts.head, outputs_, width_);
    head_bias_.assign(parts.head_bias, parts.head_bias + outputs_);
}

Network::Needs Network::needs() const {
    Needs needs{0, 0, padded(width_), padded(embedding_int8_.empty() ? 0 : embedding_size_)};
    for (const Layer& layer : layers_) {
        needs.units = std::max(needs.units, padded(layer.hidden_size));
        for (const Direction& direction : layer.directions) needs.gates = std::max(needs.gates, direction.work);
    }
    return needs;
}

std::int64_t Network::reads_ahead() const {
    for (std::size_t number = 0; number < layers_.size(); ++number)
        if (layers_[number].directions.size() > 1) return static_cast<std::int64_t>(number);
    return -1;
}

void Network::reset(const Running& pool) const {
    if (pool.sum != nullptr) std::fill_n(pool.sum, features_, 0.0);
    if (pool.max != nullptr) std::fill_n(pool.max, features_, -std::numeric_limits<float>::infinity());
    if (pool.score != nullptr) *pool.score = -std::numeric_limits<double>::infinity(), *pool.weight = 0.0;
}

void Network::reset(char* state) const {
    for (const Layer& layer : layers_)
        for (const Direction& direction : layer.directions)
            direction.begin(at<float>(state, direction.h), at<float>(state, direction.c));
    reset(running(state));
}

Network::Running Network::running(char* state) const {
    return {at<double>(state, sum_), at<float>(state, max_), at<double>(state, score_), at<double>(state, weight_)};
}

StepRow Network::row(const Direction& direction, const Input& input, float* row) const {
    switch (input_) {
        case InputKind::kOneHot:
            return {at<float>(direction.table) + input.id * direction.gates, nullptr, nullptr, nullptr, nullptr,
                    nullptr};
        case InputKind::kIds:
            if (!embedding_int8_.empty()) {
                const std::int8_t* numbers = embedding_int8_.data() + input.id * embedding_size_;
                const float scale = embedding_scale_[static_cast<std::size_t>(input.id)];
                for (std::int64_t k = 0; k < embedding_size_; ++k) row[k] = static_cast<float>(numbers[k]) * scale;
                return {nullptr, row, nullptr, nullptr, nullptr, nullptr};
            }
            return {nullptr, embedding_.data() + input.id * embedding_size_, nullptr, nullptr, nullptr, nullptr};
        default:
            return {nullptr, input.x, nullptr, nullptr, nullptr, nullptr};
    }
}

void Network::step(char* const* states, const std::int64_t* steps, std::int64_t count, const Input* inputs,
                   const Scratch& scratch) const {
    StepRow rows[kBlock];
    for (std::size_t number = 0; number < layers_.size(); ++number) {
        const Direction& here = layers_[number].directions[0];
        for (std::int64_t n = 0; n < count; ++n) {
            if (number == 0)
                rows[n] = row(here, inputs[n], at<float>(states[n], scratch.row));
            else
                rows[n].start = nullptr, rows[n].x = rows[n].h;
            rows[n].h = at<float>(states[n], here.h), rows[n].c = at<float>(states[n], here.c);
            rows[n].gates = at<float>(states[n], scratch.gates), rows[n].reset = at<float>(states[n], scratch.reset);
        }
        here.kernels.step(here.shape, here.packed.get(), rows, count);
    }
    if (pool_ == Pool::kLast) return;
    for (std::int64_t n = 0; n < count; ++n) add(running(states[n]), rows[n].h, steps[n]);
}

void Network::add(const Running& pool, const float* y, std::int64_t steps) const {
    if (pool.score != nullptr) {  // a softmax over the steps so far, kept relative to its largest score
        const float none = 0.0f;
        float score;
        multiply_(attention_.data(), &none, y, 1, padded(features_), &score);
        const double largest = steps == 0 ? score : std::max<double>(*pool.score, score);
        const double before = steps == 0 ? 0.0 : std::exp(*pool.score - largest), now = std::exp(score - largest);
        *pool.score = largest;
        *pool.weight = *pool.weight * before + now;
        for (std::int64_t k = 0; k < features_; ++k) pool.sum[k] = pool.sum[k] * before + now * y[k];
        return;
    }
    if (pool.sum != nullptr)
        for (std::int64_t k = 0; k < features_; ++k) pool.sum[k] += y[k];
    if (pool.max != nullptr)
        for (std::int64_t k = 0; k < features_; ++k) pool.max[k] = pool.max[k] < y[k] || y[k] != y[k] ? y[k] : pool.max[k];
}

void Network::read(const Running& pool, const float* last, std::int64_t steps, float* to) const {
    std::fill_n(to, padded(width_), 0.0f);
    if (steps == 0) return;
    if (pool_ == Pool::kLast) std::copy_n(last, features_, to);
    if (pool.sum != nullptr) {
        const double whole = pool.weight != nullptr ? *pool.weight : static_cast<double>(steps);
        for (std::int64_t k = 0; k < features_; ++k) to[k] = static_cast<float>(pool.sum[k] / whole);
    }
    if (pool.max != nullptr) std::copy_n(pool.max, features_, to + (pool.sum != nullptr ? features_ : 0));
}

void Network::logits(char* state, std::int64_t steps, const Scratch& scratch, float* to) const {
    const float* last = at<float>(state, layers_.back().directions[0].h);
    if (pool_ != Pool::kLast || steps == 0) {
        float* pooled = at<float>(state, scratch.pooled);
        read(running(state), last, steps, pooled);
        last = pooled;
    }
    multiply_(head_.data(), head_bias_.data(), last, outputs_, padded(width_), to);
}

std::int64_t Network::whole_bytes(std::int64_t steps) const {
    std::int64_t widest = 0;
    for (const Layer& layer : layers_)
        widest = std::max(widest, padded(layer.hidden_size) * static_cast<std::int64_t>(layer.directions.size()));
    const Needs needs = this->needs();
    return (2 * steps * padded(widest) + 3 * needs.units + needs.gates + needs.row + 3 * padded(width_)) * kFloat +
           padded(features_ + 2) * kDouble;
}

void Network::whole(const float* x, std::int64_t x_stride, const std::int32_t* ids, std::int64_t steps, char* work,
                    float* to) const {
    const Needs needs = this->needs();
    auto* double_memory = reinterpret_cast<double*>(work);
    auto* memory = reinterpret_cast<float*>(double_memory + padded(features_ + 2));
    const auto take = [&](std::int64_t count) {
        float* piece = memory;
        memory += count;
        return piece;
    };
    float *h = take(needs.units), *c = take(needs.units), *reset_gate = take(needs.units), *gates = take(needs.gates);
    float* embedded = take(needs.row);
    float *last = take(padded(width_)), *pooled = take(padded(width_)), *maxima = take(padded(width_));
    const Running pool{sum_ < 0 ? nullptr : double_memory, max_ < 0 ? nullptr : maxima,
                       score_ < 0 ? nullptr : double_memory + features_,
                       weight_ < 0 ? nullptr : double_memory + features_ + 1};
    float* outputs[2];
    for (float*& rows : outputs) {
        rows = memory;
        for (const Layer& layer : layers_) {
            const auto ways = static_cast<std::int64_t>(layer.directions.size());
            memory = std::max(memory, rows + steps * padded(padded(layer.hidden_size) * ways));
        }
    }
    std::int64_t stride = x_stride;
    for (std::size_t number = 0; number < layers_.size(); ++number) {
        const Layer& layer = layers_[number];
        float* y = outputs[number % 2];
        const std::int64_t width = padded(layer.hidden_size * static_cast<std::int64_t>(layer.directions.size()));
        std::fill_n(y, steps * width, 0.0f);
        for (std::size_t way = 0; way < layer.directions.size(); ++way) {
            const Direction& here = layer.directions[way];
            const std::int64_t column = static_cast<std::int64_t>(way) * layer.hidden_size;
            here.begin(h, c);
            for (std::int64_t visit = 0; visit < steps; ++visit) {
                const std::int64_t t = way == 0 ? visit : steps - 1 - visit;
                const float* numbers = x == nullptr ? nullptr : x + t * stride;
                StepRow step = number == 0 ? row(here, {numbers, ids == nullptr ? 0 : ids[t]}, embedded)
                                           : StepRow{nullptr, numbers, nullptr, nullptr, nullptr, nullptr};
                step.h = h, step.c = c, step.gates = gates, step.reset = reset_gate;
                here.kernels.step(here.shape, here.packed.get(), &step, 1);
                std::copy_n(h, layer.hidden_size, y + t * width + column);
            }
            if (number + 1 == layers_.size()) std::copy_n(h, layer.hidden_size, last + column);
        }
        x = y, stride = width;
    }
    reset(pool);
    if (pool_ != Pool::kLast)
        for (std::int64_t t = 0; t < steps; ++t) add(pool, x + t * stride, t);
    read(pool, last, steps, pooled);
    multiply_(head_.data(), head_bias_.data(), pooled, outputs_, padded(width_), to);
}

}  // namespace timesteps
