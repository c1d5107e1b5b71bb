// Arrays between numpy and the core, for the binding of n-gram models.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "column.h"

namespace timesteps {

namespace nb = nanobind;

template <class T>
using NgramIn = nb::ndarray<const T, nb::numpy, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using NgramEntries = nb::ndarray<const std::uint32_t, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using NgramFilled = nb::ndarray<std::uint32_t, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

/// An array that shows a column, which stays as long as it does.
template <class T>
nb::ndarray<nb::numpy, const T, nb::ndim<1>> shown(Column<T>&& column) {
    auto* kept = new Column<T>(std::move(column));
    nb::capsule owner(kept, [](void* pointer) noexcept { delete static_cast<Column<T>*>(pointer); });
    return nb::ndarray<nb::numpy, const T, nb::ndim<1>>(kept->data(), {kept->size()}, owner);
}

template <class T>
nb::ndarray<nb::numpy, const T, nb::ndim<1>> shown(std::vector<T>&& values) {
    auto* kept = new std::vector<T>(std::move(values));
    nb::capsule owner(kept, [](void* pointer) noexcept { delete static_cast<std::vector<T>*>(pointer); });
    return nb::ndarray<nb::numpy, const T, nb::ndim<1>>(kept->data(), {kept->size()}, owner);
}

}  // namespace timesteps
