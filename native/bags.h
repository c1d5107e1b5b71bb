// Sums of table rows over bags of ids, their gradient by rows, and lazy Adam on those rows.
//
// What is computed is said in src/timesteps/nn/bags.py and src/timesteps/training/lazy.py, whose torch code does the
// same. Every sum is added in the order of the ids, so neither threads nor instruction sets change a bit. Most of the
// time goes into fetching rows that lie all over a large table; hence the prefetching.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "simd.h"
#include "threads.h"

namespace timesteps {

/// Bags that lie end to end: bag u is ids[offsets[u]] … ids[offsets[u + 1] - 1], without those where kept is false.
/// There are fewer than 2^31 bags, and ids are below 2^31.
struct BagBatch {
    const std::int64_t* ids;
    const std::int64_t* offsets;
    const bool* kept;  // may be null: all are kept
    std::int64_t bags;
};

constexpr std::int64_t kAhead = 24;  // rows that are fetched while one is added
constexpr std::int64_t kAdamAhead = 8;  // the same for Adam, whose rows are three

TIMESTEPS_INLINE void prefetch_row(const float* row, std::int64_t width) {
    for (std::int64_t column = 0; column < width; column += 16) TIMESTEPS_PREFETCH(row + column);
}

/// sum (Vectors * 8,) = the sum of rows of the table times their factors (1 where null), in registers all the while.
template <int Vectors, bool Ahead>
TIMESTEPS_INLINE void add_rows_tile(float* sum, const float* table, std::int64_t width, const std::int32_t* rows,
                                    const float* factors, std::int64_t count) {
    Vector total[Vectors] = {};
    for (std::int64_t place = 0; place < count; ++place) {
        const float* const row = table + rows[place] * width;
        if (Ahead)
            for (int line = 0; line < Vectors; line += 2)
                TIMESTEPS_PREFETCH(table + rows[place + kAhead] * width + line * kLanes);
        const float factor = factors == nullptr ? 1.0f : factors[rows[place]];
        for (int vector = 0; vector < Vectors; ++vector) total[vector] += load(row + vector * kLanes) * factor;
    }
    for (int vector = 0; vector < Vectors; ++vector) store(sum + vector * kLanes, total[vector]);
}

template <bool Ahead>
TIMESTEPS_INLINE void add_rows_any(float* sum, const float* table, std::int64_t width, const std::int32_t* rows,
                                    const float* factors, std::int64_t count) {
    std::int64_t column = 0;
    for (; column + 8 * kLanes <= width; column += 8 * kLanes)
        add_rows_tile<8, Ahead>(sum + column, table + column, width, rows, factors, count);
    for (; column + kLanes <= width; column += kLanes)
        add_rows_tile<1, Ahead>(sum + column, table + column, width, rows, factors, count);
    for (; column < width; ++column) {
        float total = 0.0f;
        for (std::int64_t place = 0; place < count; ++place)
            total += table[rows[place] * width + column] * (factors == nullptr ? 1.0f : factors[rows[place]]);
        sum[column] = total;
    }
}

TIMESTEPS_INLINE void add_rows_body(float* sum, const float* table, std::int64_t width, const std::int32_t* rows,
                                    const float* factors, std::int64_t count) {
    add_rows_any<false>(sum, table, width, rows, factors, count);
}
/// sum (width,) = the sum of the given rows of a table (…, width), each times its own factor if there are factors.
TIMESTEPS_DISPATCH(add_rows,
                   (float* sum, const float* table, std::int64_t width, const std::int32_t* rows, const float* factors,
                    std::int64_t count),
                   (sum, table, width, rows, factors, count))

TIMESTEPS_INLINE void add_far_rows_body(float* sum, const float* table, std::int64_t width, const std::int32_t* rows,
                                        std::int64_t count) {
    add_rows_any<true>(sum, table, width, rows, nullptr, count);
}
/// The same for a large table, while the rows up to rows[count + kAhead - 1] are fetched.
TIMESTEPS_DISPATCH(add_far_rows,
                   (float* sum, const float* table, std::int64_t width, const std::int32_t* rows, std::int64_t count),
                   (sum, table, width, rows, count))

/// units (bags, width) = sums of rows of `weight` over sqrt(kept ids); linear (bags, outputs) = sums of rows of `wide`
/// times wide_scale, where wide is given; scales (bags,) = 1 / sqrt(kept ids), for the gradient.
inline void bag_forward(const BagBatch& batch, const float* weight, std::int64_t width, const float* wide,
                        std::int64_t outputs, float wide_scale, float* units, float* linear, float* scales,
                        int threads) {
    const std::int64_t ids = batch.offsets[batch.bags] / std::max<std::int64_t>(batch.bags, 1);
    parallel(batch.bags, ids * width * 4, threads, [&](std::int64_t first, std::int64_t last) {
        // The kept ids of all bags first: rows are then fetched ahead across the short bags.
        const std::int64_t begin = batch.offsets[first];
        std::vector<std::int32_t> rows(static_cast<std::size_t>(batch.offsets[last] - begin + kAhead));
        std::vector<std::int64_t> ends;
        ends.reserve(static_cast<std::size_t>(last - first));
        std::int64_t count = 0;
        for (std::int64_t bag = first; bag < last; ++bag) {
            for (std::int64_t place = batch.offsets[bag]; place < batch.offsets[bag + 1]; ++place) {
                rows[static_cast<std::size_t>(count)] = static_cast<std::int32_t>(batch.ids[place]);
                count += batch.kept == nullptr || batch.kept[place];
            }
            ends.push_back(count);
        }
        std::fill(rows.begin() + count, rows.end(), 0);  // ids that were left out may stand there
        std::int64_t start = 0;
        for (std::int64_t bag = first; bag < last; ++bag) {
            const std::int64_t end = ends[static_cast<std::size_t>(bag - first)], kept = end - start;
            const float scale = 1.0f / std::sqrt(static_cast<float>(std::max<std::int64_t>(kept, 1)));
            scales[bag] = scale;
            float* const unit = units + bag * width;
            add_far_rows(unit, weight, width, rows.data() + start, kept);
            for (std::int64_t column = 0; column < width; ++column) unit[column] *= scale;
            if (wide != nullptr) {
                float* const logits = linear + bag * outputs;
                add_rows(logits, wide, outputs, rows.data() + start, nullptr, kept);
                for (std::int64_t output = 0; output < outputs; ++output) logits[output] *= wide_scale;
            }
            start = end;
        }
    });
}

/// The bags turned round: for every row of the table that was touched, the bags that hold it.
class BagTranspose {
public:
    BagTranspose(const BagBatch& batch, std::int64_t num_rows) {
        std::vector<Entry> entries(static_cast<std::size_t>(batch.offsets[batch.bags]) + 1);
        std::size_t count = 0;
        for (std::int64_t bag = 0; bag < batch.bags; ++bag) {
            for (std::int64_t place = batch.offsets[bag]; place < batch.offsets[bag + 1]; ++place) {
                entries[count] = {static_cast<std::int32_t>(batch.ids[place]), static_cast<std::int32_t>(bag)};
                count += batch.kept == nullptr || batch.kept[place];
            }
        }
        entries.resize(count);
        sort(entries, num_rows);
        bags_.resize(count);
        for (std::size_t place = 0; place < count; ++place) {
            bags_[place] = entries[place].bag;
            if (place == 0 || entries[place].row != entries[place - 1].row) {
                rows_.push_back(entries[place].row);
                starts_.push_back(static_cast<std::int64_t>(place));
            }
        }
        starts_.push_back(static_cast<std::int64_t>(count));
    }

    std::int64_t size() const { return static_cast<std::int64_t>(rows_.size()); }

    /// rows (size,): the touched rows, ascending.
    void rows(std::int64_t* rows) const { std::copy(rows_.begin(), rows_.end(), rows); }

    /// values (size, width): each touched row's sum of the gradients (bags, width) of its bags, times scales (bags,) if
    /// there are any, and times scale.
    void gradient(const float* grad, std::int64_t width, const float* scales, float scale, float* values,
                  int threads) const {
        const std::int64_t bags = static_cast<std::int64_t>(bags_.size()) / std::max<std::int64_t>(size(), 1);
        parallel(size(), (bags + 1) * width * 4, threads, [&](std::int64_t first, std::int64_t last) {
            for (std::int64_t row = first; row < last; ++row) {
                const std::int64_t start = starts_[static_cast<std::size_t>(row)];
                const std::int64_t count = starts_[static_cast<std::size_t>(row) + 1] - start;
                float* const value = values + row * width;
                add_rows(value, grad, width, bags_.data() + start, scales, count);
                if (scale != 1.0f)
                    for (std::int64_t column = 0; column < width; ++column) value[column] *= scale;
            }
        });
    }

private:
    struct Entry {
        std::int32_t row, bag;
    };

    /// By row, stably: least significant digits first.
    static void sort(std::vector<Entry>& entries, std::int64_t num_rows) {
        constexpr int kBits = 10;
        std::vector<Entry> sorted(entries.size());
        for (int shift = 0; shift < 31 && (num_rows - 1) >> shift > 0; shift += kBits) {
            std::size_t places[(1 << kBits) + 1] = {};
            const auto digit = [&](const Entry& entry) { return entry.row >> shift & ((1 << kBits) - 1); };
            for (const Entry& entry : entries) ++places[digit(entry) + 1];
            for (int value = 0; value < 1 << kBits; ++value) places[value + 1] += places[value];
            for (const Entry& entry : entries) sorted[places[digit(entry)]++] = entry;
            entries.swap(sorted);
        }
    }

    std::vector<std::int32_t> rows_, bags_;
    std::vector<std::int64_t> starts_;
};

/// 1 / (1 - beta^t) for whole t from 1; remembers small t, since most rows have been touched a few times.
class BiasCorrection {
public:
    explicit BiasCorrection(double beta) : log_beta_(std::log(beta)) {}

    float operator()(float steps) {
        if (!(steps < kRemembered)) return compute(steps);
        float& known = known_[static_cast<std::size_t>(steps)];
        if (known == 0.0f) known = compute(steps);
        return known;
    }

private:
    static constexpr int kRemembered = 256;

    float compute(float steps) const {
        return static_cast<float>(-1.0 / std::expm1(static_cast<double>(steps) * log_beta_));
    }

    double log_beta_;  // -infinity for beta = 0: then the correction is 1
    float known_[kRemembered] = {};
};

struct AdamSettings {
    double lr, beta1, beta2, eps, weight_decay;
};

TIMESTEPS_INLINE void adam_row_body(float* TIMESTEPS_RESTRICT value, float* TIMESTEPS_RESTRICT mean,
                                    float* TIMESTEPS_RESTRICT square, const float* TIMESTEPS_RESTRICT grad,
                                    std::int64_t width, const AdamSettings& settings, float correction1,
                                    float correction2) {
    const float keep = static_cast<float>(1 - settings.lr * settings.weight_decay);
    const float beta2 = static_cast<float>(settings.beta2), rest2 = static_cast<float>(1 - settings.beta2);
    const float rest1 = static_cast<float>(1 - settings.beta1);
    const float lr = static_cast<float>(settings.lr), eps = static_cast<float>(settings.eps);
    for (std::int64_t column = 0; column < width; ++column) {
        const float g = grad[column];
        const float m = mean[column] + rest1 * (g - mean[column]);
        const float v = beta2 * square[column] + rest2 * g * g;
        mean[column] = m;
        square[column] = v;
        value[column] = keep * value[column] - lr * (m * correction1 / (std::sqrt(v * correction2) + eps));
    }
}
TIMESTEPS_DISPATCH(adam_row,
                   (float* value, float* mean, float* square, const float* grad, std::int64_t width,
                    const AdamSettings& settings, float correction1, float correction2),
                   (value, mean, square, grad, width, settings, correction1, correction2))

/// One step of lazy Adam on the given distinct rows of tables (…, width); steps counts how often a row was touched.
inline void lazy_adam(float* values, float* means, float* squares, float* steps, const std::int64_t* rows,
                      const float* grads, std::int64_t count, std::int64_t width, const AdamSettings& settings,
                      int threads) {
    parallel(count, 7 * width * 4, threads,
             [&](std::int64_t first, std::int64_t last) {
                 BiasCorrection correction1(settings.beta1), correction2(settings.beta2);
                 for (std::int64_t place = first; place < last; ++place) {
                     if (place + kAdamAhead < last) {
                         const std::int64_t ahead = rows[place + kAdamAhead] * width;
                         prefetch_row(values + ahead, width);
                         prefetch_row(means + ahead, width);
                         prefetch_row(squares + ahead, width);
                         TIMESTEPS_PREFETCH(steps + rows[place + kAdamAhead]);
                     }
                     const std::int64_t row = rows[place];
                     const float step = steps[row] += 1.0f;
                     adam_row(values + row * width, means + row * width, squares + row * width, grads + place * width,
                              width, settings, correction1(step), correction2(step));
                 }
             });
}

}  // namespace timesteps
