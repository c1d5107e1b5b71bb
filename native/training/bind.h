// The native engine as classes of timesteps._core. Arrays come as addresses, 0 for none, checked by the caller, who
// keeps them alive.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

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

}  // namespace timesteps::training

namespace timesteps {

inline void bind_training(nanobind::module_& module) {
    namespace nb = nanobind;
    using namespace training;
    nb::class_<NetworkSpec>(module, "PlainNetwork")
        .def(nb::init<>())
        .def_prop_rw(
            "input", [](const NetworkSpec& s) { return Index(s.input); },
            [](NetworkSpec& s, Index input) { s.input = static_cast<Input>(input); })
        .def_prop_rw(
            "pool", [](const NetworkSpec& s) { return Index(s.pool); },
            [](NetworkSpec& s, Index pool) { s.pool = static_cast<training::Pool>(pool); })
        .def("set_loss",
             [](NetworkSpec& s, Index loss, std::vector<double> quantiles) {
                 s.loss = static_cast<LossKind>(loss), s.quantiles = std::move(quantiles);
             })
        .def_rw("input_size", &NetworkSpec::input_size)
        .def_rw("embedding_size", &NetworkSpec::embedding_size)
        .def_rw("channels", &NetworkSpec::channels)
        .def_rw("outputs", &NetworkSpec::outputs)
        .def_rw("wide", &NetworkSpec::wide)
        .def_rw("share", &NetworkSpec::share)
        .def_rw("input_dropout", &NetworkSpec::input_dropout)
        .def_rw("dropout", &NetworkSpec::dropout)
        .def_rw("recurrent_dropout", &NetworkSpec::recurrent_dropout)
        .def_rw("feature_dropout", &NetworkSpec::feature_dropout)
        .def_rw("word_dropout", &NetworkSpec::word_dropout)
        .def_rw("head_dropout", &NetworkSpec::head_dropout)
        .def_rw("initial_state_noise", &NetworkSpec::initial_state_noise)
        .def_rw("weight_drop", &NetworkSpec::weight_drop)
        .def_rw("label_smoothing", &NetworkSpec::label_smoothing)
        .def_rw("consistency", &NetworkSpec::consistency)
        .def("add_layer", [](NetworkSpec& s, Index kind, Index option, Index inputs, Index hidden, Index gates,
                             bool bidirectional, bool learned, bool layer_norm, bool peephole, double zoneout,
                             double zoneout_cell, Index saved_each, Index saved_once) {
            s.layers.push_back({kind, option, inputs, hidden, gates, bidirectional, learned, layer_norm, peephole,
                                zoneout, zoneout_cell, saved_each, saved_once});
        });
    nb::class_<OptimizerSpec>(module, "Optimizer")
        .def("__init__",
             [](OptimizerSpec* self, Index method, double beta1, double beta2, double momentum, double weight_decay,
                double clip_norm, double ema, bool nesterov) {
                 new (self) OptimizerSpec{static_cast<Method>(method), beta1,     beta2, momentum,
                                          weight_decay,                clip_norm, ema,   nesterov};
             });
    nb::class_<training::Examples>(module, "Examples")
        .def("__init__", [](training::Examples* self, Address ids, Address numbers, Address offsets, Address bag_ids,
                            Address bag_offsets, Address phrase_ids, Address phrase_offsets, Address channels,
                            Address linear, Address classes, Address wanted, Address weights) {
            new (self) training::Examples{
                pointer<const std::int32_t>(ids),        pointer<const float>(numbers),
                pointer<const Index>(offsets),           pointer<const std::int32_t>(bag_ids),
                pointer<const Index>(bag_offsets),       pointer<const std::int32_t>(phrase_ids),
                pointer<const Index>(phrase_offsets),    pointer<const float>(channels),
                pointer<const float>(linear),            pointer<const Index>(classes),
                pointer<const float>(wanted),            pointer<const float>(weights)};
        });
    bind_trainer<float>(module, "Trainer");
    bind_trainer<double>(module, "DoubleTrainer");
}

}  // namespace timesteps
