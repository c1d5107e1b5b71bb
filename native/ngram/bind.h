// n-gram models as classes of timesteps._core.
#pragma once

#include <nanobind/nanobind.h>

namespace timesteps {

void bind_ngram(nanobind::module_& module);
void bind_ngram_query(nanobind::module_& module);

}  // namespace timesteps
