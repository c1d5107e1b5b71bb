// What a cell's pointwise functions get: the rows of one panel at one visit. A cell defines
//     S slots of W numbers in a panel, the first GI of them filled by the product with x, GH from OH on by that with h;
//     U vectors of hidden units in a panel; kGates row blocks in torch's weights, and which of them a product's slot
//     is; kTwoStages: a product that needs all units of the first stage; kProjected: h is a product of what forward
//     writes; kHasCells: a second state c; kDirect: h' depends on h not only through the product.
// It may define kGatesAreOutputs: what backward needs of the gates is h', so nothing is kept.
#pragma once

#include "../vectors.h"

namespace timesteps::TIMESTEPS_TARGET {

template <class Cell>
constexpr bool kKeepsGates = !requires { requires Cell::kGatesAreOutputs; };

template <class T>
struct ForwardStep {
    T* gates;                           // (rows, S, W) before activation; afterwards what backward needs, if `keep`
    T* c;                               // (rows, W), replaced
    const T* h_in;                      // (rows, h_stride), from the panel's first unit on
    T* h_out;                           // the same, to be written
    T* const* y;                        // the rows' outputs, to be written
    T* saved_c;                         // (rows, W), to be written; null if nothing is kept
    Index rows, h_stride, unit, units;  // the panel's first unit, and how many it has from there on
    Index option;
    bool keep;
};

template <class T>
struct BackwardStep {
    const T* gates;            // (rows, S, W) as forward left them
    const T *c, *c_before;     // (rows, W)
    const T* const* h_before;  // the rows' states before the visit
    const T* mask;             // (rows, h_stride) from the panel's first unit on, or null
    T* dgates;                 // (rows, S, W), to be written
    T* dc;                     // (rows, W): of c after the visit; becomes that of c before it
    T* dh;                     // (rows, h_stride): of h after the visit; becomes the direct part of that before it
    Index rows, h_stride, unit, units, option;
};

}  // namespace timesteps::TIMESTEPS_TARGET
