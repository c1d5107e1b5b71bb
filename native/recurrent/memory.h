// Pieces of memory: copied, cleared, handed out, transposed.
#pragma once

#include "vectors.h"

namespace timesteps::TIMESTEPS_TARGET {

constexpr Index kLine = 64;  // bytes

TIMESTEPS_ALWAYS Index least(Index a, Index b) { return a < b ? a : b; }

template <class T>
TIMESTEPS_ALWAYS void copy(T* to, const T* from, Index count) {
    __builtin_memcpy(to, from, count * sizeof(T));
}

template <class T>
TIMESTEPS_ALWAYS void clear(T* to, Index count) {
    __builtin_memset(to, 0, count * sizeof(T));
}

/// Hands out pieces of a block of memory; from no block, it only counts.
class Arena {
public:
    explicit Arena(char* memory) : next_(memory), counted_(0), real_(memory != nullptr) {}

    template <class T>
    T* take(Index count) {
        const Index bytes = (count * Index(sizeof(T)) + kLine - 1) / kLine * kLine;
        counted_ += bytes;
        if (!real_) return nullptr;
        T* piece = reinterpret_cast<T*>(next_);
        next_ += bytes;
        return piece;
    }

    Index counted() const { return counted_; }

private:
    char* next_;
    Index counted_;
    bool real_;
};

/// W rows of a weight, transposed: to[k] (`stride` apart) has a number of each row.
template <class T, int W>
void pack_rows(const T* weight, Index columns, Index row, Index rows, T* to, Index stride) {
    using V = Vector<T, W>;
    for (Index k = 0; k < columns; k += W) {
        const Index some = least(columns - k, W);
        V square[W]{};
        for (Index lane = 0; lane < rows; ++lane)
            square[lane] = load_some<V>(weight + (row + lane) * columns + k, some);
        transpose<T, W>(square);
        for (Index j = 0; j < some; ++j) store(to + (k + j) * stride, square[j]);
    }
}

/// The way back.
template <class T, int W>
void unpack_rows(const T* from, Index stride, Index columns, Index row, Index rows, T* weight) {
    using V = Vector<T, W>;
    for (Index k = 0; k < columns; k += W) {
        const Index some = least(columns - k, W);
        V square[W]{};
        for (Index j = 0; j < some; ++j) square[j] = load<V>(from + (k + j) * stride);
        transpose<T, W>(square);
        for (Index lane = 0; lane < rows; ++lane) store_some(weight + (row + lane) * columns + k, square[lane], some);
    }
}

}  // namespace timesteps::TIMESTEPS_TARGET
