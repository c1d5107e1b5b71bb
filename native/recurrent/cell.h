// A cell as the driver sees it: what its template says, as numbers. So the driver is compiled once for all cells; the
// pointwise functions, which it calls for all rows of a panel, and the products in registers have their sizes built in.
#pragma once

#include "cells/steps.h"

namespace timesteps::TIMESTEPS_TARGET {

constexpr int kMostSlots = 4;

template <class T>
struct Cell {
    Index S, GI, GH, OH, U;  // as cells/steps.h has them, and so for what follows
    Index input_gate[kMostSlots], recurrent_gate[kMostSlots], second_gate;
    Index alone;
    bool has_cells, direct, two_stages, projected, regularised, keeps_gates;
    void (*first_forward)(const ForwardStep<T>&, const T* masked, T* reset);
    void (*forward)(const ForwardStep<T>&);
    void (*first_backward)(const BackwardStep<T>&);
    void (*backward)(const BackwardStep<T>&);
    void (*second_backward)(const BackwardStep<T>&, T* reset);
    void (*output)(const T* gates, const T* c, Index rows, T* to);
};

template <class Of>
constexpr Cell<typename Of::T> cell_of() {
    static_assert(Of::W == kWidth<typename Of::T> && Of::S <= kMostSlots);
    Cell<typename Of::T> cell{.S = Of::S,
                              .GI = Of::GI,
                              .GH = Of::GH,
                              .OH = Of::OH,
                              .U = Of::U,
                              .input_gate = {},
                              .recurrent_gate = {},
                              .second_gate = 0,
                              .alone = Of::kAlone,
                              .has_cells = Of::kHasCells,
                              .direct = Of::kDirect,
                              .two_stages = Of::kTwoStages,
                              .projected = Of::kProjected,
                              .regularised = kIsRegularised<Of>,
                              .keeps_gates = kKeepsGates<Of>,
                              .first_forward = nullptr,
                              .forward = Of::forward,
                              .first_backward = nullptr,
                              .backward = Of::backward,
                              .second_backward = nullptr,
                              .output = nullptr};
    for (int v = 0; v < Of::GI; ++v) cell.input_gate[v] = Of::input_gate(v);
    for (int v = 0; v < Of::GH; ++v) cell.recurrent_gate[v] = Of::recurrent_gate(v);
    if constexpr (Of::kTwoStages) {
        cell.second_gate = Of::kSecondGate;
        cell.second_backward = Of::second_backward;
    }
    if constexpr (requires { &Of::first_forward; }) cell.first_forward = Of::first_forward;
    if constexpr (requires { &Of::first_backward; }) cell.first_backward = Of::first_backward;
    if constexpr (requires { &Of::output; }) cell.output = Of::output;
    return cell;
}

/// A cell whose pointwise functions need not know what the driver does besides. An output may be no gate, where zoneout
/// replaces it.
template <class Of>
constexpr Cell<typename Of::T> regularised() {
    Cell<typename Of::T> cell = cell_of<Of>();
    cell.regularised = cell.keeps_gates = true;
    return cell;
}

}  // namespace timesteps::TIMESTEPS_TARGET
