// What a cell's pointwise functions get: the rows of one panel at one visit. A cell defines
//     S slots of W numbers in a panel, the first GI of them filled by the product with x, GH from OH on by that with h
//     (GH = 0: there is none);
//     U vectors of hidden units in a panel; kGates row blocks in torch's weights, and which of them a product's slot
//     is; kTwoStages: a product that needs all units of the first stage; kProjected: h is a product of what forward
//     writes; kHasCells: a second state c; kDirect: h' depends on h not only through the product; kAlone: the slot of the
//     recurrent product that layer norm takes by itself, beside slot 0 of the other (-1: it takes all slots together).
// It may define kGatesAreOutputs: what backward needs of the gates is h', so nothing is kept; and kRegularised: its
// pointwise functions do zoneout, peephole connections and layer norm of c.
#pragma once

#include "../zoneout.h"

namespace timesteps::TIMESTEPS_TARGET {

/// Vectors of a panel that regularised cells with c learn: gain and bias of c's norm, peephole weights.
enum Own { kGainC, kBiasC, kPeepI, kPeepF, kPeepO, kOwns };

/// What regularised cells with c get besides, for all panels; panels of an array are a stride of its own apart.
template <class T>
struct Regulars {
    T* written;                 // forward: (rows, W), c' as the gates make it, before zoneout
    T* own;                     // backward: (rows, S, W), what sums up to the gradients of Own, and then o ∘ tanh
    const T* weights;           // (kOwns, W)
    const T *mean, *scale;      // (rows) of c', as its norm took it; null without
    const T *less, *slope;      // backward, (rows): what the norm takes away, and for each normalised number
    Index written_stride, own_stride, own_more, weights_stride;  // own_more: from vectors 0 … S - 1 to the others
    bool peephole, projected;
    Zone<T> zone;  // of c
};

template <class Cell>
constexpr bool kKeepsGates = !requires { requires Cell::kGatesAreOutputs; };

template <class Cell>
constexpr bool kIsRegularised = requires { requires Cell::kRegularised; };

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
    const Regulars<T>* regulars;  // null for plain cells
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
    const Regulars<T>* regulars;  // null for plain cells
};

}  // namespace timesteps::TIMESTEPS_TARGET
