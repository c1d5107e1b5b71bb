// The module timesteps._core: the only file here that sees Python. Arrays come in as numpy's, and every call that can be
// long lets other threads of Python run.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>

#include "ngrams.h"

namespace nb = nanobind;
using namespace timesteps;

namespace {

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

std::pair<Out<std::int32_t>, Out<std::int64_t>> arrays(Bags&& bags) {
    return {array(std::move(bags.ids)), array(std::move(bags.offsets))};
}

std::string_view text(const nb::bytes& bytes) { return {bytes.c_str(), bytes.size()}; }

constexpr const char* compiler() {
#if defined(__clang__)
    return "clang " __clang_version__;
#elif defined(__GNUC__)
    return "gcc " __VERSION__;
#else
    return "another compiler";
#endif
}

}  // namespace

NB_MODULE(_core, module) {
    module.attr("compiler") = compiler();

    // Not for two threads at once, as it grows while others run.
    nb::class_<HashCounts>(module, "FeatureCounter")
        .def(nb::init<>())
        .def("__len__", &HashCounts::size)
        .def("add",
             [](HashCounts& counts, const nb::bytes& bytes, const In<std::int64_t>& lengths,
                const In<std::int64_t>& weights, bool word, int syllable_smallest, int syllable_largest,
                int jamo_smallest, int jamo_largest) {
                 const std::string_view utf8 = text(bytes);
                 const nb::gil_scoped_release release;
                 count_units(counts, Units(utf8, view(lengths)), view(weights),
                             {word, syllable_smallest, syllable_largest, jamo_smallest, jamo_largest});
             })
        .def("add_phrases",
             [](HashCounts& counts, const nb::bytes& bytes, const In<std::int64_t>& lengths,
                const In<std::int32_t>& steps, const In<std::int64_t>& offsets, int order) {
                 const std::string_view utf8 = text(bytes);
                 const nb::gil_scoped_release release;
                 each_phrase(Units(utf8, view(lengths)), view(steps), view(offsets), order,
                             [&](std::int64_t, std::uint64_t key) { counts.add(key, 1); });
             })
        .def("features", [](const HashCounts& counts, std::int64_t least, std::int64_t most) {
            std::vector<std::uint64_t> keys;
            {
                const nb::gil_scoped_release release;
                keys = counts.frequent(least, most);
            }
            return array(std::move(keys));
        });

    module.def("look_up", [](const nb::bytes& bytes, const In<std::int64_t>& lengths, bool word, int syllable_smallest,
                             int syllable_largest, int jamo_smallest, int jamo_largest,
                             const In<std::uint64_t>& features) {
        const std::string_view utf8 = text(bytes);
        Bags bags;
        {
            const nb::gil_scoped_release release;
            bags = look_up_units(Units(utf8, view(lengths)),
                                 {word, syllable_smallest, syllable_largest, jamo_smallest, jamo_largest},
                                 view(features));
        }
        return arrays(std::move(bags));
    });

    module.def("look_up_phrases", [](const nb::bytes& bytes, const In<std::int64_t>& lengths,
                                     const In<std::int32_t>& steps, const In<std::int64_t>& offsets, int order,
                                     const In<std::uint64_t>& features) {
        const std::string_view utf8 = text(bytes);
        Bags bags;
        {
            const nb::gil_scoped_release release;
            bags = look_up_phrases(Units(utf8, view(lengths)), view(steps), view(offsets), order, view(features));
        }
        return arrays(std::move(bags));
    });
}
