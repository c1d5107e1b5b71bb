// The kernels of one instruction set and number type. A file that defines TIMESTEPS_TARGET, TIMESTEPS_BYTES (of a
// register) and TIMESTEPS_NUMBER, and includes this one, is compiled with that set's flags.
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
#include "backward_regularised.h"
#include "forward_regularised.h"
#include "gains.h"
#include "gradients.h"
#include "pack.h"
#include "products.h"

namespace timesteps::TIMESTEPS_TARGET {

template <class T>
Sizes sizes_of(const Problem<T>& p) {
    const Layout<T> l(p);
    const Cell<T>& cell = l.cell;
    return {.panels = l.panels,
            .gate_row = l.gate_row(),
            .kept_row = cell.keeps_gates ? l.gate_row() : 0,
            .cell_row = cell.has_cells ? l.W : 0,
            .blocks = l.blocks(l.hidden),
            .packed = l.packed(),
            .packed_backward = l.packed_backward(),
            .sums = l.packed(),
            .regions = l.regions(),
            .recurrent = cell.GH > 0,
            .one_product = cell.GH > 0 && !cell.two_stages && !cell.projected && !cell.regularised};
}

template <class T>
Kernels<T> kernels_of(const Cell<T>& cell) {
    using P = Problem<T>;
    return {
        .cell = &cell,
        .sizes = sizes_of<T>,
        .forward_memory =
            [](const P& p, Index rows) {
                Arena arena(nullptr);
                ForwardMemory<T>(Layout<T>(p), p, rows, arena);
                return arena.counted();
            },
        .backward_memory =
            [](const P& p) {
                Arena arena(nullptr);
                BackwardMemory<T>(Layout<T>(p), p, 0, arena);
                return arena.counted();
            },
        .gradient_memory =
            [](const P& p) {
                Arena arena(nullptr);
                GradientMemory<T>(Layout<T>(p), p, arena);
                return arena.counted();
            },
        .pack =
            [](const P& p, Index begin, Index end, T* packed) {
                pack(p, begin, end, packed);
                const Layout<T> l(p);
                if (l.cell.regularised) pack_gains(p, begin, end, packed + l.gains());
            },
        .pack_backward =
            [](const P& p, Index begin, Index end, T* packed) {
                pack_backward(p, begin, end, packed);
                const Layout<T> l(p);
                if (l.cell.regularised) pack_gains(p, begin, end, packed + l.gains_backward());
            },
        .forward = [](const P& p, const T* packed, Index begin, Index end,
                      char* memory) { Forward<T>(p, packed, begin, end, Arena(memory)).run(); },
        .forward_enter = [](const P& p, const T* packed,
                            char* memory) { Forward<T>(p, packed, 0, p.batch, Arena(memory)).enter(); },
        .forward_gather =
            [](const P& p, const T* packed, Index chunk, char* memory) {
                Forward<T>(p, packed, 0, p.batch, Arena(memory)).gather(p.chunk[chunk], p.chunk[chunk + 1]);
            },
        .forward_blocks =
            [](const P& p, const T* packed, Index chunk, Index visit, Index begin, Index end, char* memory) {
                Forward<T>(p, packed, 0, p.batch, Arena(memory)).run_blocks(chunk, visit, begin, end);
            },
        .forward_leave = [](const P& p, const T* packed,
                            char* memory) { Forward<T>(p, packed, 0, p.batch, Arena(memory)).leave(); },
        .backward_enter = [](const P& p, const T* packed, Index begin, Index end,
                             char* memory) { Backward<T>(p, packed, begin, end, Arena(memory)).enter(); },
        .backward =
            [](const P& p, const T* packed, Index begin, Index end, Index chunk, T* gates, Index stride, char* memory) {
                Backward<T>(p, packed, begin, end, Arena(memory)).run(chunk, gates, stride);
            },
        .backward_leave = [](const P& p, const T* packed, Index begin, Index end,
                             char* memory) { Backward<T>(p, packed, begin, end, Arena(memory)).leave(); },
        .backward_blocks =
            [](const P& p, const T* packed, Index chunk, Index visit, Index begin, Index end, T* gates, Index stride,
               char* memory) {
                Backward<T>(p, packed, 0, p.batch, Arena(memory)).run_blocks(chunk, visit, begin, end, gates, stride);
            },
        .input_gradient = input_gradient<T>,
        .weight_gradient = weight_gradient<T>,
        .unpack =
            [](const P& p, Index begin, Index end, const T* sums) {
                unpack(p, begin, end, sums);
                const Layout<T> l(p);
                if (l.cell.regularised) unpack_gains(p, begin, end, sums + l.gains());
            },
    };
}

template <class Of>
constexpr Cell<typename Of::T> kPlain = cell_of<Of>();
template <class Of>
constexpr Cell<typename Of::T> kRegular = regularised<Of>();

template <class T>
constexpr Cell<T> projected(Cell<T> cell) {
    cell.projected = true;
    return cell;
}
template <class T>
constexpr Cell<T> kLstmRegularisedProjected = projected(cell_of<LstmRegularised<T, kWidth<T>>>());

template <class T>
const Cell<T>& cell_for(CellKind kind, Index hidden, bool regularised) {
    constexpr int W = kWidth<T>;
    const auto either = [&]<class Of>() -> const Cell<T>& { return regularised ? kRegular<Of> : kPlain<Of>; };
    switch (kind) {
        case kLstm:
            return regularised ? kPlain<LstmRegularised<T, W>> : kPlain<Lstm<T, W>>;
        case kLstmProjected:
            return regularised ? kLstmRegularisedProjected<T> : kPlain<LstmProjected<T, W>>;
        case kGruAfter:
            return either.template operator()<GruAfter<T, W>>();
        case kGruBefore:
            return either.template operator()<GruBefore<T, W>>();
        case kLinear:
            return kPlain<Linear<T, W, Given>>;
        case kMinGru:
            return kPlain<Linear<T, W, MinGru>>;
        case kMinLstm:
            return kPlain<Linear<T, W, MinLstm>>;
        default:
            break;
    }
    if constexpr (sizeof(T) == sizeof(float)) {  // wide panels where they do not waste more than a sixth of the work
        const auto padded = [&](Index units) { return (hidden + units - 1) / units * units; };
        if (padded(4 * W) * 6 <= padded(W) * 7) return either.template operator()<Elman<T, W, 4>>();
        if (padded(2 * W) * 6 <= padded(W) * 7) return either.template operator()<Elman<T, W, 2>>();
    }
    return either.template operator()<Elman<T, W, 1>>();
}

Kernels<TIMESTEPS_NUMBER> kernels(CellKind kind, Index hidden, bool regularised, TIMESTEPS_NUMBER) {
    return kernels_of(cell_for<TIMESTEPS_NUMBER>(kind, hidden, regularised));
}

}  // namespace timesteps::TIMESTEPS_TARGET
