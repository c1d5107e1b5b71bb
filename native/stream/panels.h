// What the step kernels of floats and of whole numbers share: how the gates of a layer lie in memory, in panels of W
// units of S slots each, and the walk over them.
#pragma once

#include "../recurrent/tiles.h"
#include "kernels.h"

namespace timesteps::TIMESTEPS_TARGET {

/// Biases (panels, S, W).
template <class Cell>
void pack_biases(Index panels, Index hidden, const StepWeights& weights, float* to) {
    constexpr Index W = Cell::W, S = Cell::S;
    const auto add = [&](Index slot, const float* bias, int gate) {
        for (Index unit = 0; unit < hidden; ++unit)
            to[(unit / W * S + slot) * W + unit % W] += bias[gate * hidden + unit];
    };
    for (Index n = 0; n < panels * S * W; ++n) to[n] = 0;
    for (int v = 0; v < Cell::GI; ++v) add(v, weights.b_ih, Cell::input_gate(v));
    for (int v = 0; v < Cell::GH; ++v) add(Cell::OH + v, weights.b_hh, Cell::recurrent_gate(v));
    if constexpr (Cell::kTwoStages) add(0, weights.b_hh, Cell::kSecondGate);
}

/// Calls work(forward step, unit) for the panels of a row, as if they were rows of one panel.
template <class Cell, class Work>
TIMESTEPS_ALWAYS void each_panel(Index panels, Index option, const StepRow& row, const Work& work) {
    constexpr Index W = Cell::W, S = Cell::S, kBlock = 16;
    float nowhere[W];  // outputs are wanted in the state alone
    float* outputs[kBlock];
    for (Index n = 0; n < (panels < kBlock ? panels : kBlock); ++n) outputs[n] = nowhere;
    for (Index panel = 0; panel < panels; panel += kBlock) {
        const Index unit = panel * W, left = panels - panel;
        work(ForwardStep<float>{.gates = row.gates + panel * S * W,
                                .c = Cell::kHasCells ? row.c + unit : nullptr,
                                .h_in = row.h + unit,
                                .h_out = row.h + unit,
                                .y = outputs,
                                .saved_c = nullptr,
                                .rows = left < kBlock ? left : kBlock,
                                .h_stride = W,
                                .unit = 0,
                                .units = W,
                                .option = option,
                                .keep = false,
                                .regulars = nullptr},
             unit);
    }
}

}  // namespace timesteps::TIMESTEPS_TARGET
