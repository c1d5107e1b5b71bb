// What forward kept for backward, as arrays to look at: units in order, a row a step, each where the caller wants it.
#pragma once

#include <cstring>

#include "../past_cache.h"
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

/// Copies `units` numbers of which each panel of `wide` has a part, `stride` from panel to panel; many of them `far`.
/// kWide is `wide` where it is known: a call of memcpy would take longer than the copy.
template <std::int64_t kWide, class T>
void gather(T* to, const T* from, std::int64_t units, std::int64_t wide, std::int64_t stride, bool far) {
    if constexpr (kWide > 0) {
        wide = kWide;
        if (far && may_go_past_cache(to))
            for (; units >= wide; to += wide, from += stride, units -= wide)
                copy_past_cache<kWide * sizeof(T)>(to, from);
    }
    for (; units >= wide; to += wide, from += stride, units -= wide)
        std::memcpy(to, from, static_cast<std::size_t>(wide) * sizeof(T));
    std::memcpy(to, from, static_cast<std::size_t>(units) * sizeof(T));
}

template <std::int64_t kWide, class T>
void show_steps(const Plan<T>& plan, std::int64_t slots, std::int64_t wide, const Shown<T>& shown) {
    const Problem<T>& p = plan.p;
    const std::int64_t hidden = p.hidden_size, gate_row = plan.sizes.gate_row;
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
            const T* gates = p.gates + packed * gate_row;
            for (std::int64_t slot = 0; slot < slots; ++slot)
                if (T* const to = shown.gates[slot])
                    gather<kWide>(to + row * hidden, gates + slot * wide, hidden, wide, p.gate_stride, p.far);
            if (slots > 0 && p.cells != nullptr && shown.cells != nullptr)
                gather<kWide>(shown.cells + row * hidden, p.cells + packed * wide, hidden, wide, p.cell_stride, p.far);
        }
}

/// `saved` is what run_forward filled, without `every`; p.y are its outputs.
template <class T>
void show_kept(CellKind kind, Problem<T>& p, const std::int64_t* counts, T* saved, const Shown<T>& shown) {
    Plan<T> plan(kind, p, counts, 0);
    plan.keep(saved);
    const std::int64_t slots = slots_of(kind), wide = slots == 0 ? 0 : plan.sizes.gate_row / slots;
    constexpr std::int64_t kShort = kPastCacheBytes / sizeof(T);
    const auto show = wide == 4 * kShort   ? show_steps<4 * kShort, T>
                      : wide == 2 * kShort ? show_steps<2 * kShort, T>
                      : wide == kShort     ? show_steps<kShort, T>
                                           : show_steps<0, T>;
    show(plan, slots, wide, shown);
    end_past_cache();
}

}  // namespace timesteps
