// What passes between the streaming engine, which every processor runs, and the kernels of one instruction set: one
// time step of one recurrent layer, for one stream or a few. Plain data, for the reason that recurrent/problem.h gives.
#pragma once

#include <cstdint>

#include "../recurrent/problem.h"

namespace timesteps {

/// One layer in one direction. Without `product` the gates' share of the input is looked up: see `pack_table`.
struct StepShape {
    std::int64_t input_size, hidden_size, option;
    bool product;
    bool norm = false, peephole = false;  // layer norm; peephole connections
    double zone_h = 0, zone_c = 0;        // zoneout of h and c, its expectation

    bool regular() const { return norm || peephole || zone_h > 0 || zone_c > 0; }
};

/// Weights as torch has them. Kernels of whole numbers read q and s in the place of w: w = s[row] q[row].
struct StepWeights {
    const float *w_ih, *w_hh, *b_ih, *b_hh;
    const std::int8_t *q_ih, *q_hh;
    const float *s_ih, *s_hh;
    const float *norm_ih, *norm_hh, *norm_c, *norm_c_bias, *w_ch;  // null without layer norm or peephole
};

/// One stream. States have padded(hidden_size) numbers, zeros behind the units, and are replaced.
struct StepRow {
    const float* start;  // what the gates begin with: a row of the table, or null for the biases
    const float* x;      // (input_size); not read without `product`
    float *h, *c;
    float *gates, *reset;  // memory to work in: `work` numbers, padded(hidden_size) numbers
};

/// The kernels of one cell and instruction set. How weights are packed is theirs alone: another representation of
/// weights is another set of these functions.
struct StepKernels {
    std::int64_t (*packed_bytes)(const StepShape&);
    std::int64_t (*gates)(const StepShape&);  // numbers of a row of the table
    std::int64_t (*work)(const StepShape&);   // … of StepRow::gates, which begins with the gates
    void (*pack)(const StepShape&, const StepWeights&, void* packed);
    /// Row k, of `gates` numbers: the gates' share of a one-hot input with its one at k, biases included. `work`
    /// numbers of memory to work in, zeros.
    void (*pack_table)(const StepShape&, const StepWeights&, const void* packed, float* work, float* table);
    void (*step)(const StepShape&, const void* packed, const StepRow* rows, std::int64_t count);
};

/// States are padded to so many numbers: whole vectors of every instruction set.
constexpr std::int64_t kPadding = 16;

}  // namespace timesteps
