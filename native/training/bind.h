// The native engine in timesteps._core.
#pragma once

#include <nanobind/nanobind.h>

namespace timesteps {

void bind_training(nanobind::module_& module);

}  // namespace timesteps
