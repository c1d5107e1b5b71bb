// Language models as classes and functions of timesteps._core. Arrays come as addresses, 0 for none, checked by the
// caller, who keeps them alive.
#include "language.h"

#include <nanobind/stl/pair.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "training/language.h"

namespace timesteps {
namespace {

namespace nb = nanobind;
using namespace training;

template <class T>
T* at(Address address) {
    return reinterpret_cast<T*>(address);
}

Streams streams(Address ids, Address targets, Index steps, Index batch) {
    return {at<const std::int32_t>(ids), at<const std::int32_t>(targets), steps, batch};
}

template <class T>
std::vector<T*> all(const std::vector<Address>& addresses) {
    std::vector<T*> pointers;
    for (const Address address : addresses) pointers.push_back(at<T>(address));
    return pointers;
}

template <class T>
void bind_trainer(nb::module_& module, const char* name) {
    struct Self {
        std::vector<Slot<T>> slots;
        std::unique_ptr<LanguageTrainer<T>> trainer;
    };
    nb::class_<Self>(module, name)
        .def(nb::init<>())
        .def("add",
             [](Self& self, Address value, Address grad, Address first, Address second, Address average, Index rows,
                Index width, bool decays) {
                 self.slots.push_back({at<T>(value), at<T>(grad), at<T>(first), at<T>(second), nullptr, at<T>(average),
                                       nullptr, rows, width, decays});
             })
        .def("begin",
             [](Self& self, const LanguageSpec& spec, const OptimizerSpec& optimizer) {
                 self.trainer = std::make_unique<LanguageTrainer<T>>(spec, optimizer, self.slots);
             })
        .def("answer",
             [](Self& self, Address ids, Address targets, Index steps, Index batch, const std::vector<Address>& states,
                Address log_probs, int threads) {
                 const nb::gil_scoped_release unlocked;
                 self.trainer->answer(streams(ids, targets, steps, batch), all<T>(states).data(), at<T>(log_probs),
                                      threads);
             })
        .def("gradients",
             [](Self& self, Address ids, Address targets, Index steps, Index batch, const std::vector<Address>& states,
                std::uint64_t seed, bool drops, int threads) {
                 LanguageStep r;
                 {
                     const nb::gil_scoped_release unlocked;
                     r = self.trainer->gradients(streams(ids, targets, steps, batch), all<T>(states).data(), seed, drops,
                                                 threads);
                 }
                 return std::make_tuple(r.loss, r.penalty, r.norm);
             })
        .def("step",
             [](Self& self, Address ids, Address targets, Index steps, Index batch, const std::vector<Address>& states,
                std::uint64_t seed, bool drops, double rate, Index count, int threads) {
                 LanguageStep r;
                 {
                     const nb::gil_scoped_release unlocked;
                     r = self.trainer->step(streams(ids, targets, steps, batch), all<T>(states).data(), seed, drops,
                                            rate, count, threads);
                 }
                 return std::make_tuple(r.loss, r.penalty, r.norm, r.taken);
             })
        .def("sample",
             [](Self& self, Address classes, Index count, Address expected) {
                 self.trainer->sample({at<const Index>(classes), count, at<const T>(expected)});
             })
        .def("settle",
             [](Self& self, int threads) {
                 const nb::gil_scoped_release unlocked;
                 self.trainer->settle(threads);
             })
        .def("clock",
             [](const Self& self) {
                 return std::make_pair(self.trainer->clock().steps, self.trainer->clock().log_decay);
             })
        .def("set_clock",
             [](Self& self, Index steps, double log_decay) { self.trainer->clock() = {steps, log_decay}; });
}

}  // namespace

void bind_language(nb::module_& module) {
    nb::class_<LanguageSpec>(module, "RecurrentLanguage")
        .def("__init__",
             [](LanguageSpec* self, Index vocabulary, Index embedding_size, bool tied, bool locked, double word_dropout,
                double input_dropout, double dropout, double output_dropout, double weight_drop, double activation,
                double slowness) {
                 new (self) LanguageSpec{vocabulary, embedding_size, tied,       locked,   word_dropout, input_dropout,
                                         dropout,    output_dropout, weight_drop, activation, slowness,  {}};
             })
        .def("add_layer", [](LanguageSpec& s, Index kind, Index option, Index inputs, Index hidden, Index gates,
                             Index saved_each, Index saved_once) {
            s.layers.push_back({.kind = kind,
                                .option = option,
                                .input_size = inputs,
                                .hidden_size = hidden,
                                .gates = gates,
                                .saved_each = saved_each,
                                .saved_once = saved_once});
        });
    bind_trainer<float>(module, "LanguageTrainer");
    bind_trainer<double>(module, "DoubleLanguageTrainer");
    module.def("softmax_log_probs",  // h (rows, size), weight (classes, size), bias (classes); targets (rows) int32
               [](Address h, Address weight, Address bias, Address targets, Index rows, Index size, Index classes,
                  Address log_probs, int threads) {
                   const nb::gil_scoped_release unlocked;
                   ProjectionProblem<float> p{};
                   p.rows = rows, p.size = size, p.classes = classes;
                   p.h = at<const float>(h), p.weight = at<const float>(weight), p.bias = at<const float>(bias);
                   p.targets = at<const std::int32_t>(targets), p.log_probs = at<float>(log_probs);
                   Projection<float>().run(p, threads);
               });
}

}  // namespace timesteps
