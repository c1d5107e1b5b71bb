// Tensors as Python hands them in: PyTorch's (whose address is asked for here, at a tenth of what Python takes), an address,
// or None; the caller has checked it.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>
#include <stdexcept>

namespace timesteps {

using Address = std::uintptr_t;

inline Address address_of(nanobind::handle tensor) {
    if (tensor.is_none()) return 0;
    static PyObject* const data_ptr = PyUnicode_InternFromString("data_ptr");
    PyObject* const number =
        PyLong_Check(tensor.ptr()) ? tensor.inc_ref().ptr() : PyObject_CallMethodNoArgs(tensor.ptr(), data_ptr);
    const Address address = number == nullptr ? 0 : PyLong_AsSize_t(number);
    Py_XDECREF(number);
    if (PyErr_Occurred() != nullptr) throw nanobind::python_error();
    return address;
}

/// A tuple of tensors; those that it is too short for are none.
class Tensors {
public:
    explicit Tensors(const nanobind::tuple& tensors) : count_(tensors.size()) {
        if (count_ > kMost) throw std::invalid_argument("there are more tensors than the kernels know");
        for (std::size_t n = 0; n < count_; ++n) at_[n] = address_of(tensors[n]);
    }

    template <class T>
    T* at(std::size_t n) const {
        return n < count_ ? reinterpret_cast<T*>(at_[n]) : nullptr;
    }

private:
    static constexpr std::size_t kMost = 32;
    std::size_t count_;
    Address at_[kMost];
};

}  // namespace timesteps
