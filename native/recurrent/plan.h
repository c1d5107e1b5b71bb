// One call of a recurrent layer: rows sorted by length, visits cut into chunks, work shared among threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "../dropout.h"
#include "../threads.h"
#include "targets.h"
#include "workspace.h"

namespace timesteps {

constexpr std::int64_t kChunkRows = 192;         // at least so many rows share a product with the inputs' weights …
constexpr std::int64_t kChunkBytes = 256 << 10;  // … or as many as have so many bytes of gates
constexpr std::int64_t kLineBytes = 64;          // of a cache
constexpr double kPartWork = 2e6;                // multiplications that are worth another thread

/// The order of rows, the packing, and the chunks of one batch.
template <class T>
class Plan {
public:
    Plan(CellKind kind, Problem<T>& problem, const std::int64_t* counts)
        : p(problem), kernels(timesteps::kernels(kind, problem.hidden_size, is_regularised(problem), T{})), sizes(kernels.sizes(problem)) {
        sort(counts);
        draw(p.zone_h, 0), draw(p.zone_c, 1);
        p.visits = p.batch > 0 ? length_[0] : 0;
        active_.resize(p.visits);
        offset_.resize(p.visits + 1);
        std::int64_t rows = p.batch;
        for (std::int64_t t = 0; t < p.visits; ++t) {
            while (rows > 0 && length_[rows - 1] <= t) --rows;
            active_[t] = rows;
            offset_[t + 1] = offset_[t] + rows;
        }
        cut();
        p.original = original_.data(), p.length = length_.data();
        p.active = active_.data(), p.offset = offset_.data(), p.chunk = chunk_.data();
        p.gate_stride = stride(sizes.gate_row, rows_total());
        p.cell_stride = stride(sizes.cell_row, rows_total());
    }
    Plan(const Plan&) = delete;
    Plan& operator=(const Plan&) = delete;

    std::int64_t rows_total() const { return offset_[p.visits]; }

    /// Where forward keeps what backward needs, in the memory that saved_numbers asks for.
    void keep(T* saved) {
        if (saved == nullptr) return;
        p.gates = saved;
        saved += sizes.panels * p.gate_stride;
        p.cells = sizes.cell_row > 0 ? saved : nullptr;
        if (p.norm_hh == nullptr) return;
        p.normed_ih = saved + sizes.panels * p.cell_stride;
        p.normed_hh = p.normed_ih + sizes.panels * p.gate_stride;
        p.scales = p.normed_hh + sizes.panels * p.gate_stride;
    }

    /// From panel to panel: an odd number of cache lines, lest all panels of a row share the sets of a cache.
    static std::int64_t stride(std::int64_t row, std::int64_t rows) {
        if (row == 0) return 0;
        constexpr std::int64_t kLine = kLineBytes / sizeof(T);
        return ((row * rows + kLine - 1) / kLine | 1) * kLine;
    }

    /// Sorted rows in slices of about equal work, one a part.
    std::vector<std::int64_t> slices(std::int64_t parts) const {
        std::vector<std::int64_t> bounds{0};
        std::int64_t work = 0;
        for (std::int64_t r = 0; r < p.batch; ++r) {
            work += length_[r];
            const auto part = static_cast<std::int64_t>(bounds.size());
            if (part < parts && work * parts >= rows_total() * part) bounds.push_back(r + 1);
        }
        if (bounds.back() != p.batch) bounds.push_back(p.batch);
        return bounds;
    }

    /// Threads that are worth waking for a forward pass.
    std::int64_t parts(int threads) const {
        const double gates = static_cast<double>(sizes.gate_row) * static_cast<double>(sizes.panels);
        const double work =
            static_cast<double>(rows_total()) * gates * static_cast<double>(p.input_size + p.hidden_size);
        return std::max<std::int64_t>(1, std::min<std::int64_t>(threads, static_cast<std::int64_t>(work / kPartWork)));
    }

    Problem<T>& p;
    const Kernels<T> kernels;
    const Sizes sizes;

private:
    void sort(const std::int64_t* counts) {
        original_.resize(p.batch);
        std::iota(original_.begin(), original_.end(), 0);
        length_.assign(p.batch, p.steps);
        if (counts == nullptr) return;
        std::stable_sort(original_.begin(), original_.end(), [&](auto a, auto b) { return counts[a] > counts[b]; });
        for (std::int64_t r = 0; r < p.batch; ++r) {
            length_[r] = counts[original_[r]];
            if (length_[r] < 0 || length_[r] > p.steps) throw std::invalid_argument("a count is not within the steps");
        }
    }

    void cut() {
        const std::int64_t bytes = sizes.panels * sizes.gate_row * static_cast<std::int64_t>(sizeof(T));
        const std::int64_t enough = std::clamp<std::int64_t>(kChunkBytes / bytes, kChunkRows, 4096);
        chunk_.push_back(0);
        p.chunk_rows = 0;
        for (std::int64_t t = 1; t <= p.visits; ++t) {
            const std::int64_t rows = offset_[t] - offset_[chunk_.back()];
            if (rows < enough && t < p.visits) continue;
            chunk_.push_back(t);
            p.chunk_rows = std::max(p.chunk_rows, rows);
        }
        p.chunks = static_cast<std::int64_t>(chunk_.size()) - 1;
    }

    /// Where the random numbers of zoneout begin, row by row.
    void draw(Zoneout& zoneout, int which) {
        if (zoneout.rate == 0 || zoneout.keys == nullptr) return;
        const std::uint64_t shift = (2 * static_cast<std::uint64_t>(zoneout.stream) + 1) * kGolden;
        random_[which].resize(p.batch);
        for (std::int64_t r = 0; r < p.batch; ++r)
            random_[which][r] = mixed(static_cast<std::uint64_t>(zoneout.keys[original_[r]]) + shift);
        zoneout.random = random_[which].data();
    }

    std::vector<std::uint64_t> random_[2];
    std::vector<std::int64_t> original_, length_, active_, offset_, chunk_;
};

/// Calls work(part) for all parts, by up to as many threads.
template <class Work>
void each_part(std::int64_t parts, std::int64_t threads, const Work& work) {
    if (threads <= 1 || parts <= 1) {
        for (std::int64_t part = 0; part < parts; ++part) work(part);
        return;
    }
    const auto job = std::make_shared<Job>(work, parts);
    Helpers::here().offer(job, static_cast<int>(std::min(threads, parts)) - 1);
    job->help();
    job->wait();
}

template <class T>
void run_forward(CellKind kind, Problem<T>& p, const std::int64_t* counts, T* saved, int threads) {
    Plan<T> plan(kind, p, counts);
    plan.keep(saved);
    const Workspace packed(plan.sizes.packed * static_cast<std::int64_t>(sizeof(T)));
    plan.kernels.pack(p, packed.as<T>());
    const std::int64_t parts = plan.parts(threads);
    const auto bounds = plan.slices(parts);
    each_part(static_cast<std::int64_t>(bounds.size()) - 1, parts, [&](std::int64_t part) {
        const Workspace memory(plan.kernels.forward_memory(p, bounds[part + 1] - bounds[part]));
        plan.kernels.forward(p, packed.as<T>(), bounds[part], bounds[part + 1], memory.as());
    });
}

template <class T>
void run_backward(CellKind kind, Problem<T>& p, const std::int64_t* counts, T* saved, int threads) {
    Plan<T> plan(kind, p, counts);
    plan.keep(saved);
    const Kernels<T>& kernels = plan.kernels;
    const std::int64_t panels = plan.sizes.panels, size = sizeof(T);
    const Workspace packed(plan.sizes.packed_backward * size), sums(plan.sizes.sums * size);
    kernels.pack_backward(p, packed.as<T>());
    const std::int64_t parts = plan.parts(threads);
    bool weights = false;
    for (const T* wanted : {p.dw_ih, p.dw_hh, p.db_ih, p.db_hh, p.dw_hr, p.dnorm_ih, p.dnorm_hh, p.dnorm_c,
                            p.dnorm_c_bias, p.dw_ch})
        weights |= wanted != nullptr;
    if (p.chunks == 0) std::memset(sums.as(), 0, plan.sizes.sums * size);

    const bool fused = parts == 1;  // then a chunk's gradients are used while they are still in the cache
    const std::int64_t stride = Plan<T>::stride(plan.sizes.gate_row, fused ? p.chunk_rows : plan.rows_total());
    const std::int64_t kept = p.w_hr == nullptr ? 0 : (fused ? p.chunk_rows : plan.rows_total()) * p.output_size;
    const std::int64_t regions = plan.sizes.regions * panels * stride;
    const Workspace gates((regions + kept) * size);
    const auto first_row = [&](std::int64_t chunk) { return fused ? p.offset[p.chunk[chunk]] : 0; };
    const auto from_chunk = [&](std::int64_t chunk) {
        return gates.as<T>() + (p.offset[p.chunk[chunk]] - first_row(chunk)) * plan.sizes.gate_row;
    };
    const auto inputs = [&](std::int64_t chunk, char* memory) {
        if (p.dx.data != nullptr) kernels.input_gradient(p, packed.as<T>(), chunk, from_chunk(chunk), stride, memory);
    };
    const auto weigh = [&](std::int64_t chunk, std::int64_t begin, std::int64_t end, char* memory) {
        const std::int64_t row = p.offset[p.chunk[chunk]] - first_row(chunk);
        const T* dh = gates.as<T>() + regions + row * p.output_size;
        if (weights) kernels.weight_gradient(p, chunk, begin, end, from_chunk(chunk), stride, dh, sums.as<T>(), memory);
    };

    const auto bounds = plan.slices(parts);
    each_part(static_cast<std::int64_t>(bounds.size()) - 1, parts, [&](std::int64_t part) {
        const std::int64_t begin = bounds[part], end = bounds[part + 1];
        const Workspace memory(kernels.backward_memory(p, end - begin)), more(fused ? kernels.gradient_memory(p) : 0);
        for (std::int64_t chunk = std::max<std::int64_t>(p.chunks, 1) - 1; chunk >= 0; --chunk) {
            kernels.backward(p, packed.as<T>(), begin, end, chunk, gates.as<T>(), stride,
                             p.chunks > 0 ? first_row(chunk) : 0, memory.as());
            if (!fused || p.chunks == 0) continue;
            inputs(chunk, more.as());
            weigh(chunk, 0, panels, more.as());
        }
    });
    if (fused) {
        if (weights) kernels.unpack(p, 0, panels, sums.as<T>());
        return;
    }
    // Each number of a weight's gradient is summed by one thread, chunk by chunk: the same bits on any number of them.
    const std::int64_t groups = weights ? std::min(panels, 4 * parts) : 0;
    const std::int64_t input_parts = p.dx.data == nullptr ? 0 : p.chunks;
    each_part(groups + input_parts, parts, [&](std::int64_t part) {
        const Workspace memory(kernels.gradient_memory(p));
        if (part >= groups) return inputs(part - groups, memory.as());
        const std::int64_t begin = panels * part / groups, end = panels * (part + 1) / groups;
        for (std::int64_t chunk = p.chunks - 1; chunk >= 0; --chunk) weigh(chunk, begin, end, memory.as());
        kernels.unpack(p, begin, end, sums.as<T>());
    });
}

}  // namespace timesteps
