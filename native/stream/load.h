// From the bytes of a model file to a model.
#pragma once

#include <memory>

#include "model.h"
#include "safetensors.h"

namespace timesteps {

struct LoadedModel {
    std::unique_ptr<Model> model;
    std::vector<std::string> labels;
};

/// `Refused` for anything that is no model for this engine.
LoadedModel load_model(const unsigned char* bytes, std::size_t size, Checksums checksums = Checksums::kRight);

}  // namespace timesteps
