// How weights, gates and gradients lie in memory: by panels of U * W hidden units, gates of the same unit side by side.
#pragma once

#include "cell.h"
#include "memory.h"
#include "problem.h"

namespace timesteps::TIMESTEPS_TARGET {

/// The gradients of the gates are followed by regions that lie alike: those of the two products, which layer norm parts
/// from them, and what sums up to the gradients of Own, in two, S vectors in the first.
enum Region : Index { kInputRegion = 1, kHiddenRegion, kOwnRegion };

template <class T>
struct Layout {
    static constexpr Index W = kWidth<T>;
    using V = Vector<T, W>;

    const Cell<T>& cell;
    const Index S, GI, GH, U;                   // of the cell
    Index input, hidden, state, panels, width;  // state: numbers of h; width: hidden units with padding

    explicit Layout(const Problem<T>& p)
        : cell(*static_cast<const Cell<T>*>(p.cell)),
          S(cell.S),
          GI(cell.GI),
          GH(cell.GH),
          U(cell.U),
          input(p.w_ih == nullptr ? 0 : p.input_size),
          hidden(p.hidden_size),
          state(p.output_size),
          panels((hidden + U * W - 1) / (U * W)),
          width(panels * U * W) {}

    Index gate_row() const { return S * W; }  // numbers of a row of one panel

    // What regularised cells learn for each unit: gains of the input side, of the recurrent side, and vectors of Own.
    Index gains_row() const { return cell.regularised ? (2 * S + (cell.has_cells ? Index{kOwns} : 0)) * W : 0; }
    Index gain_hidden() const { return S * W; }  // within a panel
    Index own() const { return 2 * S * W; }
    Index regions() const { return !cell.regularised ? 1 : cell.has_cells ? 5 : 3; }

    /// Blocks of up to four vectors, the columns of the backward product, and the first panel of a block of units.
    static Index blocks(Index columns) { return (vectors(columns) + 3) / 4; }
    Index panel_of(Index block) const { return least(block * 4 / U, panels); }

    Index units(Index panel) const { return least(hidden - panel * U * W, U * W); }

    // Packed for forward: bias (panels, S), weight_ih (panels, I, GI), weight_hh (panels, H, GH), of the second stage
    // (panels, H, 1). Sums of weight gradients lie the same way. A projection is last: packed as (blocks of up to four
    // vectors of h, H, vectors), summed as (panels, numbers of h, 1). Gains follow. All in vectors.
    Index bias(Index panel) const { return panel * S * W; }
    Index ih(Index panel) const { return (panels * S + panel * input * GI) * W; }
    Index hh(Index panel) const { return (panels * (S + input * GI) + panel * state * GH) * W; }
    Index second(Index panel) const { return (panels * (S + input * GI + state * GH) + panel * state) * W; }
    Index projection() const { return second(cell.two_stages ? panels : 0); }
    Index gains() const {
        return projection() + (cell.projected ? W * (vectors(state) * hidden + panels * state) : 0);
    }
    Index packed() const { return gains() + panels * gains_row(); }

    // Packed for backward: for each block of up to four vectors of columns, the rows of all gates: (panels, slots * W,
    // vectors of the block).
    static Index vectors(Index columns) { return (columns + W - 1) / W; }
    Index block(Index slots, Index first_vector) const { return first_vector * panels * slots * W * W; }
    Index ih_backward() const { return 0; }
    Index hh_backward() const { return block(GI, vectors(input)); }
    Index second_backward() const { return hh_backward() + block(GH, vectors(state)); }
    Index projection_backward() const { return second_backward() + (cell.two_stages ? block(1, vectors(hidden)) : 0); }
    Index gains_backward() const {
        return projection_backward() + (cell.projected ? vectors(hidden) * W * state : 0);
    }
    Index packed_backward() const { return gains_backward() + panels * gains_row(); }
};

/// What lies in a vector of the recurrent or input product: which vector of units, which gate.
struct Slot {
    Index row, rows;  // in torch's weights

    template <class T>
    Slot(const Layout<T>& l, Index panel, Index gate, Index slot) {
        const Index unit = (panel * l.U + (l.U > 1 ? slot : 0)) * l.W;
        rows = l.hidden - unit < 0 ? 0 : least(l.hidden - unit, l.W);
        row = gate * l.hidden + unit;
    }
};

}  // namespace timesteps::TIMESTEPS_TARGET
