// The specification in a model file, field by field as `src/timesteps/runtime/spec.py` has it; see there for the
// meanings.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "json.h"

namespace timesteps {

struct BagSpec {
    std::optional<std::pair<std::int64_t, std::int64_t>> syllable = {{1, 4}}, jamo = {{4, 6}};
    std::int64_t phrase = 1;
    std::optional<std::int64_t> piece;
};

struct GuideSpec {
    std::int64_t longest = 3;
};

struct TextSpec {
    std::string tokenizer = "word", truncating = "pre";
    std::int64_t squeeze = 0, head_length = 0, index_from = 3;
    std::optional<std::int64_t> max_length, num_words;
    bool mask = true, start = false;
    std::optional<BagSpec> bag;
    std::optional<GuideSpec> guide;
};

struct NumericSpec {
    std::int64_t features = 0;
    std::optional<std::int64_t> steps;
};

struct TargetSpec {
    std::string loss;
    std::vector<double> quantiles;
    std::vector<std::int64_t> shape;
};

struct ForecastSpec {
    std::string model = "direct", scaling = "window";
    std::int64_t horizon = 0, context = 0, segment = 1, season = 1, every = 1;
    std::vector<std::string> targets, past, future, fixed, series;
    std::int64_t vocabularies = 0;
    bool independent = true, missing = false;
    std::vector<double> means, rates, levels;

    /// Targets of a row.
    std::int64_t width() const { return independent ? 1 : static_cast<std::int64_t>(targets.size()); }
};

struct LayerSpec {
    std::string cell, nonlinearity = "tanh";
    std::int64_t input_size = 0, hidden_size = 0;
    bool bidirectional = false, reset_after = true, learned = false, layer_norm = false, peephole = false;
    double zoneout = 0, zoneout_cell = 0;

    bool linear() const { return cell == "mingru" || cell == "minlstm"; }
};

struct NetworkSpec {
    std::string input, pool = "last";
    std::int64_t input_size = 0, embedding_size = 0, outputs = 0, channels = 0;
    std::vector<LayerSpec> layers;
    double share = 0;
    bool wide = false, int8 = false;

    bool embeds() const { return input == "ids" || input == "bag"; }
};

struct Golden {
    bool is_text = false;
    std::vector<std::vector<double>> steps;
    std::vector<double> logits;
};

struct ModelSpec {
    std::int64_t version = 1, members = 1, unguided = 0;
    std::string task;
    std::vector<Json> classes;
    std::optional<TargetSpec> targets;
    std::optional<ForecastSpec> forecast;
    std::optional<TextSpec> text;
    std::optional<NumericSpec> numeric;
    NetworkSpec network;
    std::vector<Golden> golden;

    bool reads_texts() const { return text && text->tokenizer != "ids"; }
};

/// `Refused` for a specification with a missing or unknown field, or a value of the wrong type.
ModelSpec read_specification(const std::string& text);

/// A label as text.
std::string label_text(const Json& label);

}  // namespace timesteps
