// The streaming engine in timesteps._core.
#pragma once

#include <nanobind/nanobind.h>

namespace timesteps {

void bind_stream(nanobind::module_& module);

}  // namespace timesteps
