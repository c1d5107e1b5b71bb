// Language models in timesteps._core.
#pragma once

#include <nanobind/nanobind.h>

namespace timesteps {

void bind_language(nanobind::module_& module);

}  // namespace timesteps
