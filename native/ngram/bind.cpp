// n-gram models as classes of timesteps._core: counting, estimation, tables. Arrays are numpy's, checked by the caller.
#include "bind.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cerrno>
#include <memory>
#include <system_error>

#include "arrays.h"
#include "counter.h"
#include "estimate.h"
#include "table.h"

namespace timesteps {

using namespace nanobind::literals;

namespace {

/// The system's errors, of a full disk for one, as Python's OSError.
template <class Work>
auto with_os_errors(Work work) {
    try {
        return work();
    } catch (const std::system_error& error) {
        errno = error.code().value();
        PyErr_SetFromErrno(PyExc_OSError);
        throw nb::python_error();
    }
}

/// Levels of a corpus, one after the other, with all that they need.
class NgramLevels {
public:
    NgramLevels(std::shared_ptr<NgramCounter> counter, Levels levels)
        : counter_(std::move(counter)), levels_(std::move(levels)) {}

    std::vector<std::vector<std::int64_t>> of_count() const {
        std::vector<std::vector<std::int64_t>> found;
        for (int n = 1; n <= levels_.order(); ++n)
            found.emplace_back(levels_[n].of_count.begin(), levels_[n].of_count.end());
        return found;
    }

    void estimate(int smoothing, double amount, const std::vector<std::vector<double>>& discounts) {
        Way way{static_cast<Smoothing>(smoothing), amount, {}};
        for (const auto& three : discounts) way.discounts.push_back({three.at(0), three.at(1), three.at(2)});
        if (way.smoothing == Smoothing::kKneserNey && static_cast<int>(discounts.size()) != levels_.order())
            throw std::invalid_argument("not as many discounts as orders");
        estimator_ = std::make_unique<Estimator>(levels_, std::move(way), counter_->budget());
        left_ = levels_.order();
    }

    nb::tuple next() {
        if (left_ == 0) throw std::invalid_argument("there are no more levels");
        --left_;
        auto found = with_os_errors([&] {
            const nb::gil_scoped_release unlocked;
            return estimator_->next();
        });
        return nb::make_tuple(shown(std::move(found.parents)), shown(std::move(found.words)),
                              shown(std::move(found.probabilities)), shown(std::move(found.backoffs)));
    }

private:
    std::shared_ptr<NgramCounter> counter_;  // its budget is everyone's
    Levels levels_;
    std::unique_ptr<Estimator> estimator_;
    int left_ = 0;
};

}  // namespace

void bind_ngram(nb::module_& module) {
    nb::class_<NgramLevels>(module, "NgramLevels")
        .def_prop_ro("of_count", &NgramLevels::of_count)
        .def("estimate", &NgramLevels::estimate, "smoothing"_a, "amount"_a, "discounts"_a)
        .def("next", &NgramLevels::next);
    using Counter = std::shared_ptr<NgramCounter>;
    struct Handle {
        Counter counter;
    };
    nb::class_<Handle>(module, "NgramCounter")
        .def(
            "__init__",
            [](Handle* self, std::int64_t memory, const std::string& folder) {
                new (self) Handle{std::make_shared<NgramCounter>(memory, folder)};
            },
            "memory"_a, "folder"_a)
        .def(
            "add",
            [](Handle& self, const nb::bytes& lines, bool nul) {
                const std::string_view text(lines.c_str(), lines.size());
                with_os_errors([&] {
                    const nb::gil_scoped_release unlocked;
                    self.counter->add(text, nul);
                });
            },
            "lines"_a, "nul"_a)
        .def_prop_ro("sentences", [](const Handle& self) { return self.counter->sentences(); })
        .def_prop_ro("spilled", [](const Handle& self) { return self.counter->spilled(); })
        .def("words",
             [](const Handle& self) {
                 nb::list found;
                 const Words& words = self.counter->words();
                 for (std::uint32_t word = 0; word < words.size(); ++word)
                     found.append(nb::str(words[word].data(), words[word].size()));
                 return found;
             })
        .def("counts", [](const Handle& self) { return self.counter->counts(); })
        .def(
            "levels",
            [](Handle& self, const NgramIn<std::uint32_t>& tokens, std::uint32_t vocabulary, std::uint32_t begin,
               std::uint32_t end, std::vector<std::int64_t> cutoffs, bool continuation) {
                auto levels = with_os_errors([&] {
                    const nb::gil_scoped_release unlocked;
                    return self.counter->levels({tokens.data(), tokens.shape(0)}, vocabulary, begin, end,
                                                std::move(cutoffs), continuation ? Counts::kContinuation : Counts::kRaw);
                });
                return NgramLevels(self.counter, std::move(levels));
            },
            "tokens"_a, "vocabulary"_a, "begin"_a, "end"_a, "cutoffs"_a, "continuation"_a);
    module.def(
        "ngram_insert",
        [](const NgramFilled& entries, const NgramIn<std::uint32_t>& parents, const NgramIn<std::uint32_t>& words,
           const NgramIn<float>& probabilities, const NgramIn<float>& backoffs,
           const nb::ndarray<std::uint32_t, nb::numpy, nb::ndim<1>, nb::c_contig>& slots) {
            const std::size_t count = words.shape(0);
            if (parents.shape(0) != count || probabilities.shape(0) != count || backoffs.shape(0) != count ||
                slots.shape(0) != count || entries.shape(1) < 3 || entries.shape(1) > 4)
                throw std::invalid_argument("columns of one level are not of one length");
            const nb::gil_scoped_release unlocked;
            Table table{entries.data(), entries.shape(0), static_cast<std::uint32_t>(entries.shape(1))};
            for (std::size_t place = 0; place < count; ++place)
                slots.data()[place] = table.insert(parents.data()[place], words.data()[place],
                                                   probabilities.data()[place], backoffs.data()[place]);
        },
        "entries"_a.noconvert(), "parents"_a, "words"_a, "probabilities"_a, "backoffs"_a, "slots"_a.noconvert());
    module.def(
        "ngram_find",
        [](const NgramEntries& entries, const NgramIn<std::uint32_t>& parents, const NgramIn<std::uint32_t>& words,
           const nb::ndarray<std::uint32_t, nb::numpy, nb::ndim<1>, nb::c_contig>& slots) {
            const std::size_t count = words.shape(0);
            if (parents.shape(0) != count || slots.shape(0) != count || entries.shape(1) < 3 || entries.shape(1) > 4)
                throw std::invalid_argument("columns of one level are not of one length");
            const nb::gil_scoped_release unlocked;
            const Table table{const_cast<std::uint32_t*>(entries.data()), entries.shape(0),
                              static_cast<std::uint32_t>(entries.shape(1))};
            for (std::size_t place = 0; place < count; ++place) {
                const std::uint32_t* found = table.find(parents.data()[place], words.data()[place]);
                slots.data()[place] = found == nullptr ? kEmpty : table.slot(found);
            }
        },
        "entries"_a, "parents"_a, "words"_a, "slots"_a.noconvert());
    bind_ngram_query(module);
}

}  // namespace timesteps
