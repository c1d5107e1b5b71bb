#include "bind_state.h"

#include <cstring>

namespace timesteps {

namespace nb = nanobind;

namespace {

struct Object {
    PyObject_HEAD
    NgramQuery::State state;
};

PyTypeObject* type = nullptr;  // the module's, made once and kept

NgramQuery::State& inside(PyObject* self) { return reinterpret_cast<Object*>(self)->state; }

/// The words as a tuple, the last one last; null, with an error set, where memory is full.
nb::object words_of(PyObject* self) {
    const NgramQuery::State& state = inside(self);
    nb::object words = nb::steal(PyTuple_New(state.length));
    for (int place = 0; words.is_valid() && place < state.length; ++place) {
        PyObject* const word = PyLong_FromUnsignedLong(state.words[static_cast<std::size_t>(state.length - 1 - place)]);
        if (word == nullptr) return {};
        PyTuple_SET_ITEM(words.ptr(), place, word);
    }
    return words;
}

/// NgramState(words, weights): as `__reduce__` takes it apart; the last one last in both.
PyObject* make(PyTypeObject* of, PyObject* arguments, PyObject*) {
    PyObject *words = nullptr, *weights = nullptr;
    if (PyArg_ParseTuple(arguments, "O!O!", &PyTuple_Type, &words, &PyTuple_Type, &weights) == 0) return nullptr;
    const Py_ssize_t length = PyTuple_GET_SIZE(words);
    if (length != PyTuple_GET_SIZE(weights) || length >= NgramQuery::kMostOrder) {
        PyErr_SetString(PyExc_ValueError, "not as many weights as words, or too many");
        return nullptr;
    }
    nb::object self = nb::steal(of->tp_alloc(of, 0));
    if (!self.is_valid()) return nullptr;
    NgramQuery::State& state = inside(self.ptr());
    state.length = static_cast<int>(length);
    for (Py_ssize_t place = 0; place < length; ++place) {
        const auto at = static_cast<std::size_t>(length - 1 - place);
        const unsigned long word = PyLong_AsUnsignedLong(PyTuple_GET_ITEM(words, place));
        if (word > 0xffffffffu && PyErr_Occurred() == nullptr)
            PyErr_SetString(PyExc_OverflowError, "a word is no 32-bit number");
        state.words[at] = static_cast<std::uint32_t>(word);
        state.backoffs[at] = static_cast<float>(PyFloat_AsDouble(PyTuple_GET_ITEM(weights, place)));
        if (PyErr_Occurred() != nullptr) return nullptr;
    }
    return self.release().ptr();
}

void release(PyObject* self) {
    PyTypeObject* const of = Py_TYPE(self);
    of->tp_free(self);
    Py_DECREF(of);
}

PyObject* compare(PyObject* self, PyObject* other, int how) {
    if (how != Py_EQ && how != Py_NE) Py_RETURN_NOTIMPLEMENTED;
    if (Py_TYPE(other) == type) {
        const NgramQuery::State &one = inside(self), &two = inside(other);
        const bool same = one.length == two.length && std::memcmp(one.words.data(), two.words.data(),
                                                                  static_cast<std::size_t>(one.length) * 4) == 0;
        return PyBool_FromLong(same == (how == Py_EQ));
    }
    if (!PyTuple_Check(other)) Py_RETURN_NOTIMPLEMENTED;
    const nb::object words = words_of(self);
    return words.is_valid() ? PyObject_RichCompare(words.ptr(), other, how) : nullptr;
}

Py_hash_t hash(PyObject* self) {
    const nb::object words = words_of(self);
    return words.is_valid() ? PyObject_Hash(words.ptr()) : -1;
}

PyObject* shown(PyObject* self) {
    const nb::object words = words_of(self);
    return words.is_valid() ? PyUnicode_FromFormat("NgramState%R", words.ptr()) : nullptr;
}

Py_ssize_t length(PyObject* self) { return inside(self).length; }

PyObject* item(PyObject* self, PyObject* key) {
    const nb::object words = words_of(self);
    return words.is_valid() ? PyObject_GetItem(words.ptr(), key) : nullptr;
}

PyObject* iterator(PyObject* self) {
    const nb::object words = words_of(self);
    return words.is_valid() ? PyObject_GetIter(words.ptr()) : nullptr;
}

PyObject* reduce(PyObject* self, PyObject*) {
    const NgramQuery::State& state = inside(self);
    const nb::object words = words_of(self), weights = nb::steal(PyTuple_New(state.length));
    if (!words.is_valid() || !weights.is_valid()) return nullptr;
    for (int place = 0; place < state.length; ++place) {
        PyObject* const weight = PyFloat_FromDouble(state.backoffs[static_cast<std::size_t>(state.length - 1 - place)]);
        if (weight == nullptr) return nullptr;
        PyTuple_SET_ITEM(weights.ptr(), place, weight);
    }
    return Py_BuildValue("O(OO)", Py_TYPE(self), words.ptr(), weights.ptr());
}

template <class F>
void* slot(F* function) {
    return reinterpret_cast<void*>(function);
}

}  // namespace

void bind_ngram_state(nb::module_& module) {
    static PyMethodDef methods[] = {{"__reduce__", reduce, METH_NOARGS, nullptr}, {nullptr, nullptr, 0, nullptr}};
    PyType_Slot slots[] = {{Py_tp_new, slot(make)},          {Py_tp_dealloc, slot(release)},
                           {Py_tp_richcompare, slot(compare)}, {Py_tp_hash, slot(hash)},
                           {Py_tp_repr, slot(shown)},        {Py_mp_length, slot(length)},
                           {Py_mp_subscript, slot(item)},    {Py_tp_iter, slot(iterator)},
                           {Py_tp_methods, methods},         {0, nullptr}};
    PyType_Spec spec{"timesteps._core.NgramState", sizeof(Object), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, slots};
    const nb::object made = nb::steal(PyType_FromSpec(&spec));
    if (!made.is_valid()) throw nb::python_error();
    Py_INCREF(made.ptr());
    type = reinterpret_cast<PyTypeObject*>(made.ptr());
    module.attr("NgramState") = made;
}

nb::object new_state_object(NgramQuery::State*& state) {
    Object* const made = PyObject_New(Object, type);
    if (made == nullptr) throw nb::python_error();
    state = &made->state;
    state->length = 0;
    return nb::steal(reinterpret_cast<PyObject*>(made));
}

const NgramQuery::State* state_of(nb::handle object) {
    return Py_TYPE(object.ptr()) == type ? &inside(object.ptr()) : nullptr;
}

}  // namespace timesteps
