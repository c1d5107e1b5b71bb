// The recurrent kernels as functions of timesteps._core. All tensors come as addresses, 0 for none, checked by the
// caller.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>

#include "plan.h"

namespace timesteps {

using Address = std::uintptr_t;

struct RecurrentShape {
    std::int64_t kind, option, batch, steps, input_size, hidden_size, output_size;
    bool reverse, in_double;
    int threads;
    double zoneout, zoneout_cell;  // of h, of c
    std::int64_t stream, stream_cell;
};

struct RecurrentInputs {
    Address x;
    std::int64_t x_row, x_step;
    Address h0, c0, fresh_h, fresh_c, w_ih, w_hh, b_ih, b_hh, w_hr, norm_ih, norm_hh, norm_c, norm_c_bias, w_ch;
    Address mask, counts, order, starts, keys;
    std::int64_t starts_row;
    Address saved;
};

template <class T>
Problem<T> problem(const RecurrentShape& shape, const RecurrentInputs& in) {
    const auto at = [](Address address) { return reinterpret_cast<T*>(address); };
    Problem<T> p{};
    p.batch = shape.batch, p.steps = shape.steps, p.input_size = shape.input_size, p.hidden_size = shape.hidden_size;
    p.output_size = shape.output_size;
    p.option = shape.option, p.direction = shape.reverse ? -1 : 1;
    p.order = reinterpret_cast<const std::int64_t*>(in.order);
    p.x = {at(in.x), in.x_row, in.x_step};
    p.h0 = at(in.h0), p.c0 = at(in.c0), p.fresh_h = at(in.fresh_h), p.fresh_c = at(in.fresh_c);
    p.mask = at(in.mask);
    p.starts = reinterpret_cast<const bool*>(in.starts), p.starts_stride = in.starts_row;
    p.w_ih = at(in.w_ih), p.w_hh = at(in.w_hh), p.b_ih = at(in.b_ih), p.b_hh = at(in.b_hh);
    p.w_hr = at(in.w_hr);
    p.norm_ih = at(in.norm_ih), p.norm_hh = at(in.norm_hh), p.norm_c = at(in.norm_c), p.norm_c_bias = at(in.norm_c_bias);
    p.w_ch = at(in.w_ch);
    const auto* keys = reinterpret_cast<const std::int64_t*>(in.keys);
    p.zone_h = {shape.zoneout, keys, shape.stream, nullptr}, p.zone_c = {shape.zoneout_cell, keys, shape.stream_cell, nullptr};
    return p;
}

/// Numbers to be kept for each step of a row, and for the padding between panels.
template <class T>
std::pair<std::int64_t, std::int64_t> saved_numbers(std::int64_t kind, std::int64_t hidden_size, bool normed) {
    Problem<T> p{};
    p.hidden_size = p.output_size = hidden_size;
    const Sizes sizes = kernels(static_cast<CellKind>(kind), hidden_size, normed, T{}).sizes(p);
    const std::int64_t arrays = normed ? 3 : 1;  // gates, and both products after their norm
    return {sizes.panels * (arrays * sizes.gate_row + sizes.cell_row) + (normed ? kScales : 0),
            sizes.panels * 2 * (arrays + 1) * kLineBytes / std::int64_t(sizeof(T))};
}

inline void bind_recurrent(nanobind::module_& module) {
    namespace nb = nanobind;
    const nb::call_guard<nb::gil_scoped_release> unlocked;
    module.attr("recurrent_instructions") = target_name();
    nb::class_<RecurrentShape>(module, "RecurrentShape")
        .def(nb::init<std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t,
                      bool, bool, int, double, double, std::int64_t, std::int64_t>());
    nb::class_<RecurrentInputs>(module, "RecurrentInputs")
        .def(nb::init<Address, std::int64_t, std::int64_t, Address, Address, Address, Address, Address, Address,
                      Address, Address, Address, Address, Address, Address, Address, Address, Address, Address,
                      Address, Address, Address, std::int64_t, Address>());
    module.def("recurrent_saved", [](std::int64_t kind, std::int64_t hidden_size, bool in_double, bool normed) {
        return in_double ? saved_numbers<double>(kind, hidden_size, normed)
                         : saved_numbers<float>(kind, hidden_size, normed);
    });
    module.def(
        "recurrent_forward",
        [](const RecurrentShape& shape, const RecurrentInputs& in, Address y, std::int64_t y_row, std::int64_t y_step,
           Address hn, Address cn) {
            const auto run = [&]<class T>(T) {
                Problem<T> p = problem<T>(shape, in);
                p.y = {reinterpret_cast<T*>(y), y_row, y_step};
                p.hn = reinterpret_cast<T*>(hn), p.cn = reinterpret_cast<T*>(cn);
                run_forward(static_cast<CellKind>(shape.kind), p, reinterpret_cast<const std::int64_t*>(in.counts),
                            reinterpret_cast<T*>(in.saved), shape.threads);
            };
            shape.in_double ? run(double{}) : run(float{});
        },
        unlocked);
    module.def(
        "recurrent_backward",
        [](const RecurrentShape& shape, const RecurrentInputs& in, Address y, std::int64_t y_row, std::int64_t y_step,
           Address dy, std::int64_t dy_row, std::int64_t dy_step, Address dhn, Address dcn, Address dx,
           std::int64_t dx_row, std::int64_t dx_step, Address dh0, Address dc0, Address dfresh_h, Address dfresh_c,
           Address dw_ih, Address dw_hh, Address db_ih, Address db_hh, Address dw_hr, Address dnorm_ih,
           Address dnorm_hh, Address dnorm_c, Address dnorm_c_bias, Address dw_ch) {
            const auto run = [&]<class T>(T) {
                const auto at = [](Address address) { return reinterpret_cast<T*>(address); };
                Problem<T> p = problem<T>(shape, in);
                p.y = {at(y), y_row, y_step};
                p.dy = {at(dy), dy_row, dy_step};
                p.dhn = at(dhn), p.dcn = at(dcn);
                p.dx = {at(dx), dx_row, dx_step};
                p.dh0 = at(dh0), p.dc0 = at(dc0), p.dfresh_h = at(dfresh_h), p.dfresh_c = at(dfresh_c);
                p.dw_ih = at(dw_ih), p.dw_hh = at(dw_hh), p.db_ih = at(db_ih), p.db_hh = at(db_hh);
                p.dw_hr = at(dw_hr), p.dw_ch = at(dw_ch);
                p.dnorm_ih = at(dnorm_ih), p.dnorm_hh = at(dnorm_hh);
                p.dnorm_c = at(dnorm_c), p.dnorm_c_bias = at(dnorm_c_bias);
                run_backward(static_cast<CellKind>(shape.kind), p, reinterpret_cast<const std::int64_t*>(in.counts),
                             at(in.saved), shape.threads);
            };
            shape.in_double ? run(double{}) : run(float{});
        },
        unlocked);
}

}  // namespace timesteps
