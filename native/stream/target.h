// The streaming kernels of one instruction set; see recurrent/target.h.
#pragma once

#include "../recurrent/problem.h"
#include "../recurrent/vectors.h"
// The cells need what a step is.
#include "../recurrent/cells/steps.h"
// One line a cell.
#include "../recurrent/cells/elman.h"
#include "../recurrent/cells/gru.h"
#include "../recurrent/cells/linear.h"
#include "../recurrent/cells/lstm.h"
#include "../recurrent/cells/lstm_regularised.h"
#include "regular.h"

namespace timesteps::TIMESTEPS_TARGET {

StepKernels step_kernels(CellKind kind, const StepShape& shape) {
    constexpr int W = TIMESTEPS_BYTES / sizeof(float);
    if (shape.regular()) return regular_kernels<W>(kind, shape.hidden_size);
    switch (kind) {
        case kLstm:
            return step_kernels_of<Lstm<float, W>>();
        case kGruAfter:
            return step_kernels_of<GruAfter<float, W>>();
        case kGruBefore:
            return step_kernels_of<GruBefore<float, W>>();
        case kMinGru:
            return step_kernels_of<Linear<float, W, MinGru>>();
        case kMinLstm:
            return step_kernels_of<Linear<float, W, MinLstm>>();
        default:
            return step_kernels_of<Elman<float, W, 1>>();
    }
}

/// y (outputs) = bias + weight x: four sums a row of the weight, which are added up in a fixed order.
void dense(const float* weight, const float* bias, const float* x, Index outputs, Index width, float* y) {
    constexpr Index W = TIMESTEPS_BYTES / sizeof(float);
    using V = Vector<float, W>;
    for (Index output = 0; output < outputs; ++output, weight += width) {
        V sums[4]{};
        Index k = 0;
        for (; k + 4 * W <= width; k += 4 * W)
#pragma GCC unroll 4
            for (Index n = 0; n < 4; ++n) sums[n] += load<V>(weight + k + n * W) * load<V>(x + k + n * W);
        for (; k < width; k += W) sums[0] += load<V>(weight + k) * load<V>(x + k);
        const V sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
        float total = bias[output];
        for (Index lane = 0; lane < W; ++lane) total += sum[lane];
        y[output] = total;
    }
}

}  // namespace timesteps::TIMESTEPS_TARGET
