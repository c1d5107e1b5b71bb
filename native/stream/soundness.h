// Whether a specification agrees with itself and with the tensors of its file, as `src/timesteps/runtime/layout.py` has
// it.
#pragma once

#include "model.h"
#include "safetensors.h"
#include "spec.h"

namespace timesteps {

/// `Refused` unless the specification is sound and the tensors are exactly those that it calls for, all finite.
void check_model(const ModelSpec& spec, const std::map<std::string, TensorView>& tensors);

/// What stands before the names of a member's tensors.
std::string member_prefix(const ModelSpec& spec, std::int64_t member);

}  // namespace timesteps
