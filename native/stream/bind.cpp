// The streaming engine as classes of timesteps._core. Tensors come as addresses, checked by the caller, which keeps
// them until the model is made.
#include "bind.h"

#include <array>

#include <nanobind/nanobind.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "../recurrent/tensors.h"
#include "load.h"
#include "refused.h"
#include "sequences.h"

namespace timesteps {

namespace nb = nanobind;

/// h0 and c0; w_ih, w_hh, b_ih, b_hh; of int8 weights, whose w are null, q_ih, q_hh, s_ih, s_hh; norm_ih, norm_hh,
/// norm_c, norm_c_bias, w_ch.
using DirectionAddresses = std::array<Address, 15>;
/// Kind, option, input size, hidden size, zoneout of h and of c.
using LayerNumbers = std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t, double, double,
                                std::vector<DirectionAddresses>>;

using NetworkNumbers = std::tuple<std::int64_t, std::int64_t, std::int64_t, Address, Address, Address,
                                  std::vector<LayerNumbers>, std::int64_t, Address, std::int64_t, Address, Address>;

inline const float* floats_at(Address address) { return reinterpret_cast<const float*>(address); }

inline DirectionParts direction_parts(const DirectionAddresses& addresses) {
    const auto int8_at = [](Address address) { return reinterpret_cast<const std::int8_t*>(address); };
    const auto& [h0, c0, w_ih, w_hh, b_ih, b_hh, q_ih, q_hh, s_ih, s_hh, norm_ih, norm_hh, norm_c, norm_c_bias, w_ch] =
        addresses;
    return {{floats_at(w_ih), floats_at(w_hh), floats_at(b_ih), floats_at(b_hh), int8_at(q_ih), int8_at(q_hh),
             floats_at(s_ih), floats_at(s_hh), floats_at(norm_ih), floats_at(norm_hh), floats_at(norm_c),
             floats_at(norm_c_bias), floats_at(w_ch)},
            floats_at(h0),
            floats_at(c0)};
}

inline NetworkParts network_parts(const NetworkNumbers& numbers) {
    const auto& [input, input_size, embedding_size, embedding, embedding_int8, embedding_scale, layers, pool, attention,
                 outputs, head, bias] = numbers;
    NetworkParts parts{.input = static_cast<InputKind>(input),
                       .input_size = input_size,
                       .embedding_size = embedding_size,
                       .embedding = floats_at(embedding),
                       .embedding_int8 = reinterpret_cast<const std::int8_t*>(embedding_int8),
                       .embedding_scale = floats_at(embedding_scale),
                       .layers = {},
                       .pool = static_cast<Pool>(pool),
                       .attention = floats_at(attention),
                       .outputs = outputs,
                       .head = floats_at(head),
                       .head_bias = floats_at(bias)};
    for (const auto& [kind, option, inputs, hidden, zone_h, zone_c, directions] : layers) {
        LayerParts layer{static_cast<CellKind>(kind), option, inputs, hidden, zone_h, zone_c, {}};
        for (const DirectionAddresses& each : directions) layer.directions.push_back(direction_parts(each));
        parts.layers.push_back(std::move(layer));
    }
    return parts;
}

/// Streams of one model, in memory that the caller keeps. `out` is a float32 array of the logits' shape and `logits`
/// the address of its numbers: a step fills it and returns a copy.
class Streams {
public:
    Streams(nb::object model, Address memory, std::int64_t count, bool batched, nb::object out, Address logits)
        : owner_(std::move(model)),
          model_(nb::cast<const Model&>(owner_)),
          out_(std::move(out)),
          copy_(nb::steal(PyUnicode_InternFromString("copy"))),
          logits_(reinterpret_cast<float*>(logits)),
          batched_(batched) {
        for (std::int64_t n = 0; n < count; ++n)
            states_.push_back(reinterpret_cast<char*>(memory) + n * model_.state_bytes());
    }

    void reset(std::int64_t stream) const { model_.reset(states_.at(static_cast<std::size_t>(stream))); }

    /// The logits after one step, or None for anything but finite numbers (or known ids) of exactly the right shape,
    /// which the caller explains.
    nb::object step(nb::handle x) {
        if (model_.input() != InputKind::kNumeric && !batched_ && PyLong_CheckExact(x.ptr())) {
            int overflow = 0;
            const long id = PyLong_AsLongAndOverflow(x.ptr(), &overflow);
            if (overflow != 0 || id < 0 || id >= model_.input_size()) return nb::none();
            const auto known = static_cast<std::int32_t>(id);
            return answer(model_.step_ids(states_.data(), 1, &known, logits_));
        }
        Py_buffer view;
        if (PyObject_GetBuffer(x.ptr(), &view, PyBUF_FORMAT | PyBUF_C_CONTIGUOUS) != 0) {
            PyErr_Clear();
            return nb::none();
        }
        const Fault fault = step_all(view);
        PyBuffer_Release(&view);
        return answer(fault);
    }

    /// Several steps of each stream: x (streams, steps, input size) float64 or ids (streams, steps), logits (streams,
    /// steps, outputs) float32. Stream n stops after lengths[n] steps. False at a fault, perhaps after some steps.
    bool run(Address x, Address ids, Address lengths, std::int64_t steps, Address logits) {
        const nb::gil_scoped_release unlocked;
        const auto* ends = reinterpret_cast<const std::int64_t*>(lengths);
        for (std::size_t n = 0; n < states_.size(); ++n) {
            const std::int64_t first = static_cast<std::int64_t>(n) * steps;
            auto* to = reinterpret_cast<float*>(logits) + first * model_.outputs();
            for (std::int64_t t = 0; t < steps; ++t, to += model_.outputs()) {
                if (t >= ends[n]) {
                    model_.logits(states_[n], to);
                    continue;
                }
                const Fault fault =
                    model_.input() == InputKind::kNumeric
                        ? model_.step(&states_[n], 1,
                                      reinterpret_cast<const double*>(x) + (first + t) * model_.input_size(), to)
                        : model_.step_ids(&states_[n], 1, reinterpret_cast<const std::int32_t*>(ids) + first + t, to);
                if (fault != Fault::kNone) return false;
            }
        }
        return true;
    }

    nb::object logits() const {
        for (std::size_t n = 0; n < states_.size(); ++n)
            model_.logits(states_[n], logits_ + static_cast<std::int64_t>(n) * model_.outputs());
        return answer(Fault::kNone);
    }

private:
    Fault step_all(const Py_buffer& view) {
        const auto count = static_cast<std::int64_t>(states_.size());
        const bool numbers = model_.input() == InputKind::kNumeric;
        const int dimensions = (batched_ ? 1 : 0) + (numbers ? 1 : 0);
        if (view.ndim != dimensions || view.format == nullptr || view.format[0] == 0 || view.format[1] != 0)
            return Fault::kNotFinite;
        if (batched_ && view.shape[0] != count) return Fault::kNotFinite;
        if (numbers && view.shape[dimensions - 1] != model_.input_size()) return Fault::kNotFinite;
        if (numbers && view.format[0] == 'f')
            return model_.step(states_.data(), count, static_cast<const float*>(view.buf), logits_);
        if (numbers && view.format[0] == 'd')
            return model_.step(states_.data(), count, static_cast<const double*>(view.buf), logits_);
        if (!numbers && view.format[0] == 'i')
            return model_.step_ids(states_.data(), count, static_cast<const std::int32_t*>(view.buf), logits_);
        return Fault::kNotFinite;
    }

    nb::object answer(Fault fault) const {
        if (fault != Fault::kNone) return nb::none();
        PyObject* arguments[] = {out_.ptr()};
        return nb::steal(PyObject_VectorcallMethod(copy_.ptr(), arguments, 1, nullptr));
    }

    nb::object owner_;
    const Model& model_;
    nb::object out_, copy_;
    float* logits_;
    std::vector<char*> states_;
    bool batched_;  // whether inputs and answers have a dimension of streams
};

void bind_stream(nb::module_& module) {
    nb::class_<Model>(module, "StreamModel")
        .def("__init__",
             [](Model* self, const std::vector<NetworkNumbers>& members, Address mean, Address scale) {
                 ModelParts parts{{}, reinterpret_cast<const double*>(mean), reinterpret_cast<const double*>(scale)};
                 for (const NetworkNumbers& member : members) parts.members.push_back(network_parts(member));
                 new (self) Model(parts);
             })
        .def_prop_ro("reads_ahead", &Model::reads_ahead)
        .def_prop_ro("state_bytes", &Model::state_bytes)
        .def_prop_ro("fields", [](const Model& model) {
            std::vector<std::tuple<std::string, std::int64_t, std::int64_t, bool>> fields;
            for (const Field& field : model.fields())
                fields.emplace_back(field.name, field.offset, field.count, field.in_double);
            return fields;
        });
    nb::class_<Direction>(module, "StepLayer")
        .def("__init__",
             [](Direction* self, std::int64_t kind, std::int64_t option, std::int64_t input_size,
                std::int64_t hidden_size, bool looked_up, const DirectionAddresses& weights) {
                 new (self) Direction(static_cast<CellKind>(kind),
                                      {.input_size = input_size, .hidden_size = hidden_size, .option = option, .product = !looked_up},
                                      direction_parts(weights));
             })
        .def("run", [](const Direction& layer, Address x, Address ids, Address lengths, std::int64_t steps,
                       std::int64_t batch, Address y, std::int64_t stride, bool reverse) {
            const nb::gil_scoped_release unlocked;
            run_sequences(layer, {floats_at(x), reinterpret_cast<const std::int32_t*>(ids),
                                  reinterpret_cast<const std::int64_t*>(lengths), steps, batch,
                                  reinterpret_cast<float*>(y), stride, reverse});
        });
    // The reader of the C library, which answers as its timesteps_load does: the model, or None, a status and why.
    module.def("read_model", [](const nb::bytes& file) -> std::tuple<nb::object, int, std::string> {
        try {
            LoadedModel loaded = load_model(reinterpret_cast<const unsigned char*>(file.c_str()), file.size());
            return {nb::cast(loaded.model.release(), nb::rv_policy::take_ownership), 0, ""};
        } catch (const Refused& refused) {
            return {nb::none(), refused.unsupported() ? 5 : 4, refused.what()};
        }
    });
    nb::class_<Streams>(module, "Streams")
        .def(nb::init<nb::object, Address, std::int64_t, bool, nb::object, Address>())
        .def("reset", &Streams::reset)
        .def("step", &Streams::step)
        .def("run", &Streams::run)
        .def("logits", &Streams::logits);
}

}  // namespace timesteps
