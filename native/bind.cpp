// The module timesteps._core: with bind_text.h, language.cpp, ngram/bind.cpp and the bind.h of recurrent, stream and
// training the only file here that sees Python. Arrays come in as numpy's or, for torch's tensors, as addresses, which
// the caller has checked. Every call that can be long lets other threads of Python run.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>

#include "bags.h"
#include "bind_text.h"
#include "cbow.h"
#include "dropout.h"
#include "grams.h"
#include "language.h"
#include "ngram/bind.h"
#include "ngrams.h"
#include "peak.h"
#include "recurrent/bind.h"
#include "recurrent/tensors.h"
#include "stream/bind.h"
#include "training/bind.h"

namespace nb = nanobind;
using namespace nanobind::literals;
using namespace timesteps;

namespace {

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

void add_units(HashCounts& counts, const nb::bytes& bytes, const In<std::int64_t>& lengths,
               const In<std::int64_t>& weights, bool word, int syllable_smallest, int syllable_largest,
               int jamo_smallest, int jamo_largest) {
    const std::string_view utf8 = text(bytes);
    const nb::gil_scoped_release release;
    count_units(counts, Units(utf8, view(lengths)), view(weights),
                {word, syllable_smallest, syllable_largest, jamo_smallest, jamo_largest});
}

void add_phrases(HashCounts& counts, const nb::bytes& bytes, const In<std::int64_t>& lengths,
                 const In<std::int32_t>& steps, const In<std::int64_t>& offsets, int order) {
    const std::string_view utf8 = text(bytes);
    const nb::gil_scoped_release release;
    each_phrase(Units(utf8, view(lengths)), view(steps), view(offsets), order,
                [&](std::int64_t, std::uint64_t key) { counts.add(key, 1); });
}

Out<std::uint64_t> frequent(const HashCounts& counts, std::int64_t least, std::int64_t most) {
    std::vector<std::uint64_t> keys;
    {
        const nb::gil_scoped_release release;
        keys = counts.frequent(least, most);
    }
    return array(std::move(keys));
}

/// All hashes, ascending, and how often each was seen.
nb::tuple entries(const HashCounts& counts) {
    auto [keys, numbers] = counts.entries();
    return nb::make_tuple(array(std::move(keys)), array(std::move(numbers)));
}

auto units_to_bags(const nb::bytes& bytes, const In<std::int64_t>& lengths, bool word, int syllable_smallest,
                   int syllable_largest, int jamo_smallest, int jamo_largest, const In<std::uint64_t>& features) {
    const std::string_view utf8 = text(bytes);
    Bags bags;
    {
        const nb::gil_scoped_release release;
        bags = look_up_units(Units(utf8, view(lengths)),
                             {word, syllable_smallest, syllable_largest, jamo_smallest, jamo_largest}, view(features));
    }
    return arrays(std::move(bags));
}

auto phrases_to_bags(const nb::bytes& bytes, const In<std::int64_t>& lengths, const In<std::int32_t>& steps,
                     const In<std::int64_t>& offsets, int order, const In<std::uint64_t>& features) {
    const std::string_view utf8 = text(bytes);
    Bags bags;
    {
        const nb::gil_scoped_release release;
        bags = look_up_phrases(Units(utf8, view(lengths)), view(steps), view(offsets), order, view(features));
    }
    return arrays(std::move(bags));
}

void add_grams(HashCounts& counts, const nb::bytes& bytes, const In<std::int64_t>& lengths,
               const In<std::int32_t>& steps, const In<std::int64_t>& offsets, bool characters, int longest) {
    const std::string_view utf8 = text(bytes);
    const nb::gil_scoped_release release;
    count_grams(counts, Units(utf8, view(lengths)), view(steps), view(offsets), Grams(characters, longest));
}

auto grams_to_bags(const nb::bytes& bytes, const In<std::int64_t>& lengths, const In<std::int32_t>& steps,
                   const In<std::int64_t>& offsets, bool characters, int longest, const In<std::uint64_t>& features) {
    const std::string_view utf8 = text(bytes);
    Bags bags;
    {
        const nb::gil_scoped_release release;
        bags = look_up_grams(Units(utf8, view(lengths)), view(steps), view(offsets), Grams(characters, longest),
                             view(features));
    }
    return arrays(std::move(bags));
}

using Table = nb::ndarray<float, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

std::uint64_t train_cbow(const Table& input, const Table& output, const In<std::int32_t>& words,
                         const In<std::int64_t>& offsets, const In<std::uint64_t>& kept,
                         const In<std::uint64_t>& noise, std::size_t first, std::size_t last, std::uint64_t state,
                         int window, int negative, double learning_rate, std::int64_t words_before,
                         std::int64_t words_in_all) {
    const std::size_t vectors = input.shape(0);
    if (output.shape(0) != vectors || kept.shape(0) != vectors || noise.shape(0) != vectors ||
        output.shape(1) != input.shape(1) || input.shape(1) % kLanes != 0)
        throw std::invalid_argument("tables, shares and noise do not fit together");
    if (last >= offsets.shape(0) || first > last) throw std::invalid_argument("there are no such rows");
    const nb::gil_scoped_release release;
    return cbow({input.data(), output.data(), static_cast<std::int64_t>(vectors),
                 static_cast<std::int64_t>(input.shape(1))},
                {view(words), view(offsets)}, view(kept), NoiseWords(view(noise)), first, last, state,
                {window, negative, learning_rate, words_before, words_in_all});
}

auto distinct(const In<std::int32_t>& ids, const In<std::int64_t>& ends) {
    Bags bags;
    {
        const nb::gil_scoped_release release;
        bags = distinct_ids(view(ids), view(ends));
    }
    return arrays(std::move(bags));
}

template <class T>
T* at(Address address) {
    return reinterpret_cast<T*>(address);
}

BagBatch batch(Address ids, Address offsets, Address kept, std::int64_t bags) {
    return {at<const std::int64_t>(ids), at<const std::int64_t>(offsets), at<const bool>(kept), bags};
}

}  // namespace

NB_MODULE(_core, module) {
    module.attr("compiler") = compiler();
    module.attr("instructions") = instructions();
    const nb::call_guard<nb::gil_scoped_release> unlocked;

    // Not for two threads at once, as it grows while others run.
    nb::class_<HashCounts>(module, "FeatureCounter")
        .def(nb::init<>())
        .def("__len__", &HashCounts::size)
        .def("add", &add_units, "bytes"_a, "lengths"_a.noconvert(), "weights"_a.noconvert(), "word"_a,
             "syllable_smallest"_a, "syllable_largest"_a, "jamo_smallest"_a, "jamo_largest"_a)
        .def("add_phrases", &add_phrases, "bytes"_a, "lengths"_a.noconvert(), "steps"_a.noconvert(),
             "offsets"_a.noconvert(), "order"_a)
        .def("add_grams", &add_grams, "bytes"_a, "lengths"_a.noconvert(), "steps"_a.noconvert(),
             "offsets"_a.noconvert(), "characters"_a, "longest"_a)
        .def("features", &frequent, "least"_a, "most"_a)
        .def("entries", &entries);
    module.def("look_up", &units_to_bags, "bytes"_a, "lengths"_a.noconvert(), "word"_a, "syllable_smallest"_a,
               "syllable_largest"_a, "jamo_smallest"_a, "jamo_largest"_a, "features"_a.noconvert());
    module.def("look_up_phrases", &phrases_to_bags, "bytes"_a, "lengths"_a.noconvert(), "steps"_a.noconvert(),
               "offsets"_a.noconvert(), "order"_a, "features"_a.noconvert());
    module.def("distinct_ids", &distinct, "ids"_a.noconvert(), "ends"_a.noconvert());
    module.def("look_up_grams", &grams_to_bags, "bytes"_a, "lengths"_a.noconvert(), "steps"_a.noconvert(),
               "offsets"_a.noconvert(), "characters"_a, "longest"_a, "features"_a.noconvert());

    module.def("cbow", &train_cbow, "input"_a.noconvert(), "output"_a.noconvert(), "words"_a.noconvert(),
               "offsets"_a.noconvert(), "kept"_a.noconvert(), "noise"_a.noconvert(), "first"_a, "last"_a, "state"_a,
               "window"_a, "negative"_a, "learning_rate"_a, "words_before"_a, "words_in_all"_a);

    module.def(
        "bag_forward",
        [](Address ids, Address offsets, Address kept, std::int64_t bags, Address weight, std::int64_t width,
           Address wide, std::int64_t outputs, float wide_scale, Address units, Address linear, Address scales,
           int threads) {
            bag_forward(batch(ids, offsets, kept, bags), at<const float>(weight), width, at<const float>(wide), outputs,
                        wide_scale, at<float>(units), at<float>(linear), at<float>(scales), threads);
        },
        "ids"_a, "offsets"_a, "kept"_a, "bags"_a, "weight"_a, "width"_a, "wide"_a, "outputs"_a, "wide_scale"_a,
        "units"_a, "linear"_a, "scales"_a, "threads"_a, unlocked);
    module.def(
        "keep_features",
        [](Address keys, Address starts, std::int64_t rows, std::int64_t stream, std::int64_t threshold, Address kept,
           int threads) {
            keep_features(at<const std::int64_t>(keys), at<const std::int64_t>(starts), rows, stream, threshold,
                          at<bool>(kept), threads);
        },
        "keys"_a, "starts"_a, "rows"_a, "stream"_a, "threshold"_a, "kept"_a, "threads"_a, unlocked);
    nb::class_<BagTranspose>(module, "BagTranspose")
        .def(
            "__init__",
            [](BagTranspose* self, Address ids, Address offsets, Address kept, std::int64_t bags,
               std::int64_t num_rows) { new (self) BagTranspose(batch(ids, offsets, kept, bags), num_rows); },
            "ids"_a, "offsets"_a, "kept"_a, "bags"_a, "num_rows"_a, unlocked)
        .def("__len__", &BagTranspose::size)
        .def("rows", [](const BagTranspose& self, Address rows) { self.rows(at<std::int64_t>(rows)); }, "rows"_a)
        .def(
            "gradient",
            [](const BagTranspose& self, Address grad, std::int64_t width, Address scales, float scale, Address values,
               int threads) {
                self.gradient(at<const float>(grad), width, at<const float>(scales), scale, at<float>(values), threads);
            },
            "grad"_a, "width"_a, "scales"_a, "scale"_a, "values"_a, "threads"_a, unlocked);
    module.def(
        "lazy_adam",
        [](Address values, Address means, Address squares, Address steps, Address rows, Address grads,
           std::int64_t count, std::int64_t width, double lr, double beta1, double beta2, double eps,
           double weight_decay, int threads) {
            lazy_adam(at<float>(values), at<float>(means), at<float>(squares), at<float>(steps),
                      at<const std::int64_t>(rows), at<const float>(grads), count, width,
                      {lr, beta1, beta2, eps, weight_decay}, threads);
        },
        "values"_a, "means"_a, "squares"_a, "steps"_a, "rows"_a, "grads"_a, "count"_a, "width"_a, "lr"_a, "beta1"_a,
        "beta2"_a, "eps"_a, "weight_decay"_a, "threads"_a, unlocked);

    module.def("lend_team", [](Address team) { Loan::take(reinterpret_cast<Team>(team)); }, "team"_a);
    module.def("multiply_and_add", &multiply_and_add, "rounds"_a, unlocked);
    bind_ngram(module);
    bind_recurrent(module);
    bind_stream(module);
    bind_training(module);
    bind_text(module);
    bind_language(module);
}
