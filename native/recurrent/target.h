// The kernels of one instruction set. A file that defines TIMESTEPS_TARGET and TIMESTEPS_BYTES (of a register) and
// includes this one is compiled with that set's flags.
#pragma once

#include "problem.h"
#include "vectors.h"
// The cells need what a step is.
#include "cells/steps.h"
// One line a cell.
#include "cells/elman.h"
#include "cells/gru.h"
#include "cells/linear.h"
#include "cells/lstm.h"
#include "cells/lstm_regularised.h"
#include "forward.h"
#include "gradients.h"
#include "products.h"

namespace timesteps::TIMESTEPS_TARGET {

template <class Cell>
Kernels<typename Cell::T> kernels_of() {
    using T = typename Cell::T;
    using P = Problem<T>;
    return {
        .sizes =
            [](const P& p) {
                const Layout<Cell> l(p);
                return Sizes{.panels = l.panels,
                             .gate_row = l.S * l.W,
                             .kept_row = kKeepsGates<Cell> ? l.S * l.W : 0,
                             .cell_row = Cell::kHasCells ? l.W : 0,
                             .blocks = l.blocks(l.hidden),
                             .packed = l.packed(),
                             .packed_backward = l.packed_backward(),
                             .sums = l.packed(),
                             .regions = l.kRegions,
                             .recurrent = Cell::GH > 0,
                             .one_product = Cell::GH > 0 && !Cell::kTwoStages && !Cell::kProjected &&
                                            !Cell::kRegularised};
            },
        .forward_memory =
            [](const P& p, Index rows) {
                Arena arena(nullptr);
                ForwardMemory<Cell>(p, rows, arena);
                return arena.counted();
            },
        .backward_memory =
            [](const P& p) {
                Arena arena(nullptr);
                BackwardMemory<Cell>(p, 0, arena);
                return arena.counted();
            },
        .gradient_memory =
            [](const P& p) {
                Arena arena(nullptr);
                GradientMemory<Cell>(p, arena);
                return arena.counted();
            },
        .pack =
            [](const P& p, Index begin, Index end, T* packed) {
                pack<typename Cell::Plain>(p, begin, end, packed);
                if constexpr (Cell::kRegularised) pack_gains<Cell>(p, begin, end, packed + Layout<Cell>(p).gains());
            },
        .pack_backward =
            [](const P& p, Index begin, Index end, T* packed) {
                pack_backward<typename Cell::Plain>(p, begin, end, packed);
                if constexpr (Cell::kRegularised)
                    pack_gains<Cell>(p, begin, end, packed + Layout<Cell>(p).gains_backward());
            },
        .forward = [](const P& p, const T* packed, Index begin, Index end,
                      char* memory) { Forward<Cell>(p, packed, begin, end, Arena(memory)).run(); },
        .forward_enter = [](const P& p, const T* packed,
                            char* memory) { Forward<Cell>(p, packed, 0, p.batch, Arena(memory)).enter(); },
        .forward_gather =
            [](const P& p, const T* packed, Index chunk, char* memory) {
                Forward<Cell>(p, packed, 0, p.batch, Arena(memory)).gather(p.chunk[chunk], p.chunk[chunk + 1]);
            },
        .forward_blocks =
            [](const P& p, const T* packed, Index chunk, Index visit, Index begin, Index end, char* memory) {
                Forward<Cell>(p, packed, 0, p.batch, Arena(memory)).run_blocks(chunk, visit, begin, end);
            },
        .forward_leave = [](const P& p, const T* packed,
                            char* memory) { Forward<Cell>(p, packed, 0, p.batch, Arena(memory)).leave(); },
        .backward_enter = [](const P& p, const T* packed, Index begin, Index end,
                             char* memory) { Backward<Cell>(p, packed, begin, end, Arena(memory)).enter(); },
        .backward =
            [](const P& p, const T* packed, Index begin, Index end, Index chunk, T* gates, Index stride, char* memory) {
                Backward<Cell>(p, packed, begin, end, Arena(memory)).run(chunk, gates, stride);
            },
        .backward_leave = [](const P& p, const T* packed, Index begin, Index end,
                             char* memory) { Backward<Cell>(p, packed, begin, end, Arena(memory)).leave(); },
        .backward_blocks =
            [](const P& p, const T* packed, Index chunk, Index visit, Index begin, Index end, T* gates, Index stride,
               char* memory) {
                Backward<Cell>(p, packed, 0, p.batch, Arena(memory))
                    .run_blocks(chunk, visit, begin, end, gates, stride);
            },
        .input_gradient =
            [](const P& p, const T* packed, Index chunk, Index begin, Index end, const T* gates, Index stride,
               char* memory) {
                if (p.norm_ih != nullptr) gates += kInputRegion * Layout<Cell>(p).panels * stride;
                input_gradient<typename Cell::Plain>(p, packed, chunk, begin, end, gates, stride, memory);
            },
        .weight_gradient = weight_gradient<Cell>,
        .unpack =
            [](const P& p, Index begin, Index end, const T* sums) {
                unpack<typename Cell::Plain>(p, begin, end, sums);
                if constexpr (Cell::kRegularised) unpack_gains<Cell>(p, begin, end, sums + Layout<Cell>(p).gains());
            },
    };
}

/// The cell itself, or what it is with regularisers.
template <class Cell, class Other = Regularised<Cell>>
Kernels<typename Cell::T> either(bool regularised) {
    return regularised ? kernels_of<Other>() : kernels_of<Cell>();
}

template <class T, int W>
Kernels<T> kernels_for(CellKind kind, Index hidden, bool regularised) {
    static_cast<void>(hidden);
    switch (kind) {
        case kLstm:
            return either<Lstm<T, W>, LstmRegularised<T, W>>(regularised);
        case kLstmProjected:
            return either<LstmProjected<T, W>, LstmRegularised<T, W, LstmProjected<T, W>>>(regularised);
        case kGruAfter:
            return either<GruAfter<T, W>>(regularised);
        case kGruBefore:
            return either<GruBefore<T, W>>(regularised);
        case kLinear:
            return kernels_of<Linear<T, W, Given>>();
        case kMinGru:
            return kernels_of<Linear<T, W, MinGru>>();
        case kMinLstm:
            return kernels_of<Linear<T, W, MinLstm>>();
        default:
            break;
    }
    if constexpr (sizeof(T) == sizeof(float)) {  // wide panels where they do not waste more than a sixth of the work
        const auto padded = [&](Index units) { return (hidden + units - 1) / units * units; };
        if (padded(4 * W) * 6 <= padded(W) * 7) return either<Elman<T, W, 4>>(regularised);
        if (padded(2 * W) * 6 <= padded(W) * 7) return either<Elman<T, W, 2>>(regularised);
    }
    return either<Elman<T, W, 1>>(regularised);
}

Kernels<float> float_kernels(CellKind kind, Index hidden, bool regularised) {
    return kernels_for<float, TIMESTEPS_BYTES / sizeof(float)>(kind, hidden, regularised);
}

Kernels<double> double_kernels(CellKind kind, Index hidden, bool regularised) {
    return kernels_for<double, TIMESTEPS_BYTES / sizeof(double)>(kind, hidden, regularised);
}

}  // namespace timesteps::TIMESTEPS_TARGET
