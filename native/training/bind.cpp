// The native engine as classes of timesteps._core.
#include "bind.h"

#include "trainer_bind.h"

namespace timesteps {

void bind_training(nanobind::module_& module) {
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
