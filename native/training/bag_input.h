// Bags of features as the input of a step: kept features, their sums, the wide term, and gradients by rows.
//
// The sums and lazy Adam are those of ../bags.h; here the bags of a batch are read straight from the data set, and all
// memory is used again from step to step.
#pragma once

#include <algorithm>
#include <cmath>

#include "../bags.h"
#include "masks.h"
#include "network.h"

namespace timesteps::training {

// The kernels of bags.h are for float; gradients are checked in double.
inline void add_far_rows(double* sum, const double* table, Index width, const std::int32_t* rows, Index count) {
    std::fill_n(sum, width, 0.0);
    for (Index place = 0; place < count; ++place)
        for (Index column = 0; column < width; ++column) sum[column] += table[rows[place] * width + column];
}
inline void add_rows(double* sum, const double* table, Index width, const std::int32_t* rows, const double*,
                     Index count) {
    add_far_rows(sum, table, width, rows, count);
}
using timesteps::add_far_rows;
using timesteps::add_rows;

/// The features of a batch that were kept, by unit: the steps of all rows, in order.
template <class T>
class BagInput {
public:
    /// Reads the bags of the batch; `keys` (count,) of feature dropout, or null.
    void read(const Examples& examples, const Batch& batch, const Index* keys, double feature_dropout, int threads) {
        const Index rows = batch.count();
        Index *unit = first_unit_.take(rows + 1), *feature = first_feature_.take(rows + 1);
        unit[0] = feature[0] = 0;
        for (Index n = 0; n < rows; ++n) {
            const Index begin = examples.offsets[batch.row(n)], end = begin + batch.length(n);
            Index features = 0;
            for (Index step = begin; step < end; ++step) features += size_of(examples, step);
            unit[n + 1] = unit[n] + end - begin;
            feature[n + 1] = feature[n] + features;
        }
        std::int32_t* kept = kept_.take(feature[rows] + kAhead);
        Index *begins = begin_.take(unit[rows] + 1), *ends = end_.take(unit[rows] + 1);
        const bool drops = keys != nullptr && feature_dropout > 0;
        const Index threshold = Dropout<T>(feature_dropout).threshold;
        parallel(rows, (feature[rows] / std::max<Index>(rows, 1) + 1) * 16, threads, [&](Index first, Index last) {
            for (Index n = first; n < last; ++n) {
                const Draws draws(drops ? keys[n] : 0, kFeatureStream);
                Index place = feature[n], counter = 0;
                for (Index t = 0; t < batch.length(n); ++t) {
                    const Index step = examples.offsets[batch.row(n)] + t;
                    begins[unit[n] + t] = place;
                    each_part(examples, step, [&](const std::int32_t* ids, Index count) {
                        for (Index k = 0; k < count; ++k, ++counter) {
                            kept[place] = ids[k];
                            place += !drops || draws.bits(counter) >= threshold;
                        }
                    });
                    ends[unit[n] + t] = place;
                }
                std::fill(kept + place, kept + feature[n + 1], 0);
            }
        });
        std::fill_n(kept + feature[rows], kAhead, 0);
        units_ = unit[rows];
        rows_ = rows;
    }

    /// x (rows, steps, pitch): each unit's vector (width,) at its row and step. wide (rows, outputs): the wide terms.
    void forward(const Batch& batch, const T* weight, Index width, Index pitch, const T* wide, Index outputs, T scale,
                 T* x, T* wide_terms, int threads) {
        const Index *unit = first_unit_.get(), *begins = begin_.get(), *ends = end_.get();
        T* scales = scale_.take(units_ + 1);
        T* linear = linear_.take((wide == nullptr ? 0 : rows_ * outputs) + 1);
        parallel(rows_, work(width), threads, [&](Index first, Index last) {
            for (Index n = first; n < last; ++n) {
                T* const sums = wide == nullptr ? nullptr : wide_terms + n * outputs;
                if (wide != nullptr) std::fill_n(sums, outputs, T(0));
                for (Index t = 0; t < batch.length(n); ++t) {
                    const Index u = unit[n] + t, kept = ends[u] - begins[u];
                    T* const vector = x + (n * batch.steps() + t) * pitch;
                    scales[u] = 1 / std::sqrt(static_cast<T>(std::max<Index>(kept, 1)));
                    add_far_rows(vector, weight, width, kept_.get() + begins[u], kept);
                    for (Index k = 0; k < width; ++k) vector[k] *= scales[u];
                    if (wide == nullptr) continue;
                    T* const terms = linear + n * outputs;
                    add_rows(terms, wide, outputs, kept_.get() + begins[u], nullptr, kept);
                    for (Index k = 0; k < outputs; ++k) sums[k] += terms[k] * scale;
                }
                for (Index k = 0; k < outputs && wide != nullptr; ++k) sums[k] *= row_scale(n);
            }
        });
    }

    /// The touched rows of the tables, ascending, with the gradients of `weight` and `wide` (touched, …).
    /// dx (rows, steps, pitch) are gradients of the unit vectors, dlogits (rows, outputs) of the wide terms.
    void backward(const Batch& batch, const T* dx, Index width, Index pitch, const T* dlogits, Index outputs, T scale,
                  Index table_rows, int threads) {
        const Index *unit = first_unit_.get(), *begins = begin_.get(), *ends = end_.get();
        T* grads = grad_.take(units_ * width + 1);
        T* wide_grads = wide_grad_.take((dlogits == nullptr ? 0 : units_ * outputs) + 1);
        Index count = 0;
        Entry* entries = entries_.take(first_feature_.get()[rows_] + 1);
        for (Index n = 0; n < rows_; ++n)
            for (Index t = 0; t < batch.length(n); ++t) {
                const Index u = unit[n] + t;
                const T* from = dx + (n * batch.steps() + t) * pitch;
                for (Index k = 0; k < width; ++k) grads[u * width + k] = from[k] * scale_.get()[u];
                for (Index k = 0; k < outputs && dlogits != nullptr; ++k)
                    wide_grads[u * outputs + k] = dlogits[n * outputs + k] * row_scale(n);
                for (Index place = begins[u]; place < ends[u]; ++place)
                    entries[count++] = {kept_.get()[place], static_cast<std::int32_t>(u)};
            }
        entries = sorted(entries, count, table_rows);
        std::int32_t *bags = bags_.take(count + 1), *touched = touched_.take(count + 1);
        Index* starts = starts_.take(count + 1);
        touched_count_ = 0;
        for (Index place = 0; place < count; ++place) {
            bags[place] = entries[place].unit;
            if (place == 0 || entries[place].row != entries[place - 1].row) {
                touched[touched_count_] = entries[place].row;
                starts[touched_count_++] = place;
            }
        }
        starts[touched_count_] = count;
        T* values = values_.take(touched_count_ * width + 1);
        T* wide_values = wide_values_.take((dlogits == nullptr ? 0 : touched_count_ * outputs) + 1);
        const Index each = count / std::max<Index>(touched_count_, 1) + 1;
        parallel(touched_count_, each * width * 4, threads, [&](Index first, Index last) {
            for (Index row = first; row < last; ++row) {
                const Index many = starts[row + 1] - starts[row];
                add_rows(values + row * width, grads, width, bags + starts[row], nullptr, many);
                if (dlogits == nullptr) continue;
                T* const value = wide_values + row * outputs;
                add_rows(value, wide_grads, outputs, bags + starts[row], nullptr, many);
                for (Index k = 0; k < outputs; ++k) value[k] *= scale;
            }
        });
    }

    Index touched() const { return touched_count_; }
    const std::int32_t* touched_rows() const { return touched_.get(); }
    T* gradients(bool wide) const { return wide ? wide_values_.get() : values_.get(); }

private:
    struct Entry {
        std::int32_t row, unit;
    };

    static Index size_of(const Examples& e, Index step) {
        Index size = 0;
        each_part(e, step, [&](const std::int32_t*, Index count) { size += count; });
        return size;
    }

    /// The features of a step: those of its bag, then those of its phrases.
    template <class Visit>
    static void each_part(const Examples& e, Index step, const Visit& visit) {
        const Index bag = e.ids[step];
        visit(e.bag_ids + e.bag_offsets[bag], e.bag_offsets[bag + 1] - e.bag_offsets[bag]);
        if (e.phrase_ids != nullptr)
            visit(e.phrase_ids + e.phrase_offsets[step], e.phrase_offsets[step + 1] - e.phrase_offsets[step]);
    }

    Index work(Index width) const { return (first_feature_.get()[rows_] / std::max<Index>(rows_, 1) + 1) * width * 4; }

    /// 1 / sqrt(features of a row), dropped ones too.
    T row_scale(Index n) const {
        const Index features = first_feature_.get()[n + 1] - first_feature_.get()[n];
        return 1 / std::sqrt(static_cast<T>(std::max<Index>(features, 1)));
    }

    /// By row, stably: least significant digits first.
    Entry* sorted(Entry* entries, Index count, Index table_rows) {
        constexpr int kBits = 10;
        Entry* other = other_.take(count + 1);
        for (int shift = 0; shift < 31 && (table_rows - 1) >> shift > 0; shift += kBits) {
            Index places[(1 << kBits) + 1] = {};
            const auto digit = [&](const Entry& entry) { return entry.row >> shift & ((1 << kBits) - 1); };
            for (Index n = 0; n < count; ++n) ++places[digit(entries[n]) + 1];
            for (int value = 0; value < 1 << kBits; ++value) places[value + 1] += places[value];
            for (Index n = 0; n < count; ++n) other[places[digit(entries[n])]++] = entries[n];
            std::swap(entries, other);
        }
        return entries;
    }

    Buffer<Index> first_unit_, first_feature_, begin_, end_, starts_;
    Buffer<std::int32_t> kept_, bags_, touched_;
    Buffer<Entry> entries_, other_;
    Buffer<T> scale_, linear_, grad_, wide_grad_, values_, wide_values_;
    Index units_ = 0, rows_ = 0, touched_count_ = 0;
};

}  // namespace timesteps::training
