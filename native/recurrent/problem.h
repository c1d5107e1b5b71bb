// What passes between the plan of a call, which every processor runs, and the kernels of one instruction set. Plain
// data: a function here would be compiled for several sets, and the linker would keep any one of them.
#pragma once

#include <cstdint>

namespace timesteps {

/// Rows of numbers side by side: that of row b of the batch at time t is data + b * row + t * step.
template <class T>
struct Rows {
    T* data;
    std::int64_t row, step;
};

/// Zoneout of one state.
struct Zoneout {
    double rate;                  // 0: none
    const std::int64_t* keys;     // (batch) by row of the batch; null: the mean instead of random units
    std::int64_t stream;          // of random numbers
    const std::uint64_t* random;  // (batch) by r: where a row's begin
};

/// One call. The rows of the batch are sorted by length, longest first, so that those still active at a visit are the
/// first ones; `r` is a row's place in that order, `t` a visit, and packed row offset[t] + r is row r at visit t.
template <class T>
struct Problem {
    const void* cell;  // what the kernels know of it
    std::int64_t batch, steps, visits, input_size, hidden_size;
    std::int64_t output_size;         // of h: hidden_size, or that of the projection
    std::int64_t option;              // of the cell
    const std::int64_t* active;       // (visits) rows that are active
    const std::int64_t* offset;       // (visits + 1) first packed row
    const std::int64_t* original;     // (batch) r -> row of the batch
    const std::int64_t* length;       // (batch) visits of r
    const std::int64_t* order;        // (batch, steps) visit -> time, by row of the batch; or null:
    std::int64_t direction;           // 1: visit t is time t; -1: time length - 1 - t
    const std::int64_t* chunk;        // (chunks + 1) visits that are worked on together
    std::int64_t chunks, chunk_rows;  // the most packed rows of a chunk
    // A segment is what gates and cells hold: all chunks, or with `recompute` those that are made again at a time.
    std::int64_t first, first_row;            // its first visit, and that visit's first packed row
    std::int64_t first_chunk, last_chunk;     // its chunks first … last - 1

    bool far;  // whether the batch is larger than a core's own cache

    Rows<const T> x;  // inputs; where there is no w_ih, the input side of the gates, as torch's weights order them …
    const std::int64_t* which;  // … (batch, steps) and where this is not null, that many rows of x.row from x.data on
    Rows<T> y;
    const T *h0, *c0, *fresh_h, *fresh_c;  // (batch, output_size or hidden_size), or null for zeros
    const T* mask;                         // (batch, output_size) factors of the recurrent state, or null
    const bool* starts;                    // (batch, visits) fresh starts before a visit, or null
    std::int64_t starts_stride;
    T *hn, *cn;
    const T *w_ih, *w_hh, *b_ih, *b_hh, *w_hr;  // as torch has them; no *_hh where there is no recurrent product
    // Layer norm: gains of the products (null: no norm), gain and bias of c's. Peephole: of i, f and o.
    const T *norm_ih, *norm_hh, *norm_c, *norm_c_bias, *w_ch;
    Zoneout zone_h, zone_c;
    T *gates, *cells;           // for backward: (panels, packed rows); null when nothing is kept
    T *normed_ih, *normed_hh;   // the products after their norm, as the gates lie
    T* scales;                  // (kScales, packed rows)
    T* marks;                   // (segments - 1, batch, hidden_size): c before each but the first; or null
    const std::int64_t* mark;   // (chunks) that of the segment that a chunk begins, or -1
    const T* c_first;           // (batch, hidden_size): c before the segment
    std::int64_t gate_stride, cell_stride;  // from panel to panel

    Rows<const T> dy;  // data null: zero
    const T *dhn, *dcn;
    Rows<T> dx;  // of x; data null: not wanted; so for all that follow
    T *dh0, *dc0, *dfresh_h, *dfresh_c;
    T *dw_ih, *dw_hh, *db_ih, *db_hh, *dw_hr;
    T *dnorm_ih, *dnorm_hh, *dnorm_c, *dnorm_c_bias, *dw_ch;
};

/// By how much layer norm scaled a row: both products, of what is together and of what is alone; c; and the mean of c.
enum Scale { kInputTogether, kInputAlone, kRecurrentTogether, kRecurrentAlone, kCellScale, kCellMean, kScales };
constexpr std::int64_t kFewRows = 3;  // a batch of so many may be cut by hidden units instead of rows

/// Numbers of a problem's arrays, by what the kernels of a set lay out.
struct Sizes {
    std::int64_t panels, gate_row;    // numbers of one row of one panel
    std::int64_t kept_row, cell_row;  // … that forward keeps for backward
    std::int64_t blocks;              // of hidden units, into which a visit can be cut
    std::int64_t packed, packed_backward, sums;
    std::int64_t regions;  // as large as that of the gates' gradients, that backward writes
    bool recurrent;        // whether there is a recurrent product
    bool one_product;      // … and a visit needs nothing of the others' units but h
};

/// The kernels of one type and instruction set, and one of its cells.
template <class T>
struct Kernels {
    const void* cell;  // for Problem::cell
    Sizes (*sizes)(const Problem<T>&);
    /// Bytes of `memory` for `rows` rows at once; backward has it for the whole batch.
    std::int64_t (*forward_memory)(const Problem<T>&, std::int64_t rows);
    std::int64_t (*backward_memory)(const Problem<T>&);
    std::int64_t (*gradient_memory)(const Problem<T>&);
    /// Panels begin … end - 1.
    void (*pack)(const Problem<T>&, std::int64_t begin, std::int64_t end, T* packed);
    void (*pack_backward)(const Problem<T>&, std::int64_t begin, std::int64_t end, T* packed);
    /// Rows begin … end - 1 over all visits; without hn, over those of a segment, whose outputs are there already.
    void (*forward)(const Problem<T>&, const T* packed, std::int64_t begin, std::int64_t end, char* memory);
    /// The same in pieces, for a batch of a few rows without starts and mask, of a cell with one_product: enter, then for
    /// each chunk gather, and visit by visit all blocks of hidden units, then leave.
    void (*forward_enter)(const Problem<T>&, const T* packed, char* memory);
    void (*forward_gather)(const Problem<T>&, const T* packed, std::int64_t chunk, char* memory);
    void (*forward_blocks)(const Problem<T>&, const T* packed, std::int64_t chunk, std::int64_t visit,
                           std::int64_t begin, std::int64_t end, char* memory);
    void (*forward_leave)(const Problem<T>&, const T* packed, char* memory);
    /// Gradients of the gates of rows begin … end - 1: enter, one chunk after the other from the last to the first,
    /// leave. `gates` (panels, `stride` numbers each) has the rows of the chunk; other regions as layout.h has them follow,
    /// and with a projection the gradients of h (rows, output_size).
    void (*backward_enter)(const Problem<T>&, const T* packed, std::int64_t begin, std::int64_t end, char* memory);
    void (*backward)(const Problem<T>&, const T* packed, std::int64_t begin, std::int64_t end, std::int64_t chunk,
                     T* gates, std::int64_t stride, char* memory);
    void (*backward_leave)(const Problem<T>&, const T* packed, std::int64_t begin, std::int64_t end, char* memory);
    /// A chunk in pieces, as in forward: for `visit` from the chunk's end to its first, all blocks.
    void (*backward_blocks)(const Problem<T>&, const T* packed, std::int64_t chunk, std::int64_t visit,
                            std::int64_t begin, std::int64_t end, T* gates, std::int64_t stride, char* memory);
    /// From a chunk's gradients of gates, gradients of x, of the chunk's rows begin … end - 1 …
    void (*input_gradient)(const Problem<T>&, const T* packed, std::int64_t chunk, std::int64_t begin,
                           std::int64_t end, const T* gates, std::int64_t stride, char* memory);
    /// … and of the weights, added to `sums` panel by panel (begin … end - 1), or put there by the last chunk.
    void (*weight_gradient)(const Problem<T>&, std::int64_t chunk, std::int64_t begin, std::int64_t end, const T* gates,
                            std::int64_t stride, const T* dh, T* sums, char* memory);
    void (*unpack)(const Problem<T>&, std::int64_t begin, std::int64_t end, const T* sums);
};

/// A matrix (outputs, inputs) as torch has it, and from row to row of what it makes: at least the outputs, a multiple of
/// the lanes.
template <class T>
struct Matrix {
    const T* weight;
    std::int64_t outputs, inputs, pitch;
};

/// Products of rows, given by address, with a matrix w. `packed` and `sums` have padded(outputs) * inputs numbers,
/// `packed` of the way back padded(inputs) * outputs.
template <class T>
struct Products {
    std::int64_t lanes, panel;  // what columns are padded to; what parts of outputs begin with a multiple of
    void (*pack)(const Matrix<T>&, T* packed);
    /// y (rows, pitch) = bias (pitch) + x wᵀ.
    void (*forward)(const Matrix<T>&, const T* packed, const T* bias, const T* const* x, std::int64_t rows, T* y);
    /// sums = dyᵀ x of the outputs begin … end - 1; dy (rows, pitch). Of no rows it makes nothing.
    void (*weight_gradient)(const Matrix<T>&, std::int64_t begin, std::int64_t end, const T* dy, const T* const* x,
                            std::int64_t rows, T* sums);
    /// gradient (outputs, inputs), from sums.
    void (*unpack)(const Matrix<T>&, const T* sums, T* gradient);
    void (*pack_backward)(const Matrix<T>&, T* packed);
    /// dx = or += dy w.
    void (*row_gradients)(const Matrix<T>&, const T* packed, const T* dy, std::int64_t rows, T* const* dx, bool add);

    std::int64_t padded(std::int64_t columns) const { return (columns + lanes - 1) / lanes * lanes; }
};

enum CellKind : std::int64_t {
    kElman,
    kLstm,
    kGruAfter,
    kGruBefore,
    kLstmProjected,
    kLinear,
    kMinGru,
    kMinLstm,
    kCellKinds
};

}  // namespace timesteps
