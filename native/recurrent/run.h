// A call as stages that threads share. Each number of a result is made by one thread, in the same order on any number
// of them: a product's rows, or its columns, are independent, and a weight's gradient is summed chunk by chunk.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "../crew.h"
#include "plan.h"
#include "workspace.h"

namespace timesteps {

/// A stage that calls work(begin, end) on `parts` parts of 0 … count, as far as there are so many.
template <class Work>
Stage divided(std::int64_t count, std::int64_t parts, Work work) {
    parts = std::clamp<std::int64_t>(parts, 1, std::max<std::int64_t>(count, 1));
    return {parts, [=](std::int64_t part) { work(count * part / parts, count * (part + 1) / parts); }};
}

template <class T>
class ForwardRun {
public:
    ForwardRun(const Plan<T>& plan, int workers)
        : plan_(plan),
          p_(plan.p),
          kernels_(plan.kernels),
          workers_(workers),
          packed_(plan.sizes.packed * static_cast<std::int64_t>(sizeof(T))),
          shared_(plan.by_units(workers) ? kernels_.forward_memory(p_, p_.batch) : 0) {}

    std::vector<Stage> stages() {
        std::vector<Stage> stages;
        stages.push_back(divided(plan_.sizes.panels, workers_,
                                 [this](auto begin, auto end) { kernels_.pack(p_, begin, end, packed_.as<T>()); }));
        if (plan_.by_units(workers_))
            by_units(stages);
        else
            by_rows(stages);
        return stages;
    }

private:
    /// Each slice on its own, from the first visit to the last.
    void by_rows(std::vector<Stage>& stages) {
        bounds_ = plan_.slices(0, p_.visits, workers_);
        if (bounds_.size() == 1) bounds_.push_back(0);
        bounds_.back() = p_.batch;  // with rows that have no visit
        stages.push_back({static_cast<std::int64_t>(bounds_.size()) - 1, [this](std::int64_t part) {
                              const std::int64_t begin = bounds_[part], end = bounds_[part + 1];
                              const Workspace memory(kernels_.forward_memory(p_, end - begin));
                              kernels_.forward(p_, packed_.as<T>(), begin, end, memory.as());
                          }});
    }

    /// Each thread its hidden units, and a stage a visit.
    void by_units(std::vector<Stage>& stages) {
        const auto alone = [&](auto work) { stages.push_back({1, [=](std::int64_t) { work(); }}); };
        alone([this] { kernels_.forward_enter(p_, packed_.as<T>(), shared_.as()); });
        for (std::int64_t chunk = 0; chunk < p_.chunks; ++chunk) {
            alone([this, chunk] { kernels_.forward_gather(p_, packed_.as<T>(), chunk, shared_.as()); });
            for (std::int64_t visit = p_.chunk[chunk]; visit < p_.chunk[chunk + 1]; ++visit)
                stages.push_back(divided(plan_.sizes.blocks, workers_, [this, chunk, visit](auto begin, auto end) {
                    kernels_.forward_blocks(p_, packed_.as<T>(), chunk, visit, begin, end, shared_.as());
                }));
        }
        alone([this] { kernels_.forward_leave(p_, packed_.as<T>(), shared_.as()); });
    }

    const Plan<T>& plan_;
    const Problem<T>& p_;
    const Kernels<T>& kernels_;
    const int workers_;
    const Workspace packed_, shared_;
    std::vector<std::int64_t> bounds_;
};

/// Chunk by chunk from the last: the gradients of its gates, and while they are in the cache, those of the weights and
/// inputs.
template <class T>
class BackwardRun {
public:
    BackwardRun(const Plan<T>& plan, int workers)
        : plan_(plan),
          p_(plan.p),
          kernels_(plan.kernels),
          workers_(workers),
          weights_(wants_weights(p_)),
          stride_(Plan<T>::stride(plan.sizes.gate_row, p_.chunk_rows)),
          packed_(plan.sizes.packed_backward * kSize),
          sums_(weights_ ? plan.sizes.sums * kSize : 0),
          packed_forward_(plan.again() ? plan.sizes.packed * kSize : 0),
          kept_(plan.again() ? plan.kept_numbers() * kSize : 0),
          regions_(plan.sizes.regions * plan.sizes.panels * stride_),
          gates_((regions_ + (p_.w_hr == nullptr ? 0 : p_.chunk_rows * p_.output_size)) * kSize),
          shared_(kernels_.backward_memory(p_)),
          segments_(plan.segments()) {
        for (Problem<T>& segment : segments_)
            if (plan.again()) plan.hold(segment, kept_.as<T>());
        if (p_.chunks == 0 && weights_) std::memset(sums_.as(), 0, plan.sizes.sums * kSize);
    }

    std::vector<Stage> stages() {
        std::vector<Stage> stages;
        const std::int64_t panels = plan_.sizes.panels;
        stages.push_back(divided(panels, workers_, [this](auto begin, auto end) {
            kernels_.pack_backward(p_, begin, end, packed_.as<T>());
        }));
        stages.push_back(divided(p_.batch, workers_, [this](auto begin, auto end) {
            kernels_.backward_enter(p_, packed_.as<T>(), begin, end, shared_.as());
        }));
        if (plan_.again())
            stages.push_back(divided(panels, workers_, [this](auto begin, auto end) {
                kernels_.pack(p_, begin, end, packed_forward_.as<T>());
            }));
        for (std::size_t n = segments_.size(); n-- > 0;) {
            const Problem<T>& segment = segments_[n];
            if (plan_.again()) forward_again(stages, segment);
            for (std::int64_t chunk = segment.last_chunk - 1; chunk >= segment.first_chunk; --chunk) {
                if (plan_.by_units(workers_))
                    by_units(stages, segment, chunk);
                else
                    by_rows(stages, segment, chunk);
                gradients(stages, segment, chunk);
            }
        }
        stages.push_back(divided(p_.batch, workers_, [this](auto begin, auto end) {
            kernels_.backward_leave(p_, packed_.as<T>(), begin, end, shared_.as());
        }));
        if (weights_)
            stages.push_back(divided(
                panels, workers_, [this](auto begin, auto end) { kernels_.unpack(p_, begin, end, sums_.as<T>()); }));
        return stages;
    }

private:
    static bool wants_weights(const Problem<T>& p) {
        for (const T* wanted : {p.dw_ih, p.dw_hh, p.db_ih, p.db_hh, p.dw_hr, p.dnorm_ih, p.dnorm_hh, p.dnorm_c,
                                p.dnorm_c_bias, p.dw_ch})
            if (wanted != nullptr) return true;
        return false;
    }

    void forward_again(std::vector<Stage>& stages, const Problem<T>& segment) {
        if (segment.first_chunk == segment.last_chunk) return;
        const auto bounds = plan_.slices(segment.first, p_.chunk[segment.last_chunk], workers_);
        stages.push_back({static_cast<std::int64_t>(bounds.size()) - 1, [this, &segment, bounds](std::int64_t part) {
                              const std::int64_t begin = bounds[part], end = bounds[part + 1];
                              const Workspace memory(kernels_.forward_memory(segment, end - begin));
                              kernels_.forward(segment, packed_forward_.as<T>(), begin, end, memory.as());
                          }});
    }

    void by_rows(std::vector<Stage>& stages, const Problem<T>& segment, std::int64_t chunk) {
        const auto bounds = plan_.slices(p_.chunk[chunk], p_.chunk[chunk + 1], workers_);
        const auto slice = [this, &segment, chunk, bounds](std::int64_t part) {
            kernels_.backward(segment, packed_.as<T>(), bounds[part], bounds[part + 1], chunk, gates_.as<T>(), stride_,
                              shared_.as());
        };
        stages.push_back({static_cast<std::int64_t>(bounds.size()) - 1, slice});
    }

    void by_units(std::vector<Stage>& stages, const Problem<T>& segment, std::int64_t chunk) {
        for (std::int64_t visit = p_.chunk[chunk + 1]; visit >= p_.chunk[chunk]; --visit)
            stages.push_back(
                divided(plan_.sizes.blocks, workers_, [this, &segment, chunk, visit](auto begin, auto end) {
                    kernels_.backward_blocks(segment, packed_.as<T>(), chunk, visit, begin, end, gates_.as<T>(),
                                             stride_, shared_.as());
                }));
    }

    /// Each thread has its panels' gradients, always the same ones, and who is first done takes rows of inputs.
    void gradients(std::vector<Stage>& stages, const Problem<T>& segment, std::int64_t chunk) {
        const std::int64_t panels = plan_.sizes.panels;
        const std::int64_t groups = weights_ ? std::min<std::int64_t>(panels, workers_) : 0;
        const std::int64_t rows = p_.offset[p_.chunk[chunk + 1]] - p_.offset[p_.chunk[chunk]];
        const std::int64_t most = workers_ == 1 ? 1 : std::min<std::int64_t>(2 * workers_, (rows + 31) / 32);
        const std::int64_t pieces = p_.dx.data == nullptr ? 0 : most;
        if (groups + pieces == 0) return;
        stages.push_back({groups + pieces, [=, this, &segment](std::int64_t part) {
                              const Workspace memory(kernels_.gradient_memory(p_));
                              const T* gates = gates_.as<T>();
                              if (part >= groups) {
                                  const std::int64_t begin = rows * (part - groups) / pieces;
                                  const std::int64_t end = rows * (part - groups + 1) / pieces;
                                  kernels_.input_gradient(p_, packed_.as<T>(), chunk, begin, end, gates, stride_,
                                                          memory.as());
                              } else {
                                  kernels_.weight_gradient(segment, chunk, panels * part / groups,
                                                           panels * (part + 1) / groups, gates, stride_,
                                                           gates + regions_, sums_.as<T>(), memory.as());
                              }
                          }});
    }

    static constexpr std::int64_t kSize = sizeof(T);

    const Plan<T>& plan_;
    const Problem<T>& p_;
    const Kernels<T>& kernels_;
    const int workers_;
    const bool weights_;  // whether any of their gradients is wanted
    const std::int64_t stride_;
    const Workspace packed_, sums_, packed_forward_, kept_;
    const std::int64_t regions_;  // numbers of all regions
    const Workspace gates_, shared_;
    std::vector<Problem<T>> segments_;
};

template <class T>
void run_forward(CellKind kind, Problem<T>& p, const std::int64_t* counts, T* saved, int threads,
                 std::int64_t every = 0) {
    Plan<T> plan(kind, p, counts, every);
    plan.keep(saved);
    const int workers = plan.workers(threads);
    ForwardRun<T> run(plan, workers);
    do_stages(run.stages(), workers, threads);
}

template <class T>
void run_backward(CellKind kind, Problem<T>& p, const std::int64_t* counts, T* saved, int threads,
                  std::int64_t every = 0) {
    Plan<T> plan(kind, p, counts, every);
    plan.keep(saved);
    const int workers = plan.workers(threads);
    BackwardRun<T> run(plan, workers);
    do_stages(run.stages(), workers, threads);
}

}  // namespace timesteps
