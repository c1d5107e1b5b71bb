#include "sequences.h"

#include <algorithm>

namespace timesteps {

namespace {

/// Rows first … first + count - 1 of the batch, kBlock at the most: weights stay in the cache while these step.
void run_block(const Direction& direction, const Sequences& s, std::int64_t first, std::int64_t count, float* memory) {
    const StepShape& shape = direction.shape;
    const std::int64_t units = static_cast<std::int64_t>(direction.h0.size()), each = 3 * units + direction.work;
    const auto state = [&](std::int64_t row) { return memory + (row - first) * each; };
    std::int64_t longest = 0;
    for (std::int64_t row = first; row < first + count; ++row) {
        direction.begin(state(row), state(row) + units);
        longest = std::max(longest, s.lengths[row]);
    }
    for (std::int64_t visit = 0; visit < longest; ++visit) {
        StepRow rows[Network::kBlock];
        float* outputs[Network::kBlock];
        std::int64_t active = 0;
        for (std::int64_t row = first; row < first + count; ++row) {
            if (s.lengths[row] <= visit) continue;
            const std::int64_t t = s.reverse ? s.lengths[row] - 1 - visit : visit, place = t * s.batch + row;
            float* h = state(row);
            const float* start =
                shape.product ? nullptr
                              : reinterpret_cast<const float*>(direction.table.get()) + s.ids[place] * direction.gates;
            rows[active] = {start, shape.product ? s.x + place * shape.input_size : nullptr,
                            h,     h + units,
                            h + 3 * units, h + 2 * units};
            outputs[active++] = s.y + place * s.stride;
        }
        direction.kernels.step(shape, direction.packed.get(), rows, active);
        for (std::int64_t row = 0; row < active; ++row) std::copy_n(rows[row].h, shape.hidden_size, outputs[row]);
    }
}

}  // namespace

void run_sequences(const Direction& direction, const Sequences& s) {
    const std::int64_t units = static_cast<std::int64_t>(direction.h0.size());
    const Memory memory = zeros(std::min(s.batch, Network::kBlock) * (3 * units + direction.work) * sizeof(float));
    for (std::int64_t first = 0; first < s.batch; first += Network::kBlock)
        run_block(direction, s, first, std::min(s.batch - first, Network::kBlock),
                  reinterpret_cast<float*>(memory.get()));
}

}  // namespace timesteps
