#include "load.h"

#include "refused.h"
#include "soundness.h"

namespace timesteps {

namespace {

/// Tensors in single precision, kept until the model has packed them, and those of int8 as they lie.
class Weights {
public:
    explicit Weights(const std::map<std::string, TensorView>& tensors) : tensors_(tensors) {}

    /// Null where there is no such tensor.
    const float* get(const std::string& name) {
        const auto found = tensors_.find(name);
        if (found == tensors_.end() || found->second.type == TensorType::kInt8) return nullptr;
        std::vector<float> numbers(static_cast<std::size_t>(found->second.count));
        for (std::size_t k = 0; k < numbers.size(); ++k)
            numbers[k] = static_cast<float>(found->second.number(static_cast<std::int64_t>(k)));
        kept_.push_back(std::move(numbers));
        return kept_.back().data();
    }

    const std::int8_t* get_int8(const std::string& name) const {
        const auto found = tensors_.find(name);
        if (found == tensors_.end() || found->second.type != TensorType::kInt8) return nullptr;
        return reinterpret_cast<const std::int8_t*>(found->second.data);
    }

private:
    const std::map<std::string, TensorView>& tensors_;
    std::vector<std::vector<float>> kept_;
};

std::vector<double> doubles(const TensorView& tensor) {
    std::vector<double> numbers;
    for (std::int64_t k = 0; k < tensor.count; ++k) numbers.push_back(tensor.number(k));
    return numbers;
}

/// Which function of cells/elman.h.
std::int64_t elman_option(const std::string& name) { return name == "tanh" ? 0 : name == "relu" ? 1 : 2; }

Pool pool_of(const std::string& name) {
    return name == "last"       ? Pool::kLast
           : name == "mean"     ? Pool::kMean
           : name == "max"      ? Pool::kMax
           : name == "mean+max" ? Pool::kMeanMax
           : name == "none"     ? Pool::kLast  // as of now, the answer at the last step
                                : Pool::kAttention;
}

NetworkParts parts_of(const NetworkSpec& network, const std::string& prefix, Weights& weights) {
    const auto at = [&](const std::string& name) { return weights.get(prefix + name); };
    const auto int8_at = [&](const std::string& name) { return weights.get_int8(prefix + name); };
    NetworkParts parts{.input = network.input == "ids"       ? InputKind::kIds
                                : network.input == "one_hot" ? InputKind::kOneHot
                                                             : InputKind::kNumeric,
                       .input_size = network.input_size,
                       .embedding_size = network.embedding_size,
                       .embedding = at("embedding.weight"),
                       .embedding_int8 = int8_at("embedding.weight"),
                       .embedding_scale = at("embedding.scale"),
                       .layers = {},
                       .pool = pool_of(network.pool),
                       .attention = at("attention.weight"),
                       .outputs = network.outputs,
                       .head = at("head.weight"),
                       .head_bias = at("head.bias")};
    for (std::size_t number = 0; number < network.layers.size(); ++number) {
        const LayerSpec& layer = network.layers[number];
        const CellKind kind = layer.cell == "lstm"      ? kLstm
                              : layer.cell == "rnn"     ? kElman
                              : layer.cell == "mingru"  ? kMinGru
                              : layer.cell == "minlstm" ? kMinLstm
                              : layer.reset_after       ? kGruAfter
                                                        : kGruBefore;
        LayerParts to{kind,          kind == kElman ? elman_option(layer.nonlinearity) : 0,
                      layer.input_size, layer.hidden_size,
                      layer.zoneout, layer.zoneout_cell,
                      {}};
        for (int way = 0; way < (layer.bidirectional ? 2 : 1); ++way) {
            const std::string end = "_l" + std::to_string(number) + (way == 1 ? "_reverse" : "");
            to.directions.push_back({{at("rnn.weight_ih" + end), at("rnn.weight_hh" + end), at("rnn.bias_ih" + end),
                                      at("rnn.bias_hh" + end), int8_at("rnn.weight_ih" + end),
                                      int8_at("rnn.weight_hh" + end), at("rnn.scale_ih" + end),
                                      at("rnn.scale_hh" + end), at("rnn.norm_ih" + end), at("rnn.norm_hh" + end),
                                      at("rnn.norm_c" + end), at("rnn.norm_c_bias" + end), at("rnn.weight_ch" + end)},
                                     at("rnn.h0" + end),
                                     at("rnn.c0" + end)});
        }
        parts.layers.push_back(std::move(to));
    }
    return parts;
}

/// Models that are sound, and more than this engine runs.
void refuse_unsupported(const ModelSpec& spec) {
    const std::string opener = spec.forecast ? "timesteps.load_forecaster" : "timesteps.load";
    const auto refuse = [&](const std::string& what) {
        throw Refused("cannot run in C: " + what + "; Python's " + opener + " runs it", true);
    };
    if (spec.forecast) refuse("its windows are cut out of series");
    if (spec.targets) refuse("its answers are numbers on a scale of their own");
    for (const LayerSpec& layer : spec.network.layers)
        if (spec.network.pool == "none" && layer.bidirectional) refuse("its answer at each step reads the future");
    if (!spec.text) return;
    if (spec.text->guide) refuse("its guide reads texts");
    if (spec.text->bag) refuse("its bags of n-grams are made of texts");
    if (spec.reads_texts()) refuse("its tokenizer " + spec.text->tokenizer + " reads texts");
    if (spec.text->start || !spec.text->mask) refuse("start steps and padding are added to its sequences");
}

}  // namespace

LoadedModel load_model(const unsigned char* bytes, std::size_t size, Checksums checksums) {
    const ModelFile file = read_file(bytes, size, checksums);
    const ModelSpec spec = read_specification(file.specification);
    check_model(spec, file.tensors);
    refuse_unsupported(spec);
    Weights weights(file.tensors);
    ModelParts parts{{}, nullptr, nullptr};
    for (std::int64_t member = 0; member < spec.members; ++member)
        parts.members.push_back(parts_of(spec.network, member_prefix(spec, member), weights));
    std::vector<double> mean, scale;
    if (spec.numeric) {
        mean = doubles(file.tensors.at("scaler.mean")), scale = doubles(file.tensors.at("scaler.scale"));
        parts.mean = mean.data(), parts.scale = scale.data();
    }
    LoadedModel loaded{std::make_unique<Model>(parts), {}};
    for (const Json& label : spec.classes) loaded.labels.push_back(label_text(label));
    return loaded;
}

}  // namespace timesteps
