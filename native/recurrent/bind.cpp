// The recurrent kernels as functions of timesteps._core.
#include "bind.h"

#include <stdexcept>

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>

#include "kept.h"
#include "run.h"
#include "tensors.h"

namespace timesteps {

/// What a call's numbers mean, in the order in which Python gives them.
struct RecurrentShape {
    std::int64_t kind, option, batch, steps, input_size, hidden_size, output_size, reverse, in_double, threads,
        starts_row, every;
    double zoneout = 0, zoneout_cell = 0;  // of h, of c; with the streams of their random numbers they may be left out
    std::int64_t stream = 0, stream_cell = 0;

    explicit RecurrentShape(const nanobind::tuple& numbers) {
        std::int64_t* const fields[] = {&kind,        &option,  &batch,     &steps,   &input_size, &hidden_size,
                                        &output_size, &reverse, &in_double, &threads, &starts_row,
                                        &every};
        constexpr std::size_t kFields = std::size(fields);
        if (numbers.size() != kFields && numbers.size() != kFields + 4)
            throw std::invalid_argument("a shape has other numbers");
        for (std::size_t n = 0; n < kFields; ++n) *fields[n] = PyLong_AsLongLong(numbers[n].ptr());
        if (numbers.size() > kFields) {
            zoneout = PyFloat_AsDouble(numbers[kFields].ptr());
            zoneout_cell = PyFloat_AsDouble(numbers[kFields + 1].ptr());
            stream = PyLong_AsLongLong(numbers[kFields + 2].ptr());
            stream_cell = PyLong_AsLongLong(numbers[kFields + 3].ptr());
        }
        if (PyErr_Occurred() != nullptr) throw nanobind::python_error();
    }
};

/// A tensor of rows with its strides.
struct RecurrentRows {
    Address data = 0;
    std::int64_t row = 0, step = 0;

    /// From (tensor, row, step), or from None.
    explicit RecurrentRows(const nanobind::object& parts) {
        if (parts.is_none()) return;
        const auto three = nanobind::cast<nanobind::tuple>(parts);
        if (three.size() != 3) throw std::invalid_argument("rows are a tensor and two strides");
        data = address_of(three[0]);
        row = PyLong_AsLongLong(three[1].ptr()), step = PyLong_AsLongLong(three[2].ptr());
        if (PyErr_Occurred() != nullptr) throw nanobind::python_error();
    }

    template <class T>
    Rows<T> as() const {
        return {reinterpret_cast<T*>(data), row, step};
    }
};

constexpr std::size_t kCounts = 15;  // the place of the first tensor of whole numbers among the inputs

/// `in` are the tensors of Inputs in nn/native_kernels.py but x, in their order: h0, c0, fresh_h, fresh_c, weight_ih,
/// weight_hh, bias_ih, bias_hh, weight_hr, norm_ih, norm_hh, norm_c, norm_c_bias, weight_ch, mask, counts, order,
/// starts, keys. All up to weight_ch have gradients.
template <class T>
Problem<T> problem(const RecurrentShape& shape, const RecurrentRows& x, const Tensors& in) {
    Problem<T> p{};
    p.batch = shape.batch, p.steps = shape.steps, p.input_size = shape.input_size, p.hidden_size = shape.hidden_size;
    p.output_size = shape.output_size;
    p.option = shape.option, p.direction = shape.reverse ? -1 : 1;
    p.x = x.as<const T>();
    p.h0 = in.at<T>(0), p.c0 = in.at<T>(1), p.fresh_h = in.at<T>(2), p.fresh_c = in.at<T>(3);
    p.w_ih = in.at<T>(4), p.w_hh = in.at<T>(5), p.b_ih = in.at<T>(6), p.b_hh = in.at<T>(7);
    p.w_hr = in.at<T>(8);
    p.norm_ih = in.at<T>(9), p.norm_hh = in.at<T>(10), p.norm_c = in.at<T>(11), p.norm_c_bias = in.at<T>(12);
    p.w_ch = in.at<T>(13);
    p.mask = in.at<T>(14);
    p.order = in.at<const std::int64_t>(kCounts + 1);
    p.starts = in.at<const bool>(kCounts + 2), p.starts_stride = shape.starts_row;
    const auto* keys = in.at<const std::int64_t>(kCounts + 3);
    p.zone_h = {shape.zoneout, keys, shape.stream, nullptr};
    p.zone_c = {shape.zoneout_cell, keys, shape.stream_cell, nullptr};
    const bool linear = shape.kind == kLinear || shape.kind == kMinGru || shape.kind == kMinLstm;
    if (linear && is_regularised(p)) throw std::invalid_argument("linear cells have no layer norm, peephole or zoneout");
    return p;
}

inline const std::int64_t* counts_of(const Tensors& in) { return in.at<const std::int64_t>(kCounts); }

/// Numbers to be kept for each step of a row, and for the padding between panels; with layer norm, `normed`.
template <class T>
std::pair<std::int64_t, std::int64_t> saved_numbers(std::int64_t kind, std::int64_t hidden_size, bool regularised,
                                                    bool normed) {
    Problem<T> p{};
    p.hidden_size = p.output_size = hidden_size;
    const Sizes sizes = sizes_of(kernels(static_cast<CellKind>(kind), hidden_size, regularised, T{}), p);
    const std::int64_t arrays = normed ? 3 : 1;  // gates, and both products after their norm
    return {sizes.panels * (arrays * sizes.kept_row + sizes.cell_row) + (normed ? kScales : 0),
            sizes.panels * 2 * (arrays + 1) * kLineBytes / std::int64_t(sizeof(T))};
}

/// Calls work(float or double), as the shape says, while other threads of Python run.
template <class Work>
void in_type(const RecurrentShape& shape, const Work& work) {
    const nanobind::gil_scoped_release unlocked;
    shape.in_double ? work(double{}) : work(float{});
}

inline void recurrent_forward(const nanobind::tuple& numbers, const nanobind::object& x, const nanobind::tuple& inputs,
                              const nanobind::object& saved, const nanobind::object& y,
                              const nanobind::tuple& finals) {
    const RecurrentShape shape(numbers);
    const RecurrentRows x_rows(x), y_rows(y);
    const Tensors in(inputs), out(finals);
    const Address kept = address_of(saved);
    in_type(shape, [&]<class T>(T) {
        Problem<T> p = problem<T>(shape, x_rows, in);
        p.y = y_rows.as<T>();
        p.hn = out.at<T>(0), p.cn = out.at<T>(1);
        run_forward(static_cast<CellKind>(shape.kind), p, counts_of(in), reinterpret_cast<T*>(kept),
                    static_cast<int>(shape.threads), shape.every);
    });
}

/// Copies what forward kept in `saved`, and its outputs, to `results`: outputs, c, and the slots of the gates as the
/// cell's header orders them, (rows, units) each, None where it is not wanted. `places` (batch) say where a row begins.
inline void recurrent_kept(const nanobind::tuple& numbers, const nanobind::tuple& inputs, const nanobind::object& saved,
                           const nanobind::object& y, const nanobind::object& places, const nanobind::tuple& results) {
    const RecurrentShape shape(numbers);
    const RecurrentRows none{nanobind::none()}, y_rows(y);
    const Tensors in(inputs), out(results);
    const Address kept = address_of(saved), rows = address_of(places);
    if (shape.every > 0) throw std::invalid_argument("gates that are made again are not kept");
    in_type(shape, [&]<class T>(T) {
        Problem<T> p = problem<T>(shape, none, in);
        p.y = y_rows.as<T>();
        const Shown<T> shown{reinterpret_cast<const std::int64_t*>(rows), out.at<T>(0), out.at<T>(1),
                             {out.at<T>(2), out.at<T>(3), out.at<T>(4), out.at<T>(5)}};
        show_kept(static_cast<CellKind>(shape.kind), p, counts_of(in), reinterpret_cast<T*>(kept), shown);
    });
}

/// `final_grads` are dh_n, dc_n; `grads` those of the first of `inputs`, up to w_ch, as far as they are wanted.
inline void recurrent_backward(const nanobind::tuple& numbers, const nanobind::object& x,
                               const nanobind::tuple& inputs, const nanobind::object& saved, const nanobind::object& y,
                               const nanobind::object& dy, const nanobind::tuple& final_grads,
                               const nanobind::object& dx, const nanobind::tuple& grads) {
    const RecurrentShape shape(numbers);
    const RecurrentRows x_rows(x), y_rows(y), dy_rows(dy), dx_rows(dx);
    const Tensors in(inputs), d_final(final_grads), out(grads);
    const Address kept = address_of(saved);
    in_type(shape, [&]<class T>(T) {
        Problem<T> p = problem<T>(shape, x_rows, in);
        p.y = y_rows.as<T>(), p.dy = dy_rows.as<const T>(), p.dx = dx_rows.as<T>();
        p.dhn = d_final.at<T>(0), p.dcn = d_final.at<T>(1);
        p.dh0 = out.at<T>(0), p.dc0 = out.at<T>(1), p.dfresh_h = out.at<T>(2), p.dfresh_c = out.at<T>(3);
        p.dw_ih = out.at<T>(4), p.dw_hh = out.at<T>(5), p.db_ih = out.at<T>(6), p.db_hh = out.at<T>(7);
        p.dw_hr = out.at<T>(8);
        p.dnorm_ih = out.at<T>(9), p.dnorm_hh = out.at<T>(10);
        p.dnorm_c = out.at<T>(11), p.dnorm_c_bias = out.at<T>(12), p.dw_ch = out.at<T>(13);
        run_backward(static_cast<CellKind>(shape.kind), p, counts_of(in), reinterpret_cast<T*>(kept),
                     static_cast<int>(shape.threads), shape.every);
    });
}

void bind_recurrent(nanobind::module_& module) {
    using nanobind::arg;
    module.attr("recurrent_instructions") = target_name();
    module.def(
        "recurrent_saved",
        [](std::int64_t kind, std::int64_t hidden_size, bool in_double, bool regularised, std::optional<bool> normed) {
            const bool norm = normed.value_or(regularised);
            return in_double ? saved_numbers<double>(kind, hidden_size, regularised, norm)
                             : saved_numbers<float>(kind, hidden_size, regularised, norm);
        },
        arg("kind"), arg("hidden_size"), arg("in_double"), arg("regularised") = false,
        arg("normed") = nanobind::none());
    module.def("recurrent_forward", &recurrent_forward, arg("shape"), arg("x"), arg("inputs"), arg("saved").none(),
               arg("y"), arg("finals"));
    module.def("recurrent_kept", &recurrent_kept, arg("shape"), arg("inputs"), arg("saved"), arg("y"), arg("places"),
               arg("results"));
    module.def("recurrent_backward", &recurrent_backward, arg("shape"), arg("x"), arg("inputs"), arg("saved").none(),
               arg("y"), arg("dy").none(), arg("final_grads"), arg("dx").none(), arg("grads"));
}

}  // namespace timesteps
