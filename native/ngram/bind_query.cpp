// What answers from an n-gram model, as classes of timesteps._core. Arrays are numpy's, checked by the caller, who keeps
// those of a query as long as it lives.
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <numbers>
#include <stdexcept>
#include <string_view>

#include "arrays.h"
#include "bind.h"
#include "bind_state.h"
#include "query.h"
#include "words.h"

namespace timesteps {

using namespace nanobind::literals;

namespace {

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

/// A query with what Python sees of states: `NgramState`, or tuples of words, the last one last.
class NgramReader {
public:
    NgramReader(const NgramIn<float>& unigrams, std::uint32_t begin, const std::vector<NgramEntries>& tables)
        : query_(unigrams.data(), static_cast<std::uint32_t>(unigrams.shape(0) / 2), begin, as_tables(tables)) {}

    /// (log P, the state after it). Called once a token by whoever decodes, so it goes around nanobind's dispatch and
    /// makes nothing but its answer.
    static PyObject* log_prob(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
        if (count != 2) {
            PyErr_SetString(PyExc_TypeError, "log_prob takes a state and a word");
            return nullptr;
        }
        try {
            return nb::inst_ptr<NgramReader>(self)->answer(arguments[0], arguments[1]).release().ptr();
        } catch (nb::python_error& error) {
            error.restore();
        } catch (const std::out_of_range& error) {
            PyErr_SetString(PyExc_IndexError, error.what());
        } catch (const std::exception& error) {
            PyErr_SetString(PyExc_TypeError, error.what());
        }
        return nullptr;
    }

    nb::object shortest(nb::handle state) const { return state_object(*State(*this, state)); }

    void distribution(nb::handle state, const nb::ndarray<double, nb::numpy, nb::ndim<1>, nb::c_contig>& logs) const {
        if (logs.shape(0) != query_.vocabulary()) throw std::invalid_argument("not as many numbers as words");
        const State from(*this, state);
        const nb::gil_scoped_release unlocked;
        query_.distribution(*from, logs.data());
        for (std::size_t word = 0; word < logs.shape(0); ++word) logs.data()[word] *= std::numbers::ln10;
    }

    nb::object log_probs(nb::handle state, const NgramIn<std::uint32_t>& words,
                        const nb::ndarray<double, nb::numpy, nb::ndim<1>, nb::c_contig>& logs) const {
        if (logs.shape(0) != words.shape(0)) throw std::invalid_argument("not as many numbers as words");
        check(words);
        NgramQuery::State at = *State(*this, state);
        {
            const nb::gil_scoped_release unlocked;
            at = query_.run(at, {words.data(), words.shape(0)}, logs.data());
            for (std::size_t word = 0; word < logs.shape(0); ++word) logs.data()[word] *= std::numbers::ln10;
        }
        return state_object(at);
    }

    /// Sentences from a state: those of words[offsets[n]] … words[offsets[n + 1] - 1].
    void sentences(nb::handle state, const NgramIn<std::uint32_t>& words, const NgramIn<std::int64_t>& offsets,
                   const nb::ndarray<double, nb::numpy, nb::ndim<1>, nb::c_contig>& logs) const {
        if (logs.shape(0) != words.shape(0)) throw std::invalid_argument("not as many numbers as words");
        check(words);
        const State start(*this, state);
        const nb::gil_scoped_release unlocked;
        if (offsets.shape(0) == 0) throw std::invalid_argument("offsets do not fit the words");
        for (std::size_t number = 0; number + 1 < offsets.shape(0); ++number) {
            const std::int64_t first = offsets.data()[number], last = offsets.data()[number + 1];
            if (first < 0 || last < first || last > static_cast<std::int64_t>(words.shape(0)))
                throw std::invalid_argument("offsets do not fit the words");
        }
        query_.sentences(*start, {words.data(), words.shape(0)}, {offsets.data(), offsets.shape(0)}, logs.data());
        for (std::size_t word = 0; word < logs.shape(0); ++word) logs.data()[word] *= std::numbers::ln10;
    }

    /// The sum over a text's words and its end.
    double text(nb::handle state, const NgramTokens& tokens, const nb::str& text) const {
        Py_ssize_t size = 0;
        const char* utf8 = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
        if (utf8 == nullptr) throw nb::python_error();
        std::vector<std::uint32_t> words;
        words.reserve(static_cast<std::size_t>(size) / 4 + 2);
        tokens.of({utf8, static_cast<std::size_t>(size)}, [&](std::uint32_t token) { words.push_back(token); });
        return query_.sum(*State(*this, state), words) * std::numbers::ln10;
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
        if (word == -1 && PyErr_Occurred() != nullptr) throw nb::python_error();
        if (word < 0 || word >= query_.vocabulary()) throw std::out_of_range("a word is not in the vocabulary");
        return static_cast<std::uint32_t>(word);
    }

    void check(const NgramIn<std::uint32_t>& words) const {
        for (std::size_t place = 0; place < words.shape(0); ++place) checked(words.data()[place]);
    }

    /// What an argument says: the state in an `NgramState`, or one made of a tuple.
    class State {
    public:
        State(const NgramReader& reader, nb::handle given) : there_(state_of(given)) {
            if (there_ == nullptr)
                there_ = &(made_ = reader.of_tuple(nb::cast<nb::tuple>(given)));
            else if (there_->length >= reader.query_.order())
                throw std::out_of_range("a state is another model's");
        }
        State(const State&) = delete;
        State& operator=(const State&) = delete;

        const NgramQuery::State& operator*() const { return *there_; }

    private:
        NgramQuery::State made_;
        const NgramQuery::State* there_;
    };

    nb::object answer(nb::handle state, nb::handle word) const {
        const std::uint32_t number = checked(PyNumber_AsSsize_t(word.ptr(), PyExc_IndexError));
        const State from(*this, state);
        NgramQuery::State* next = nullptr;
        nb::object after = new_state_object(next);
        const double log = query_.step(*from, number, *next) * std::numbers::ln10;
        nb::object both = nb::steal(PyTuple_New(2));
        PyObject* const value = PyFloat_FromDouble(log);
        if (!both.is_valid() || value == nullptr) throw nb::python_error();
        PyTuple_SET_ITEM(both.ptr(), 0, value);
        PyTuple_SET_ITEM(both.ptr(), 1, after.release().ptr());
        return both;
    }

    NgramQuery::State of_tuple(const nb::tuple& state) const {
        std::array<std::uint32_t, NgramQuery::kMostOrder> words;
        std::size_t length = 0;
        const std::size_t all = state.size(), left_out = all - std::min(all, words.size());
        for (std::size_t place = 0; place < all; ++place) {
            const std::uint32_t word = checked(nb::cast<std::int64_t>(state[place]));
            if (place >= left_out) words[length++] = word;
        }
        return query_.after({words.data(), length});
    }

    NgramQuery query_;
};

}  // namespace

void bind_ngram_query(nb::module_& module) {
    bind_ngram_state(module);
    nb::class_<NgramTokens>(module, "NgramTokens")
        .def(nb::init<const nb::bytes&, std::uint32_t, std::uint32_t, std::uint32_t>(), "lines"_a, "first"_a,
             "unknown"_a, "end"_a)
        .def("__call__", &NgramTokens::operator(), "lines"_a);
    nb::class_<NgramReader> reader(module, "NgramReader");
    reader
        .def(nb::init<const NgramIn<float>&, std::uint32_t, const std::vector<NgramEntries>&>(), "unigrams"_a,
             "begin"_a, "tables"_a)
        .def("shortest", &NgramReader::shortest, "state"_a)
        .def("distribution", &NgramReader::distribution, "state"_a, "logs"_a.noconvert())
        .def("log_probs", &NgramReader::log_probs, "state"_a, "words"_a, "logs"_a.noconvert())
        .def("text", &NgramReader::text, "state"_a, "tokens"_a, "text"_a)
        .def("sentences", &NgramReader::sentences, "state"_a, "words"_a, "offsets"_a, "logs"_a.noconvert());
    static PyMethodDef log_prob{"log_prob", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(&NgramReader::log_prob)),
                                METH_FASTCALL, "log P(word | state), and the state after it."};
    reader.attr("log_prob") =
        nb::steal(PyDescr_NewMethod(reinterpret_cast<PyTypeObject*>(reader.ptr()), &log_prob));
}

}  // namespace timesteps
