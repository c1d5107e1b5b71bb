// Softmax cross-entropy over a vocabulary, and its gradients, without the scores of all rows in memory at once.
//
// Rows go through block by block: the scores of a block are made and exponentiated where the products leave them, in
// the cache; then, in their place, the gradients, of which the weights' are added up block after block. Every number
// has one order of additions, whatever the number of threads.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "../recurrent/run.h"
#include "../recurrent/targets.h"
#include "kernels.h"

namespace timesteps {

#define TIMESTEPS_PROJECTION(target)              \
    namespace target {                            \
    ProjectionKernels<float> float_projection();   \
    ProjectionKernels<double> double_projection(); \
    }
TIMESTEPS_PROJECTION(baseline)
#if defined(__x86_64__)
TIMESTEPS_PROJECTION(avx2)
TIMESTEPS_PROJECTION(avx512)
#endif
#undef TIMESTEPS_PROJECTION

template <class T>
ProjectionKernels<T> projection_kernels() {
    const auto chosen = [](auto in_float, auto in_double) {
        if constexpr (sizeof(T) == sizeof(float)) return in_float();
        else return in_double();
    };
#if defined(__x86_64__)
    if (target() == Target::kAvx512) return chosen(avx512::float_projection, avx512::double_projection);
    if (target() == Target::kAvx2) return chosen(avx2::float_projection, avx2::double_projection);
#endif
    return chosen(baseline::float_projection, baseline::double_projection);
}

/// One call: rows of `size` numbers, classes with their weights, and each row's class, -1 for a row that does not
/// count.
template <class T>
struct ProjectionProblem {
    std::int64_t rows, size, classes;
    const T *h, *weight, *bias;  // (rows, size), (classes, size), (classes) or null
    const std::int32_t* targets;
    T* log_probs;  // (rows): log P of the targets
    // Of a sampled softmax: class n is this row of `weight` and `dweight`; null: row n. A row of h whose target is
    // kApart has it beside the classes, with the score in `own` (rows), in whose place that score's gradient comes.
    const std::int64_t* chosen = nullptr;
    T* own = nullptr;
    static constexpr std::int32_t kApart = -2;
    // Gradients of -scale times the sum of log_probs; dh null: none is wanted.
    T scale = 0;
    T *dh = nullptr, *dweight = nullptr, *dbias = nullptr;
};

template <class T>
class Projection {
public:
    void run(const ProjectionProblem<T>& problem, int threads) {
        p_ = problem, threads_ = threads;
        weights_.resize(p_.classes), grads_.resize(p_.classes);
        for (Index c = 0; c < p_.classes; ++c) {
            const Index row = p_.chosen == nullptr ? c : p_.chosen[c];
            weights_[c] = p_.weight + row * p_.size;
            grads_[c] = p_.dweight + row * p_.size;
        }
        chunks_ = (p_.classes + kClasses - 1) / kClasses;
        const Index lanes = k_.lanes, together = std::max<Index>(1, kScores / (p_.classes * lanes));
        const Index most = std::min(std::max<Index>(kRows / lanes, 1), together) * lanes;
        for (first_ = 0; first_ < p_.rows; first_ += count_) {
            const Index blocks = (p_.rows - first_ + most - 1) / most;  // of nearly equal size, in whole panels
            count_ = std::min((((p_.rows - first_) / blocks + lanes - 1) / lanes) * lanes, p_.rows - first_);
            panels_ = (count_ + lanes - 1) / lanes;
            stride_ = p_.classes * lanes;
            take();
            do_stages(stages(), threads_, threads_);
        }
    }

private:
    using Index = std::int64_t;
    static constexpr Index kClasses = 128;     // whose weights stay in a core's own cache while the panels pass
    static constexpr Index kRows = 256;        // of a block
    static constexpr Index kScores = 4 << 20;  // … but not more scores than these

    void take() {
        packed_.resize(panels_ * k_.lanes * p_.size);
        scores_.resize(panels_ * stride_);
        for (auto* numbers : {&peak_, &sum_}) numbers->resize(chunks_ * panels_ * k_.lanes);
        if (p_.dh == nullptr) return;
        columns_.resize(panels_ * k_.lanes * (p_.size + k_.width));
        dh_.resize(panels_ * p_.size * k_.lanes);
    }

    std::vector<Stage> stages() {
        std::vector<Stage> stages;
        stages.push_back({1, [this](std::int64_t) { pack(); }});
        stages.push_back({chunks_, [this](std::int64_t chunk) { score(chunk); }});
        stages.push_back({panels_, [this](std::int64_t panel) { judge(panel); }});
        if (p_.dh == nullptr) return stages;
        stages.push_back({chunks_, [this](std::int64_t chunk) { weight_gradient(chunk); }});
        stages.push_back({panels_, [this](std::int64_t panel) { input_gradient(panel); }});
        return stages;
    }

    Index begin(Index chunk) const { return chunk * kClasses; }
    Index classes(Index chunk) const { return std::min(kClasses, p_.classes - begin(chunk)); }
    T* scores(Index chunk, Index panel) { return scores_.data() + panel * stride_ + begin(chunk) * k_.lanes; }
    Index place(Index chunk, Index panel) const { return (chunk * panels_ + panel) * k_.lanes; }

    void pack() {
        const T* h = p_.h + first_ * p_.size;
        k_.pack_rows(h, count_, p_.size, packed_.data());
        if (p_.dh != nullptr) k_.pack_columns(h, count_, p_.size, columns_.data());
    }

    /// Scores of a chunk of classes, exponentiated; those of the targets are kept first.
    void score(Index chunk) {
        const Index lanes = k_.lanes, count = classes(chunk);
        for (Index panel = 0; panel < panels_; ++panel) {
            T* const to = scores(chunk, panel);
            k_.scores(weights_.data() + begin(chunk), count, p_.size, packed_.data() + panel * lanes * p_.size,
                      p_.bias == nullptr ? nullptr : p_.bias + begin(chunk), to);
            for_targets(chunk, panel, [&](Index row, Index lane, Index own) {
                p_.log_probs[row] = to[own * lanes + lane];
            });
            k_.exponentials(to, count, peak_.data() + place(chunk, panel), sum_.data() + place(chunk, panel));
        }
    }

    /// Calls f(row, lane, class within the chunk) for the panel's rows whose targets are in the chunk.
    template <class F>
    void for_targets(Index chunk, Index panel, const F& f) const {
        const Index lanes = k_.lanes, rows = std::min(lanes, count_ - panel * lanes), count = classes(chunk);
        for (Index lane = 0; lane < rows; ++lane) {
            const Index row = first_ + panel * lanes + lane, own = p_.targets[row] - begin(chunk);
            if (own >= 0 && own < count) f(row, lane, own);
        }
    }

    /// From scores to log P; in the place of each chunk's peaks, what its exponentials are to be multiplied by.
    void judge(Index panel) {
        const Index lanes = k_.lanes;
        for (Index lane = 0; lane < lanes; ++lane) {
            const Index row = first_ + panel * lanes + lane;
            const bool real = panel * lanes + lane < count_;
            const bool apart = real && p_.targets[row] == ProjectionProblem<T>::kApart;
            T most = peak_[place(0, panel) + lane], all = 0;
            if (apart) most = std::max(most, p_.own[row]);
            for (Index chunk = 1; chunk < chunks_; ++chunk) most = std::max(most, peak_[place(chunk, panel) + lane]);
            for (Index chunk = 0; chunk < chunks_; ++chunk) {
                T& peak = peak_[place(chunk, panel) + lane];
                peak = std::exp(peak - most);
                all += sum_[place(chunk, panel) + lane] * peak;
            }
            if (apart) {
                const T mine = std::exp(p_.own[row] - most);
                all += mine;
                p_.log_probs[row] = p_.own[row];
                p_.own[row] = p_.scale * (mine / all - T(1));
            }
            const bool counts = apart || (real && p_.targets[row] >= 0);
            for (Index chunk = 0; chunk < chunks_; ++chunk)
                peak_[place(chunk, panel) + lane] *= counts ? p_.scale / all : T(0);
            if (counts)
                p_.log_probs[row] -= most + std::log(all);
            else if (real)
                p_.log_probs[row] = 0;
        }
    }

    void weight_gradient(Index chunk) {
        const Index lanes = k_.lanes, count = classes(chunk);
        for (Index panel = 0; panel < panels_; ++panel) {
            T* const d = scores(chunk, panel);
            k_.scale(d, count, peak_.data() + place(chunk, panel));
            for_targets(chunk, panel, [&](Index, Index lane, Index own) { d[own * lanes + lane] -= p_.scale; });
        }
        const bool add = first_ > 0;
        if (p_.dbias != nullptr)
            k_.bias_gradient(scores(chunk, 0), panels_, stride_, count, p_.dbias + begin(chunk), add);
        k_.weight_gradient(scores(chunk, 0), panels_, stride_, count, columns_.data(), p_.size,
                           grads_.data() + begin(chunk), add);
    }

    void input_gradient(Index panel) {
        const Index lanes = k_.lanes, row = first_ + panel * lanes;
        T* const c = dh_.data() + panel * p_.size * lanes;
        for (Index chunk = 0; chunk < chunks_; ++chunk)
            k_.input_gradient(scores(chunk, panel), classes(chunk), weights_.data() + begin(chunk), p_.size, c,
                              chunk > 0);
        k_.unpack_rows(c, std::min(lanes, count_ - panel * lanes), p_.size, p_.dh + row * p_.size);
    }

    const ProjectionKernels<T> k_ = projection_kernels<T>();
    ProjectionProblem<T> p_{};
    int threads_ = 1;
    Index chunks_ = 0, first_ = 0, count_ = 0, panels_ = 0, stride_ = 0;
    std::vector<const T*> weights_;
    std::vector<T*> grads_;
    std::vector<T> packed_, columns_, scores_, peak_, sum_, dh_;
};

}  // namespace timesteps
