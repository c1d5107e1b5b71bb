// The recurrent kernels in timesteps._core.
#pragma once

#include <nanobind/nanobind.h>

namespace timesteps {

void bind_recurrent(nanobind::module_& module);

}  // namespace timesteps
