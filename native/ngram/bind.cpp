// n-gram models as classes of timesteps._core: counting, estimation, tables, queries. Arrays are numpy's, checked by
// the caller, who keeps those of a query as long as it lives.
#include "bind.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cerrno>
#include <cmath>
#include <memory>
#include <numbers>
#include <system_error>

#include "counter.h"
#include "estimate.h"
#include "query.h"

namespace timesteps {

namespace nb = nanobind;
using namespace nanobind::literals;

namespace {

template <class T>
using NgramIn = nb::ndarray<const T, nb::numpy, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using NgramEntries = nb::ndarray<const std::uint32_t, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using NgramFilled = nb::ndarray<std::uint32_t, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

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

/// The tokens of sentences, a line each, whose words white space separates.
class NgramTokens {
public:
    /// `lines`: the words from number `first` on, a line each.
    NgramTokens(const nb::bytes& lines, std::uint32_t first, std::uint32_t unknown, std::uint32_t end)
        : first_(first), unknown_(unknown), end_(end) {
        std::string_view left(lines.c_str(), lines.size());
        for (std::size_t size; !left.empty(); left.remove_prefix(size + 1)) {
            size = std::min(left.find('\n'), left.size() - 1);
            words_.number(left.substr(0, size));
        }
    }

    /// Calls each(token) for the words of one text and its end.
    template <class Each>
    void of(std::string_view text, Each each) const {
        each_word(text, false, [&](std::string_view word) {
            const std::uint32_t number = words_.find(word);
            each(number == Words::kNone ? unknown_ : first_ + number);
        });
        each(end_);
    }

    /// The tokens of all sentences, each with its end, and where the sentences begin.
    nb::tuple operator()(const nb::bytes& lines) const {
        std::string_view left(lines.c_str(), lines.size());
        std::vector<std::uint32_t> tokens;
        std::vector<std::int64_t> offsets{0};
        {
            const nb::gil_scoped_release unlocked;
            while (!left.empty()) {
                const std::size_t size = std::min(left.find('\n'), left.size() - 1);
                of(left.substr(0, size), [&](std::uint32_t token) { tokens.push_back(token); });
                offsets.push_back(static_cast<std::int64_t>(tokens.size()));
                left.remove_prefix(size + 1);
            }
        }
        return nb::make_tuple(shown(std::move(tokens)), shown(std::move(offsets)));
    }

private:
    Words words_;
    std::uint32_t first_, unknown_, end_;
};

/// A query with what Python sees of states: tuples of words, the last one last.
class NgramReader {
public:
    NgramReader(const NgramIn<float>& unigrams, std::uint32_t begin, const std::vector<NgramEntries>& tables)
        : query_(unigrams.data(), static_cast<std::uint32_t>(unigrams.shape(0) / 2), begin, as_tables(tables)) {}

    nb::tuple log_prob(const nb::tuple& state, std::int64_t word) const {
        NgramQuery::State next;
        const double log = query_.step(state_of(state), checked(word), next);
        return nb::make_tuple(log * std::numbers::ln10, tuple_of(next));
    }

    nb::tuple shortest(const nb::tuple& state) const { return tuple_of(state_of(state)); }

    void distribution(const nb::tuple& state, const nb::ndarray<double, nb::numpy, nb::ndim<1>, nb::c_contig>& logs) const {
        if (logs.shape(0) != query_.vocabulary()) throw std::invalid_argument("not as many numbers as words");
        const NgramQuery::State from = state_of(state);
        const nb::gil_scoped_release unlocked;
        query_.distribution(from, logs.data());
        for (std::size_t word = 0; word < logs.shape(0); ++word) logs.data()[word] *= std::numbers::ln10;
    }

    nb::tuple log_probs(const nb::tuple& state, const NgramIn<std::uint32_t>& words,
                        const nb::ndarray<double, nb::numpy, nb::ndim<1>, nb::c_contig>& logs) const {
        if (logs.shape(0) != words.shape(0)) throw std::invalid_argument("not as many numbers as words");
        check(words);
        NgramQuery::State at = state_of(state);
        {
            const nb::gil_scoped_release unlocked;
            at = query_.run(at, {words.data(), words.shape(0)}, logs.data());
            for (std::size_t word = 0; word < logs.shape(0); ++word) logs.data()[word] *= std::numbers::ln10;
        }
        return tuple_of(at);
    }

    /// Sentences from a state: those of words[offsets[n]] … words[offsets[n + 1] - 1].
    void sentences(const nb::tuple& state, const NgramIn<std::uint32_t>& words, const NgramIn<std::int64_t>& offsets,
                   const nb::ndarray<double, nb::numpy, nb::ndim<1>, nb::c_contig>& logs) const {
        if (logs.shape(0) != words.shape(0)) throw std::invalid_argument("not as many numbers as words");
        check(words);
        const NgramQuery::State start = state_of(state);
        const nb::gil_scoped_release unlocked;
        if (offsets.shape(0) == 0) throw std::invalid_argument("offsets do not fit the words");
        for (std::size_t number = 0; number + 1 < offsets.shape(0); ++number) {
            const std::int64_t first = offsets.data()[number], last = offsets.data()[number + 1];
            if (first < 0 || last < first || last > static_cast<std::int64_t>(words.shape(0)))
                throw std::invalid_argument("offsets do not fit the words");
        }
        query_.sentences(start, {words.data(), words.shape(0)}, {offsets.data(), offsets.shape(0)}, logs.data());
        for (std::size_t word = 0; word < logs.shape(0); ++word) logs.data()[word] *= std::numbers::ln10;
    }

    /// The sum over a text's words and its end.
    double text(const nb::tuple& state, const NgramTokens& tokens, const nb::str& text) const {
        Py_ssize_t size = 0;
        const char* utf8 = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
        if (utf8 == nullptr) throw nb::python_error();
        std::vector<std::uint32_t> words;
        words.reserve(static_cast<std::size_t>(size) / 4 + 2);
        tokens.of({utf8, static_cast<std::size_t>(size)}, [&](std::uint32_t token) { words.push_back(token); });
        return query_.sum(state_of(state), words) * std::numbers::ln10;
    }

private:
    static std::vector<Table> as_tables(const std::vector<NgramEntries>& arrays) {
        std::vector<Table> tables;
        if (arrays.size() >= NgramQuery::kMostOrder) throw std::invalid_argument("the order is too high");
        for (const NgramEntries& array : arrays) {
            const bool last = tables.size() + 1 == arrays.size();
            if (array.shape(1) != (last ? 3 : 4) || array.shape(0) == 0)
                throw std::invalid_argument("a table has another shape than its order's");
            tables.push_back({const_cast<std::uint32_t*>(array.data()), array.shape(0),
                              static_cast<std::uint32_t>(array.shape(1))});
        }
        return tables;
    }

    std::uint32_t checked(std::int64_t word) const {
        if (word < 0 || word >= query_.vocabulary()) throw std::out_of_range("a word is not in the vocabulary");
        return static_cast<std::uint32_t>(word);
    }

    void check(const NgramIn<std::uint32_t>& words) const {
        for (std::size_t place = 0; place < words.shape(0); ++place) checked(words.data()[place]);
    }

    NgramQuery::State state_of(const nb::tuple& state) const {
        std::array<std::uint32_t, NgramQuery::kMostOrder> words;
        std::size_t length = 0;
        const std::size_t all = state.size(), left_out = all - std::min(all, words.size());
        for (std::size_t place = 0; place < all; ++place) {
            const std::uint32_t word = checked(nb::cast<std::int64_t>(state[place]));
            if (place >= left_out) words[length++] = word;
        }
        return query_.after({words.data(), length});
    }

    static nb::tuple tuple_of(const NgramQuery::State& state) {
        PyObject* tuple = PyTuple_New(state.length);
        for (int place = 0; place < state.length; ++place)
            PyTuple_SET_ITEM(tuple, place,
                             PyLong_FromUnsignedLong(state.words[static_cast<std::size_t>(state.length - 1 - place)]));
        return nb::steal<nb::tuple>(tuple);
    }

    NgramQuery query_;
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
    nb::class_<NgramTokens>(module, "NgramTokens")
        .def(nb::init<const nb::bytes&, std::uint32_t, std::uint32_t, std::uint32_t>(), "lines"_a, "first"_a,
             "unknown"_a, "end"_a)
        .def("__call__", &NgramTokens::operator(), "lines"_a);
    nb::class_<NgramReader>(module, "NgramReader")
        .def(nb::init<const NgramIn<float>&, std::uint32_t, const std::vector<NgramEntries>&>(), "unigrams"_a,
             "begin"_a, "tables"_a)
        .def("log_prob", &NgramReader::log_prob, "state"_a, "word"_a)
        .def("shortest", &NgramReader::shortest, "state"_a)
        .def("distribution", &NgramReader::distribution, "state"_a, "logs"_a.noconvert())
        .def("log_probs", &NgramReader::log_probs, "state"_a, "words"_a, "logs"_a.noconvert())
        .def("text", &NgramReader::text, "state"_a, "tokens"_a, "text"_a)
        .def("sentences", &NgramReader::sentences, "state"_a, "words"_a, "offsets"_a, "logs"_a.noconvert());
}

}  // namespace timesteps
