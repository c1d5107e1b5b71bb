// The losses of predicted numbers with their gradients, as src/timesteps/runtime/losses.py says them.
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace timesteps::training {

/// In the order of LossName in src/timesteps/runtime/spec.py.
enum class LossKind : std::int64_t { kCrossEntropy, kMse, kMae, kQuantile, kGaussian, kStudentT, kNegativeBinomial };

/// Logarithm of the gamma function and its derivative, x > 0, by Stirling's series for x + 8, exact to rounding there
/// (Abramowitz and Stegun 6.1.41, 6.3.18). The library's lgamma keeps a sign in a global.
inline double log_gamma(double x) {
    double below = 1;
    for (int step = 0; step < 8; ++step) below *= x + step;
    const double y = x + 8, z = 1 / (y * y);
    const double series =
        1.0 / 12 +
        z * (-1.0 / 360 + z * (1.0 / 1260 + z * (-1.0 / 1680 + z * (1.0 / 1188 + z * (-691.0 / 360360 + z / 156)))));
    return (y - 0.5) * std::log(y) - y + 0.5 * std::log(2 * std::numbers::pi) + series / y - std::log(below);
}

inline double digamma(double x) {
    double below = 0;
    for (int step = 0; step < 8; ++step) below += 1 / (x + step);
    const double y = x + 8, z = 1 / (y * y);
    const double series =
        1.0 / 12 +
        z * (-1.0 / 120 + z * (1.0 / 252 + z * (-1.0 / 240 + z * (1.0 / 132 + z * (-691.0 / 32760 + z / 12)))));
    return std::log(y) - 0.5 / y - z * series - below;
}

/// The mean of counts is exp of its output, up to here.
inline constexpr double kMaxLogMean = 30;

/// One kind of loss, of one number after the other; in double precision, whatever the network is in.
class NumberLoss {
public:
    NumberLoss(LossKind kind, const std::vector<double>& levels)
        : kind_(kind), levels_(levels), centre_(0) {
        for (std::size_t k = 1; k < levels.size(); ++k)
            if (std::abs(levels[k] - 0.5) < std::abs(levels[static_cast<std::size_t>(centre_)] - 0.5))
                centre_ = static_cast<std::int64_t>(k);
    }

    /// Outputs of each number.
    std::int64_t parameters() const {
        switch (kind_) {
            case LossKind::kQuantile:
                return static_cast<std::int64_t>(levels_.size());
            case LossKind::kGaussian:
            case LossKind::kNegativeBinomial:
                return 2;
            case LossKind::kStudentT:
                return 3;
            default:
                return 1;
        }
    }

    /// The predicted number of outputs z (parameters,).
    template <class T>
    double prediction(const T* z) const {
        const auto found = static_cast<double>(z[centre_]);
        return kind_ == LossKind::kNegativeBinomial ? std::exp(std::min(found, kMaxLogMean)) : found;
    }

    /// The loss of outputs z (parameters,) where the number is y, and its gradient dz times `share`.
    template <class T>
    double operator()(const T* z, double y, double share, T* dz) const {
        const double error = y - static_cast<double>(z[0]);
        const auto give = [&](int k, double d) { dz[k] = static_cast<T>(share * d); };
        switch (kind_) {
            case LossKind::kMse:
                give(0, -2 * error);
                return error * error;
            case LossKind::kMae:
                give(0, error > 0 ? -1 : error < 0 ? 1 : 0);
                return std::abs(error);
            case LossKind::kQuantile:
                return pinball(z, y, share, dz);
            case LossKind::kNegativeBinomial:
                return counts(z, y, share, dz);
            default:
                break;
        }
        const double sigma = softplus(z[1]) + 0.001, t = error / sigma;
        if (kind_ == LossKind::kGaussian) {
            give(0, -t / sigma), give(1, (1 - t * t) / sigma * sigmoid(z[1]));
            return std::log(sigma) + t * t / 2 + 0.5 * std::log(2 * std::numbers::pi);
        }
        const double df = softplus(z[2]) + 2, u = t * t / df, pull = (df + 1) / (1 + u);
        give(0, -pull * t / (df * sigma));
        give(1, (1 - pull * u) / sigma * sigmoid(z[1]));
        const double by_df =
            (digamma(df / 2) - digamma((df + 1) / 2) + 1 / df + std::log1p(u) - pull * u / df) / 2;
        give(2, by_df * sigmoid(z[2]));
        return log_gamma(df / 2) - log_gamma((df + 1) / 2) + 0.5 * std::log(df * std::numbers::pi) + std::log(sigma) +
               (df + 1) / 2 * std::log1p(u);
    }

private:
    template <class T>
    double pinball(const T* z, double y, double share, T* dz) const {
        const double count = static_cast<double>(levels_.size());
        double loss = 0;
        for (std::size_t k = 0; k < levels_.size(); ++k) {
            const double error = y - static_cast<double>(z[k]), slope = error >= 0 ? levels_[k] : levels_[k] - 1;
            loss += slope * error / count;
            dz[k] = static_cast<T>(-share * slope / count);
        }
        return loss;
    }

    template <class T>
    double counts(const T* z, double y, double share, T* dz) const {
        const bool free = static_cast<double>(z[0]) < kMaxLogMean;
        const double log_mean = std::min(static_cast<double>(z[0]), kMaxLogMean), mean = std::exp(log_mean);
        const double alpha = softplus(z[1]) + 0.001, rate = 1 / alpha, more = 1 + alpha * mean, log_more = std::log(more);
        dz[0] = static_cast<T>(free ? share * (mean - y) / more : 0);
        const double by_alpha =
            (digamma(y + rate) - digamma(rate) - log_more) * rate * rate + (y + rate) * mean / more - y * rate;
        dz[1] = static_cast<T>(share * by_alpha * sigmoid(z[1]));
        return log_gamma(rate) + log_gamma(y + 1) - log_gamma(y + rate) + (y + rate) * log_more -
               y * (std::log(alpha) + log_mean);
    }

    static double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }
    static double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

    LossKind kind_;
    std::vector<double> levels_;
    std::int64_t centre_;
};

}  // namespace timesteps::training
