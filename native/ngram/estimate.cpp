#include "estimate.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

namespace timesteps {

namespace {

constexpr float kNeverPredicted = -99;

/// Adding 0 turns -0, which says that nothing goes on from here, into 0.
float logarithm(double value) { return static_cast<float>(std::log10(value)) + 0.0f; }

/// The first of the sorted words from `begin` that is not below `word`; those that are wanted next lie near.
std::size_t seek(const Column<std::uint32_t>& words, std::size_t begin, std::size_t end, std::uint32_t word) {
    std::size_t step = 1;
    while (begin + step < end && words[begin + step] < word) {
        begin += step;
        step *= 2;
    }
    const std::uint32_t* from = words.data();
    return static_cast<std::size_t>(std::lower_bound(from + begin, from + std::min(begin + step + 1, end), word) - from);
}

}  // namespace

Estimator::Estimator(const Levels& levels, Way way, Budget& budget)
    : levels_(levels),
      way_(std::move(way)),
      budget_(budget),
      predicted_(levels.vocabulary() - (levels.begin() < levels.vocabulary() ? 1 : 0)),
      contexts_(budget),
      firsts_(budget),
      followers_(budget),
      probabilities_(budget),
      places_(budget) {}

void Estimator::see(Followers& followers, std::int64_t count) const {
    if (count == 0) return;
    followers.sum += std::abs(count);
    ++followers.all;
    if (count < 0)
        followers.cut -= count;
    else
        ++followers.kinds[std::min<std::int64_t>(count, 3) - 1];
}

/// Whether add-k counts what follows this n-gram of n words: a context is either as long as the order allows, or the
/// sentence has no more before it.
bool Estimator::whole(int n, std::size_t node) const {
    return n + 1 == levels_.order() || (n > 0 && levels_[n].words[node] == levels_.begin());
}

/// The weight of the lower order behind a context whose followers have n words with it.
double Estimator::backoff(const Followers& followers, int n, bool whole) const {
    if (followers.kept() == 0) return 1.0;
    const auto sum = static_cast<double>(followers.sum), cut = static_cast<double>(followers.cut);
    switch (way_.smoothing) {
        case Smoothing::kKneserNey: {
            // Chen & Goodman (1998); what was cut off goes to the lower order, too, so that all sums to 1.
            const auto& discounts = way_.discounts[static_cast<std::size_t>(n - 1)];
            double mass = cut;
            for (std::size_t kind = 0; kind < 3; ++kind) mass += discounts[kind] * followers.kinds[kind];
            return mass / sum;
        }
        case Smoothing::kAddK: {
            if (!whole) return 1.0;
            const double others = predicted_ - static_cast<double>(followers.kept());
            const double share = followers.cut > 0 ? cut / others : 0.0;
            return predicted_ * (share + way_.amount) / (sum + way_.amount * predicted_);
        }
        case Smoothing::kWittenBell: {
            const auto all = static_cast<double>(followers.all);
            return (cut + all) / (sum + all);
        }
        default: return way_.amount;
    }
}

/// Of an n-gram of n words, which occurs `count` times among the followers of its context.
double Estimator::probability(const Followers& followers, int n, bool whole, std::int64_t count, double lower) const {
    const auto sum = static_cast<double>(followers.sum), times = static_cast<double>(count);
    switch (way_.smoothing) {
        case Smoothing::kKneserNey: {
            const double below = backoff(followers, n, whole) * lower;
            if (count == 0) return below;
            const auto kind = static_cast<std::size_t>(std::min<std::int64_t>(count, 3) - 1);
            return (times - way_.discounts[static_cast<std::size_t>(n - 1)][kind]) / sum + below;
        }
        case Smoothing::kAddK:
            return whole ? (times + way_.amount) / (sum + way_.amount * predicted_) : lower;
        case Smoothing::kWittenBell:
            return times / (sum + static_cast<double>(followers.all)) + backoff(followers, n, whole) * lower;
        default: return count > 0 ? times / sum : way_.amount * lower;
    }
}

/// Of the n-grams of the next level. The context of w1 … wn is w1 … w(n-1): a child, by w1, of the context of w2 … wn.
void Estimator::find_contexts() {
    const Level& next = levels_[n_ + 1];
    Column<std::uint32_t> found(budget_);
    if (n_ == 1) {
        found.assign(next.words.size(), 0);
        for (std::size_t node = 0; node < next.words.size(); ++node) found[node] = next.words[node];
        contexts_ = std::move(found);
        return;
    }
    const Level& level = levels_[n_];
    firsts_.assign(levels_[n_ - 1].words.size() + 1, 0);
    for (std::size_t node = 0; node < level.words.size(); ++node) ++firsts_[level.parents[node] + 1];
    for (std::size_t node = 1; node < firsts_.size(); ++node) firsts_[node] += firsts_[node - 1];
    found.assign(next.words.size(), 0);
    std::uint32_t parent = 0;
    std::size_t from = 0, end = 0;
    for (std::size_t node = 0; node < next.words.size(); ++node) {
        if (node == 0 || next.parents[node] != parent) {
            parent = next.parents[node];
            from = firsts_[contexts_[parent]], end = firsts_[contexts_[parent] + 1];
        }
        from = seek(level.words, from, end, next.words[node]);
        if (from == end || level.words[from] != next.words[node]) throw std::logic_error("an n-gram has no context");
        found[node] = static_cast<std::uint32_t>(from);
    }
    contexts_ = std::move(found);
}

void Estimator::count_followers() {
    const Level& next = levels_[n_ + 1];
    followers_.assign(n_ == 0 ? 1 : levels_[n_].words.size(), Followers{});
    for (std::size_t node = 0; node < next.words.size(); ++node)
        see(followers_[n_ == 0 ? 0 : contexts_[node]], next.counts[node]);
}

Estimates Estimator::next() {
    if (n_ == 0) count_followers();
    const int n = ++n_;
    const Level& level = levels_[n];
    Column<double> probabilities(budget_);
    Column<std::uint32_t> places(budget_);
    probabilities.assign(level.words.size(), 0);
    places.assign(level.words.size(), 0);
    std::uint32_t kept = 0;
    for (std::size_t node = 0; node < level.words.size(); ++node) {
        if (level.counts[node] < 0) continue;
        places[node] = kept++;
        const std::size_t context = n == 1 ? 0 : contexts_[node];
        const double lower = n == 1 ? 1.0 / predicted_ : probabilities_[level.parents[node]];
        probabilities[node] =
            probability(followers_[context], n, whole(n - 1, context), level.counts[node], lower);
    }
    if (n < levels_.order()) {
        find_contexts();
        count_followers();
    }
    Estimates found(budget_);
    for (std::size_t node = 0; node < level.words.size(); ++node) {
        if (level.counts[node] < 0) continue;
        found.parents.push_back(n == 1 ? 0 : places_[level.parents[node]]);
        found.words.push_back(level.words[node]);
        const bool never = n == 1 && node == levels_.begin();
        found.probabilities.push_back(never ? kNeverPredicted : logarithm(probabilities[node]));
        if (n == levels_.order())
            found.backoffs.push_back(-0.0f);
        else if (const Followers& followers = followers_[node]; followers.kept() == 0)
            found.backoffs.push_back(-0.0f);
        else
            found.backoffs.push_back(logarithm(backoff(followers, n + 1, whole(n, node))));
    }
    probabilities_ = std::move(probabilities);
    places_ = std::move(places);
    return found;
}

}  // namespace timesteps
