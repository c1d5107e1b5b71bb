// One call of a recurrent layer: rows sorted by length, visits cut into chunks.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "../dropout.h"
#include "targets.h"

namespace timesteps {

constexpr std::int64_t kChunkRows = 192;         // at least so many rows share a product with the inputs' weights …
constexpr std::int64_t kChunkBytes = 256 << 10;  // … or as many as have so many bytes of gates
constexpr std::int64_t kLineBytes = 64;          // of a cache
constexpr std::int64_t kNearBytes = 512 << 10;   // that a core's own cache surely has
constexpr double kPartWork = 2e6;                // multiplications that are worth another thread
constexpr std::int64_t kPointWork = 8;           // … and that a gate is worth that has no recurrent product
constexpr double kVisitWork = 6e4;               // … and those of one visit that are worth waiting for each other

/// The problem gets the cell that the kernels are for.
template <class T>
Sizes sizes_of(const Kernels<T>& kernels, Problem<T>& p) {
    p.cell = kernels.cell;
    return kernels.sizes(p);
}

/// The order of rows, the packing, and the chunks of one batch.
template <class T>
class Plan {
public:
    /// With `every`, gates are not kept from forward to backward, only states so many visits apart, or a few more.
    Plan(CellKind kind, Problem<T>& problem, const std::int64_t* counts, std::int64_t every)
        : p(problem),
          kernels(timesteps::kernels(kind, problem.hidden_size, is_regularised(problem), T{})),
          sizes(sizes_of(kernels, problem)) {
        if (every > 0 && is_regularised(problem))
            throw std::invalid_argument("a regularised cell keeps all of its steps");
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
        part(every);
        p.original = original_.data(), p.length = length_.data();
        p.active = active_.data(), p.offset = offset_.data(), p.chunk = chunk_.data();
        p.mark = mark_.data();
        p.far = rows_total() * (p.input_size + p.output_size) * static_cast<std::int64_t>(sizeof(T)) > kNearBytes;
        p.gate_stride = stride(sizes.kept_row, segment_rows_);
        p.cell_stride = stride(sizes.cell_row, segment_rows_);
        p.last_chunk = p.chunks, p.c_first = p.c0;
    }
    Plan(const Plan&) = delete;
    Plan& operator=(const Plan&) = delete;

    std::int64_t rows_total() const { return offset_[p.visits]; }

    /// Numbers of a segment's gates and cells, and of what layer norm keeps besides.
    std::int64_t kept_numbers() const {
        const std::int64_t normed = p.norm_hh == nullptr ? 0 : 2 * sizes.panels * p.gate_stride + kScales * rows_total();
        return sizes.panels * (p.gate_stride + p.cell_stride) + normed;
    }

    /// Where forward keeps what backward needs, in the memory that was asked for: saved_numbers, or that of the marks.
    void keep(T* saved) {
        if (again_) p.marks = saved;
        else if (saved != nullptr) hold(p, saved);
    }

    void hold(Problem<T>& p, T* saved) const {
        p.gates = sizes.kept_row > 0 ? saved : nullptr;
        saved += sizes.panels * p.gate_stride;
        p.cells = sizes.cell_row > 0 ? saved : nullptr;
        if (p.norm_hh == nullptr) return;
        p.normed_ih = saved + sizes.panels * p.cell_stride;
        p.normed_hh = p.normed_ih + sizes.panels * p.gate_stride;
        p.scales = p.normed_hh + sizes.panels * p.gate_stride;
    }

    /// Whether backward has to make gates again.
    bool again() const { return again_; }

    /// The problem of each segment, which ask for memory for their gates.
    std::vector<Problem<T>> segments() const {
        std::vector<Problem<T>> segments;
        for (std::size_t n = 0; n + 1 < segment_.size(); ++n) {
            Problem<T> segment = p;
            segment.first_chunk = segment_[n], segment.last_chunk = segment_[n + 1];
            if (again_) segment.hn = segment.cn = nullptr;  // they are there
            segment.first = chunk_[segment.first_chunk], segment.first_row = offset_[segment.first];
            if (n > 0 && p.marks != nullptr) segment.c_first = p.marks + (n - 1) * p.batch * p.hidden_size;
            segments.push_back(segment);
        }
        return segments;
    }

    /// From panel to panel: an odd number of cache lines, lest all panels of a row share the sets of a cache.
    static std::int64_t stride(std::int64_t row, std::int64_t rows) {
        if (row == 0) return 0;
        constexpr std::int64_t kLine = kLineBytes / sizeof(T);
        return ((row * rows + kLine - 1) / kLine | 1) * kLine;
    }

    /// The sorted rows that are active at visits first … last - 1, in slices of about equal work, one a part.
    std::vector<std::int64_t> slices(std::int64_t first, std::int64_t last, std::int64_t parts) const {
        const std::int64_t rows = first < p.visits ? active_[first] : 0, all = offset_[last] - offset_[first];
        std::vector<std::int64_t> bounds{0};
        std::int64_t work = 0;
        for (std::int64_t r = 0; r < rows; ++r) {
            work += std::min(length_[r], last) - first;
            const auto part = static_cast<std::int64_t>(bounds.size());
            if (part < parts && work * parts >= all * part) bounds.push_back(r + 1);
        }
        if (bounds.back() != rows) bounds.push_back(rows);
        return bounds;
    }

    /// Whether a call is cut by hidden units, each thread keeping its part of the weights, instead of rows.
    bool by_units(int workers) const {
        return workers > 1 && p.batch <= kFewRows && sizes.blocks > 1 && sizes.one_product && p.mask == nullptr &&
               p.starts == nullptr && visit_work() * static_cast<double>(p.batch) >= kVisitWork;
    }

    /// Threads that are worth having for a forward pass.
    int workers(int threads) const {
        const std::int64_t inputs = sizes.recurrent || p.w_ih != nullptr ? p.input_size : 0;
        const std::int64_t row = sizes.gate_row * sizes.panels * (inputs + (sizes.recurrent ? p.hidden_size : kPointWork));
        const double work = static_cast<double>(rows_total()) * static_cast<double>(row) / kPartWork;
        return std::max(1, static_cast<int>(std::min<double>(threads, work)));
    }

    Problem<T>& p;
    const Kernels<T> kernels;
    const Sizes sizes;

private:
    /// Multiplications of a row's recurrent product.
    double visit_work() const {
        return static_cast<double>(sizes.gate_row * sizes.panels) * static_cast<double>(p.hidden_size);
    }

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

    /// Segments end with chunks, so that recomputing changes no sum's order.
    void part(std::int64_t every) {
        again_ = every > 0 && sizes.kept_row > 0;  // an Elman network keeps no gates anyway
        mark_.assign(p.chunks, -1);
        segment_.push_back(0);
        for (std::int64_t chunk = 1; chunk < p.chunks && again_; ++chunk) {
            if (chunk_[chunk] - chunk_[segment_.back()] < every) continue;
            mark_[chunk] = static_cast<std::int64_t>(segment_.size()) - 1;
            segment_.push_back(chunk);
        }
        segment_.push_back(p.chunks);
        for (std::size_t n = 0; n + 1 < segment_.size(); ++n)
            segment_rows_ = std::max(segment_rows_, offset_[chunk_[segment_[n + 1]]] - offset_[chunk_[segment_[n]]]);
    }

    std::vector<std::uint64_t> random_[2];
    std::vector<std::int64_t> original_, length_, active_, offset_, chunk_, segment_, mark_;
    std::int64_t segment_rows_ = 0;
    bool again_ = false;
};

}  // namespace timesteps
