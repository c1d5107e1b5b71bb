// A trainer as a class of timesteps._core. Arrays come as addresses, 0 for none, checked by the caller, who keeps them
// alive.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "../recurrent/tensors.h"
#include "trainer.h"

namespace timesteps::training {

namespace nb = nanobind;

template <class T>
T* pointer(Address address) {
    return reinterpret_cast<T*>(address);
}

/// A trainer while its tensors are being listed.
template <class T>
struct Listed {
    std::vector<Slot<T>> slots;
    std::unique_ptr<Trainer<T>> trainer;
};

template <class T>
void bind_trainer(nb::module_& module, const char* name) {
    using Unlocked = nb::call_guard<nb::gil_scoped_release>;
    using Self = Listed<T>;
    nb::class_<Self>(module, name)
        .def(nb::init<>())
        .def("add",
             [](Self& self, Address value, Address grad, Address first, Address second, Address steps, Address average,
                Address marks, Index rows, Index width, bool decays) {
                 self.slots.push_back({pointer<T>(value), pointer<T>(grad), pointer<T>(first), pointer<T>(second),
                                       pointer<T>(steps), pointer<T>(average), pointer<double>(marks), rows, width,
                                       decays});
             })
        .def("begin",
             [](Self& self, const NetworkSpec& spec, const OptimizerSpec& optimizer) {
                 self.trainer = std::make_unique<Trainer<T>>(spec, optimizer, self.slots);
             })
        .def(
            "answer",
            [](Self& self, const Examples& examples, Address rows, Index count, Address logits, int threads) {
                self.trainer->answer(examples, pointer<const Index>(rows), count, pointer<T>(logits), threads);
            },
            Unlocked())
        .def(
            "gradients",
            [](Self& self, const Examples& examples, Address rows, Index count, std::uint64_t seed, bool drops,
               int threads) {
                StepResult r;
                {
                    const nb::gil_scoped_release unlocked;
                    r = self.trainer->gradients(examples, pointer<const Index>(rows), count, seed, drops, threads);
                }
                return std::make_tuple(r.loss, r.norm, r.score, r.weight);
            })
        .def(
            "step",
            [](Self& self, const Examples& examples, Address rows, Index count, std::uint64_t seed, bool drops,
               double dense, double table, double wide, Index number, int threads) {
                StepResult r;
                {
                    const nb::gil_scoped_release unlocked;
                    r = self.trainer->step(examples, pointer<const Index>(rows), count, seed, drops,
                                           {dense, table, wide, number}, threads);
                }
                return std::make_tuple(r.loss, r.norm, r.score, r.weight, r.taken);
            })
        .def(
            "settle", [](Self& self, int threads) { self.trainer->settle(threads); }, Unlocked())
        .def("touched", [](const Self& self) { return self.trainer->bags().touched(); })
        .def("sparse_gradient",  // rows (touched,) int32 and values (touched, width)
             [](const Self& self, bool wide, Index width, Address rows, Address values) {
                 const BagInput<T>& bags = self.trainer->bags();
                 std::copy_n(bags.touched_rows(), bags.touched(), pointer<std::int32_t>(rows));
                 std::copy_n(bags.gradients(wide), bags.touched() * width, pointer<T>(values));
             })
        .def("answers", [](const Self& self) { return self.trainer->answers(); })
        .def("logits",  // of the last step, (answers, outputs)
             [](const Self& self, Index numbers, Address out) {
                 std::copy_n(self.trainer->logits(), numbers, pointer<T>(out));
             })
        .def("clock",
             [](const Self& self) {
                 return std::make_pair(self.trainer->clock().steps, self.trainer->clock().log_decay);
             })
        .def("set_clock",
             [](Self& self, Index steps, double log_decay) { self.trainer->clock() = {steps, log_decay}; });
}

// Which is for checks: see double.cpp.
extern template void bind_trainer<double>(nb::module_&, const char*);

}  // namespace timesteps::training
