// Texts to steps, counts of features and linear models of them, as functions of timesteps._core.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <utility>
#include <vector>

#include "logistic.h"
#include "split.h"

namespace timesteps {

namespace nb = nanobind;

template <class T>
using In = nb::ndarray<const T, nb::numpy, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T>
using Out = nb::ndarray<T, nb::numpy, nb::ndim<1>>;

template <class T>
std::span<const T> view(const In<T>& array) {
    return {array.data(), array.shape(0)};
}

/// A vector becomes a numpy array without a copy.
template <class T>
Out<T> array(std::vector<T>&& values) {
    auto* kept = new std::vector<T>(std::move(values));
    nb::capsule owner(kept, [](void* pointer) noexcept { delete static_cast<std::vector<T>*>(pointer); });
    return Out<T>(kept->data(), {kept->size()}, owner);
}

inline std::string_view utf8_of(nb::handle text) {
    Py_ssize_t size = 0;
    const char* const bytes = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
    if (bytes == nullptr) throw nb::python_error();
    return {bytes, static_cast<std::size_t>(size)};
}

inline nb::tuple packed(const UnitTable& table, std::size_t first) {
    const std::string_view text = table.text(first);
    return nb::make_tuple(nb::bytes(text.data(), text.size()), array(table.lengths(first)));
}

/// The rows of texts. `other` gives (units, what a guide reads of each step or None) of a text that is not plain.
inline nb::tuple split_texts(Splitter& splitter, nb::list texts, nb::callable other, int whole) {
    SplitRows rows;
    const auto wanted = static_cast<Whole>(whole);
    for (const nb::handle item : texts) {
        PyObject* const text = item.ptr();
        if (!PyUnicode_Check(text)) throw nb::type_error("a text is not a str");
        const int kind = PyUnicode_KIND(text);
        const void* const data = PyUnicode_DATA(text);
        const auto at = [&](std::size_t place) {
            return static_cast<std::uint32_t>(PyUnicode_READ(kind, data, static_cast<Py_ssize_t>(place)));
        };
        if (splitter.add(at, static_cast<std::size_t>(PyUnicode_GET_LENGTH(text)), wanted, rows)) continue;
        const nb::object found = other(item);
        const nb::object units = found[0], read = found[1];
        splitter.begin_row(nb::len(units), rows);
        std::size_t step = 0;
        for (const nb::handle unit : units) splitter.add_step(step++, utf8_of(unit), rows);
        if (wanted != Whole::kNothing)
            for (const nb::handle unit : read) rows.whole_steps.push_back(rows.whole.number(utf8_of(unit)));
        splitter.end_row(rows);
    }
    const nb::tuple heard = packed(rows.whole, 0);
    return nb::make_tuple(array(std::move(rows.steps)), array(std::move(rows.offsets)), array(std::move(rows.cuts)),
                          heard[0], heard[1], array(std::move(rows.whole_steps)),
                          array(std::move(rows.whole_offsets)));
}

using Weights = nb::ndarray<double, nb::numpy, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Table = nb::ndarray<double, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

inline double logistic(const In<std::int32_t>& ids, const In<std::int64_t>& offsets, const In<float>& values,
                       const In<std::uint8_t>& positive, const In<double>& costs, double tolerance, int passes,
                       Weights weights) {
    const nb::gil_scoped_release release;
    return fit_logistic({view(ids), view(offsets), view(values)}, view(positive), view(costs), tolerance, passes,
                        {weights.data(), weights.shape(0)});
}

/// table (groups, features): to the row of its group, each row's features add its weight.
inline void add_rows_to(const In<std::int32_t>& ids, const In<std::int64_t>& offsets, const In<std::int64_t>& groups,
                        const In<double>& weights, Table table) {
    const auto rows = groups.shape(0), features = table.shape(1);
    if (offsets.shape(0) != rows + 1 || weights.shape(0) != rows)
        throw std::invalid_argument("a row needs one group and one weight");
    const nb::gil_scoped_release release;
    for (std::size_t row = 0; row < rows; ++row) {
        const std::int64_t begin = offsets.data()[row], end = offsets.data()[row + 1], group = groups.data()[row];
        if (begin < 0 || end < begin || end > static_cast<std::int64_t>(ids.shape(0)) || group < 0 ||
            group >= static_cast<std::int64_t>(table.shape(0)))
            throw std::invalid_argument("offsets or groups of rows are out of their range");
        double* const sums = table.data() + static_cast<std::size_t>(group) * features;
        for (std::int64_t place = begin; place < end; ++place) {
            const std::int32_t id = ids.data()[place];
            if (id < 0 || static_cast<std::size_t>(id) >= features) throw std::invalid_argument("no such feature");
            sums[id] += weights.data()[row];
        }
    }
}

inline void bind_text(nb::module_& module) {
    using namespace nb::literals;
    nb::class_<Splitter>(module, "Splitter")
        .def(
            "__init__",
            [](Splitter* self, bool lowercase, std::size_t squeeze, bool by_syllable, std::size_t piece,
               std::int64_t room, std::int64_t head) {
                new (self) Splitter(SplitRules{lowercase, squeeze, by_syllable, piece, room, head});
            },
            "lowercase"_a, "squeeze"_a, "by_syllable"_a, "piece"_a, "room"_a, "head"_a)
        .def("__len__", [](const Splitter& self) { return self.units().size(); })
        .def("split", &split_texts, "texts"_a, "other"_a, "whole"_a)
        .def("units", [](const Splitter& self, std::size_t first) { return packed(self.units(), first); }, "first"_a)
        .def("clear", [](Splitter& self) { self.units().clear(); });
    module.def("logistic", &logistic, "ids"_a.noconvert(), "offsets"_a.noconvert(), "values"_a.noconvert(),
               "positive"_a.noconvert(), "costs"_a.noconvert(), "tolerance"_a, "passes"_a, "weights"_a.noconvert());
    module.def("add_rows", &add_rows_to, "ids"_a.noconvert(), "offsets"_a.noconvert(), "groups"_a.noconvert(),
               "weights"_a.noconvert(), "table"_a.noconvert());
}

}  // namespace timesteps
