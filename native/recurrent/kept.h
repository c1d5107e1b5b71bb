// What forward kept for backward, as arrays to look at: units in order, a row a step, each where the caller wants it.
#pragma once

#include <cstring>

#include "plan.h"

namespace timesteps {

/// Slots of a panel that hold gates, in the order of the cells' headers; none where the gates are not kept one by one.
constexpr std::int64_t slots_of(CellKind kind) {
    switch (kind) {
        case kLstm:
        case kLstmProjected:
        case kGruAfter:
            return 4;
        case kGruBefore:
        case kMinLstm:
            return 3;
        case kLinear:
        case kMinGru:
            return 2;
        default:
            return 0;
    }
}

/// Arrays (rows, units); null where one is not wanted. The row of a step is places[its row of the batch] + its time.
template <class T>
struct Shown {
    const std::int64_t* places;
    T *outputs, *cells;
    T* gates[4];
};

/// `saved` is what run_forward filled, without `every`; p.y are its outputs.
template <class T>
void show_kept(CellKind kind, Problem<T>& p, const std::int64_t* counts, T* saved, const Shown<T>& shown) {
    Plan<T> plan(kind, p, counts, 0);
    plan.keep(saved);
    const std::int64_t slots = slots_of(kind), hidden = p.hidden_size;
    const std::int64_t gate_row = plan.sizes.gate_row, wide = slots == 0 ? 0 : gate_row / slots;
    const auto copy = [&](T* to, std::int64_t row, const T* from, std::int64_t panel) {
        if (to == nullptr) return;
        const std::int64_t first = panel * wide, units = std::min(wide, hidden - first);
        std::memcpy(to + row * hidden + first, from, static_cast<std::size_t>(units) * sizeof(T));
    };
    for (std::int64_t t = 0; t < p.visits; ++t)
        for (std::int64_t r = 0; r < p.active[t]; ++r) {
            const std::int64_t b = p.original[r], packed = p.offset[t] + r;
            const std::int64_t time = p.order != nullptr ? p.order[b * p.steps + t]
                                      : p.direction > 0  ? t
                                                         : p.length[r] - 1 - t;
            const std::int64_t row = shown.places[b] + time;
            if (shown.outputs != nullptr)
                std::memcpy(shown.outputs + row * p.output_size, p.y.data + b * p.y.row + time * p.y.step,
                            static_cast<std::size_t>(p.output_size) * sizeof(T));
            for (std::int64_t panel = 0; panel < (wide == 0 ? 0 : plan.sizes.panels); ++panel) {
                const T* gates = p.gates + panel * p.gate_stride + packed * gate_row;
                for (std::int64_t slot = 0; slot < slots; ++slot)
                    copy(shown.gates[slot], row, gates + slot * wide, panel);
                if (p.cells != nullptr) copy(shown.cells, row, p.cells + panel * p.cell_stride + packed * wide, panel);
            }
        }
}

}  // namespace timesteps
