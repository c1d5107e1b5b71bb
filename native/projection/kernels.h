// The seam between the softmax over a vocabulary, which every processor runs, and its kernels of one instruction set.
// Plain data: a function here would be compiled for several sets, and the linker would keep any one of them.
#pragma once

#include <cstdint>

namespace timesteps {

/// Scores of C classes for rows of `size` numbers. Rows lie across: a panel is `lanes` rows, and a class's scores of
/// those rows are side by side. So the weights (C, size) are read as they are, and largest and sum of a row are
/// vectors.
template <class T>
struct ProjectionKernels {
    std::int64_t lanes;
    std::int64_t width;  // of a vector: a block of columns holds up to `lanes` of them, rounded up to whole vectors

    /// From h (rows, size): by panels, (panels, size, lanes) …
    void (*pack_rows)(const T* h, std::int64_t rows, std::int64_t size, T* packed);
    /// … and by blocks of columns, (blocks, panels * lanes, columns of the block); zeros behind the last row and
    /// column.
    void (*pack_columns)(const T* h, std::int64_t rows, std::int64_t size, T* packed);
    /// Back from one panel (size, lanes) of gradients to `rows` rows.
    void (*unpack_rows)(const T* packed, std::int64_t rows, std::int64_t size, T* h);

    /// scores (count, lanes) = weights (count rows, each at its address) times a panel, plus bias (count) or null.
    void (*scores)(const T* const* weights, std::int64_t count, std::int64_t size, const T* panel, const T* bias,
                   T* scores);
    /// scores become e^(score - peak), peak (lanes) the largest of the `count`, sum (lanes) what they come to.
    void (*exponentials)(T* scores, std::int64_t count, T* peak, T* sum);
    /// scores (count, lanes) times factor (lanes).
    void (*scale)(T* scores, std::int64_t count, const T* factor);

    /// bias (count) = or += the sums of d's rows over all panels.
    void (*bias_gradient)(const T* d, std::int64_t panels, std::int64_t stride, std::int64_t count, T* bias, bool add);
    /// grads (count rows, each at its address) = or += d of all panels, `stride` apart, times the packed columns.
    void (*weight_gradient)(const T* d, std::int64_t panels, std::int64_t stride, std::int64_t count, const T* columns,
                            std::int64_t size, T* const* grads, bool add);
    /// c (size, lanes) = or += weights (count rows, transposed) times d (count, lanes).
    void (*input_gradient)(const T* d, std::int64_t count, const T* const* weights, std::int64_t size, T* c, bool add);
};

}  // namespace timesteps
