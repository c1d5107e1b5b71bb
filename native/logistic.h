// Logistic regression of sparse rows by coordinate descent in the dual: Hsiang-Fu Yu, Fang-Lan Huang and Chih-Jen Lin,
// "Dual coordinate descent methods for logistic regression and maximum entropy models" (Machine Learning 85, 2011).
//
// The definition, in plain Python, is src/timesteps/tasks/logistic.py.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>
#include <stdexcept>
#include <vector>

namespace timesteps {

/// Rows of distinct features: row i has ids[offsets[i]] … ids[offsets[i + 1] - 1], and feature k the value values[k].
struct FeatureRows {
    std::span<const std::int32_t> ids;
    std::span<const std::int64_t> offsets;
    std::span<const float> values;

    std::size_t size() const { return offsets.size() - 1; }

    template <class Visit>
    void each(std::size_t row, Visit visit) const {
        for (std::int64_t place = offsets[row]; place < offsets[row + 1]; ++place) {
            const auto id = static_cast<std::size_t>(ids[static_cast<std::size_t>(place)]);
            visit(id, static_cast<double>(values[id]));
        }
    }

    void check() const {
        if (offsets.empty()) throw std::invalid_argument("there are no offsets of rows");
        for (std::size_t row = 0; row < size(); ++row)
            if (offsets[row] < 0 || offsets[row + 1] < offsets[row] ||
                offsets[row + 1] > static_cast<std::int64_t>(ids.size()))
                throw std::invalid_argument("offsets of rows do not fit the ids");
        for (const std::int32_t id : ids)
            if (id < 0 || static_cast<std::size_t>(id) >= values.size())
                throw std::invalid_argument("a feature has no value");
    }
};

/// Where t log t + (C - t) log (C - t) + a (t - at)^2 / 2 + b (t - at) is least within (0, C).
inline double dual_minimum(double C, double at, double a, double b) {
    // From the side on which the minimum lies the logarithms keep their digits.
    const bool upper = a * (C / 2 - at) + b < 0;
    if (upper) {
        at = C - at;
        b = -b;
    }
    double t = std::min(at, C / 2);
    for (int round = 0; round < 100; ++round) {
        const double slope = std::log(t / (C - t)) + a * (t - at) + b;
        if (std::abs(slope) < 1e-6) break;
        const double next = t - slope / (a + C / (t * (C - t)));
        t = next <= 0 ? t / 10 : std::min(next, C / 2);
    }
    return upper ? C - t : t;
}

/// weights (features,), and the intercept, which is a feature of value 1: they minimise
/// ‖weights‖² / 2 + Σ costs[i] log (1 + exp (-y z)), z = weights · row + intercept, y = 1 where positive, else -1.
/// It ends when no coordinate's slope in a pass reaches `tolerance`, or after `passes`.
inline double fit_logistic(const FeatureRows& rows, std::span<const std::uint8_t> positive,
                           std::span<const double> costs, double tolerance, int passes, std::span<double> weights) {
    rows.check();
    if (positive.size() != rows.size() || costs.size() != rows.size() || weights.size() != rows.values.size())
        throw std::invalid_argument("a row needs one target and one cost, a feature one weight");
    std::fill(weights.begin(), weights.end(), 0.0);
    double intercept = 0.0;
    std::vector<double> dual(rows.size(), 0.0), squares(rows.size(), 1.0);
    std::vector<std::uint32_t> order;
    const auto move = [&](std::size_t row, double change) {
        const double step = positive[row] ? change : -change;
        rows.each(row, [&](std::size_t id, double value) { weights[id] += step * value; });
        intercept += step;
    };
    for (std::size_t row = 0; row < rows.size(); ++row) {
        if (!(costs[row] > 0)) continue;
        order.push_back(static_cast<std::uint32_t>(row));
        rows.each(row, [&](std::size_t, double value) { squares[row] += value * value; });
        dual[row] = std::min(0.001 * costs[row], 1e-8);
        move(row, dual[row]);
    }
    std::uint64_t state = 0x9e3779b97f4a7c15u;
    for (int pass = 0; pass < passes; ++pass) {
        for (std::size_t last = order.size(); last > 1; --last) {
            state ^= state << 13, state ^= state >> 7, state ^= state << 17;
            std::swap(order[last - 1], order[state % last]);
        }
        double steepest = 0.0;
        for (const std::uint32_t row : order) {
            double z = intercept;
            rows.each(row, [&](std::size_t id, double value) { z += weights[id] * value; });
            const double b = positive[row] ? z : -z, C = costs[row], at = dual[row];
            steepest = std::max(steepest, std::abs(b + std::log(at / (C - at))));
            dual[row] = dual_minimum(C, at, squares[row], b);
            move(row, dual[row] - at);
        }
        if (steepest < tolerance) break;
    }
    return intercept;
}

}  // namespace timesteps
