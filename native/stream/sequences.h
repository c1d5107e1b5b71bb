// A layer over whole sequences by the kernels of single steps: for weights that recurrent/ has no kernels for.
#pragma once

#include "network.h"

namespace timesteps {

/// x (steps, batch, input size), or, of one-hot inputs, ids (steps, batch); y (steps, batch, stride), of which the
/// row's steps are written from `y` on. Rows have `lengths` (batch) steps; backward they are read from their ends.
struct Sequences {
    const float* x;
    const std::int32_t* ids;
    const std::int64_t* lengths;
    std::int64_t steps, batch;
    float* y;
    std::int64_t stride;
    bool reverse;
};

/// A row's bits do not depend on the rows beside it.
void run_sequences(const Direction& direction, const Sequences& s);

}  // namespace timesteps
