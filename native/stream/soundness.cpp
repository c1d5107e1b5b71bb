#include "soundness.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "refused.h"

namespace timesteps {

namespace {

constexpr std::int64_t kMaxSize = std::numeric_limits<std::int32_t>::max();  // ids are int32
constexpr std::int64_t kMaxLayers = 1000, kMaxMembers = 1000, kMaxOrder = 64, kMaxLength = 1'000'000;
constexpr std::int64_t kMaxTensors = 65536;
constexpr std::int64_t kMaxSteps = 1'000'000;    // of a horizon, a context, a season
constexpr std::int64_t kMaxColumns = 1'000'000;  // of a table, series of a scale of their own
constexpr std::int64_t kMaxTerms = 1 << 16;  // of a sum of products of int8, which 32 bits hold

void refuse_if(bool wrong, const std::string& what) {
    if (wrong) throw Refused("the specification contradicts itself: " + what);
}

bool within(std::int64_t low, std::int64_t value, std::int64_t high) { return low <= value && value <= high; }

/// The channels that a guide has, -1 for a guide that cannot be.
std::int64_t channels_of(const ModelSpec& spec) {
    if (!spec.text || !spec.text->guide) return 0;
    const std::int64_t longest = spec.text->guide->longest;
    return within(1, longest, kMaxOrder) ? longest * spec.network.outputs : -1;
}

/// Python's equality: numbers by value, true is 1.
bool equal(const Json& a, const Json& b) {
    const bool text = a.is(Json::Kind::kString);
    if (text || b.is(Json::Kind::kString)) return text && b.is(Json::Kind::kString) && a.text == b.text;
    const auto whole = [](const Json& label) { return !label.is(Json::Kind::kReal); };
    const auto integer = [](const Json& label) {
        return label.is(Json::Kind::kInteger) ? label.integer() : std::int64_t{label.is(Json::Kind::kTrue)};
    };
    const auto real = [&](const Json& label) {
        return label.is(Json::Kind::kInteger) || label.is(Json::Kind::kReal) ? label.real()
                                                                             : static_cast<double>(integer(label));
    };
    const auto fits = [&](const Json& label) { return std::abs(real(label)) < 9e18; };
    if (whole(a) && whole(b)) return fits(a) && fits(b) ? integer(a) == integer(b) : a.text == b.text;
    return real(a) == real(b);
}

void check_numbers(const ModelSpec& spec) {
    refuse_if(!spec.classes.empty() || !spec.targets, "numbers have targets and no classes");
    const TargetSpec& targets = *spec.targets;
    const bool levels = targets.loss == "quantile";
    double below = 0;
    bool rising = levels != targets.quantiles.empty();
    for (const double level : targets.quantiles) rising = rising && below < level && level < 1, below = level;
    refuse_if(!rising || targets.loss == "cross_entropy", "the loss of its targets");
    std::int64_t size = 1;
    bool fits = targets.shape.size() <= 2;
    for (const std::int64_t width : targets.shape) {
        fits = fits && within(1, width, kMaxSize) && size <= kMaxSize / width;
        if (fits) size *= width;
    }
    const std::int64_t each = levels                          ? static_cast<std::int64_t>(targets.quantiles.size())
                              : targets.loss == "gaussian" || targets.loss == "negative_binomial" ? 2
                              : targets.loss == "student_t" ? 3
                                                            : 1;
    refuse_if(!fits || spec.network.outputs % each != 0 || spec.network.outputs / each != size, "outputs and targets");
}

void check_forecast(const ModelSpec& spec) {
    const ForecastSpec& forecast = *spec.forecast;
    const auto count = [](const auto& list) { return static_cast<std::int64_t>(list.size()); };
    const bool direct = forecast.model == "direct";
    const std::int64_t width = forecast.width(), targets = count(forecast.targets);
    const std::int64_t covariates = count(forecast.past) + count(forecast.future);
    refuse_if(!spec.numeric || spec.numeric->features < width, "a forecast of other input than numbers");
    for (const LayerSpec& layer : spec.network.layers)
        refuse_if(layer.bidirectional && !direct, "a stepped forecast from both ends");
    refuse_if((spec.network.pool == "none") == direct, "its forecast and pooling");
    const std::vector<std::int64_t> shape = direct ? std::vector{forecast.horizon, width} : std::vector{width};
    refuse_if(spec.targets->shape != shape, "the targets of its forecast");
    for (const std::int64_t size :
         {forecast.horizon, forecast.context, forecast.segment, forecast.season, forecast.every})
        refuse_if(!within(1, size, kMaxSteps), "a size of the forecast part");
    refuse_if(forecast.context % forecast.segment != 0, "segments of its context");
    for (const std::int64_t size :
         {targets, covariates, count(forecast.fixed), count(forecast.levels), count(forecast.series)})
        refuse_if(size > kMaxColumns, "columns of the forecast part");
    refuse_if(targets == 0, "a forecast of nothing");
    refuse_if(forecast.vocabularies != count(forecast.fixed), "vocabularies of the static columns");
    refuse_if(count(forecast.means) != (forecast.missing ? covariates : 0) ||
                  count(forecast.rates) != (forecast.missing ? targets + covariates : 0),
              "what missing numbers decay to");
    for (const double rate : forecast.rates) refuse_if(!(rate > 0), "a rate of decay");
    double below = 0;
    for (const double level : forecast.levels) refuse_if(!(below < level && level < 100), "levels"), below = level;
    refuse_if((forecast.scaling == "series") == forecast.series.empty(), "the names of its series");
    std::vector<std::string> names = forecast.series;
    std::sort(names.begin(), names.end());
    refuse_if(std::adjacent_find(names.begin(), names.end()) != names.end(), "two series of one name");
}

bool is_of_numbers(const ModelSpec& spec) { return spec.task == "regress" || spec.task == "forecast"; }

void check_task(const ModelSpec& spec) {
    const bool per_step = spec.network.pool == "none";
    refuse_if(!is_of_numbers(spec) && per_step != (spec.task == "tag"), "its task and pooling");
    refuse_if(spec.forecast.has_value() != (spec.task == "forecast"), "its task and its forecast part");
    refuse_if(per_step && (spec.network.wide || spec.network.share > 0), "a term of whole rows without pooling");
    refuse_if(spec.task != "classify" && spec.text && spec.text->guide, "its guide");
}

void check_classes(const ModelSpec& spec) {
    refuse_if(spec.targets.has_value(), "classes and targets");
    const auto count = static_cast<std::int64_t>(spec.classes.size());
    std::vector<const Json*> sorted;
    for (const Json& label : spec.classes) sorted.push_back(&label);
    const auto rank = [](const Json* label) { return label->is(Json::Kind::kString) ? 0 : 1; };
    const auto number = [](const Json* label) {
        return label->is(Json::Kind::kTrue) ? 1.0 : label->is(Json::Kind::kFalse) ? 0.0 : label->real();
    };
    std::sort(sorted.begin(), sorted.end(), [&](const Json* a, const Json* b) {  // equal ones beside each other
        if (rank(a) != rank(b)) return rank(a) < rank(b);
        if (rank(a) == 0) return a->text < b->text;
        if (number(a) != number(b)) return number(a) < number(b);
        const auto exact = [](const Json* label) { return label->is(Json::Kind::kInteger) ? label->integer() : 0; };
        return exact(a) < exact(b);
    });
    const bool repeat = std::adjacent_find(sorted.begin(), sorted.end(), [](const Json* a, const Json* b) {
                            return equal(*a, *b);
                        }) != sorted.end();
    refuse_if(count < 2 || repeat, "classes are fewer than two or repeat");
    refuse_if(spec.network.outputs != count && !(spec.network.outputs == 1 && count == 2), "outputs and classes differ");
}

void check_options(const LayerSpec& layer) {
    for (const double rate : {layer.zoneout, layer.zoneout_cell}) refuse_if(!(rate >= 0 && rate <= 1), "zoneout");
    refuse_if(layer.linear() && layer.layer_norm, "a " + layer.cell + " with layer_norm");
    refuse_if(layer.cell != "lstm" && (layer.peephole || layer.zoneout_cell > 0),
              "a " + layer.cell + " with peephole or zoneout_cell");
}

void check_network(const ModelSpec& spec) {
    const NetworkSpec& network = spec.network;
    const auto layers = static_cast<std::int64_t>(network.layers.size());
    refuse_if(!within(1, layers, kMaxLayers), std::to_string(layers) + " layers");
    bool sizes = within(1, network.input_size, kMaxSize) && within(1, network.outputs, kMaxSize);
    for (const LayerSpec& layer : network.layers)
        sizes = sizes && within(1, layer.input_size, kMaxSize) && within(1, layer.hidden_size, kMaxSize);
    refuse_if(!sizes, "a size is not between 1 and 2147483647");
    refuse_if(network.embeds() != within(1, network.embedding_size, kMaxSize), "embedding_size");
    refuse_if(network.channels != channels_of(spec), "channels and guide");
    std::int64_t below = network.embeds() ? network.embedding_size + network.channels : network.input_size;
    for (const LayerSpec& layer : network.layers) {
        refuse_if(layer.input_size != below, "the layers' input sizes do not follow from what is below them");
        below = layer.hidden_size * (layer.bidirectional ? 2 : 1);
        check_options(layer);
    }
    refuse_if(!(network.share >= 0 && network.share <= 1) || (network.share > 0 && network.channels == 0), "share");
    refuse_if(network.wide && network.input != "bag", "a wide term without bags");
    for (const LayerSpec& layer : network.layers) {
        if (!network.int8) break;
        const bool looked_up = network.input == "one_hot" && &layer == &network.layers.front();
        refuse_if(layer.linear() || layer.layer_norm || layer.peephole || layer.zoneout > 0 || layer.zoneout_cell > 0,
                  "int8 weights of a cell that is no plain rnn, lstm or gru");
        refuse_if((!looked_up && layer.input_size > kMaxTerms) || layer.hidden_size > kMaxTerms, "int8 sums too long");
    }
}

void check_text(const ModelSpec& spec) {
    const TextSpec& text = *spec.text;
    const std::int64_t length = text.max_length.value_or(1);
    refuse_if(!within(1, length, kMaxLength), "max_length");
    for (const std::int64_t count : {text.squeeze, text.head_length, text.index_from, text.num_words.value_or(0)})
        refuse_if(!within(0, count, kMaxSize), "a count of the text part is negative or too large");
    refuse_if(!text.max_length && !text.mask, "mask is false without max_length");
    refuse_if(text.truncating == "middle" && text.head_length > length, "head_length is above max_length");
    refuse_if(text.guide && (!spec.network.embeds() || !text.mask || text.start || !spec.reads_texts()), "its guide");
    const bool cut = text.max_length || !text.mask || text.start || (text.bag && text.bag->piece);
    refuse_if(text.tokenizer == "tokens" && cut, "tokens are its steps as they are");
    if (!text.bag) return;
    const auto order = [](std::int64_t low, std::int64_t high) {
        refuse_if(!(1 <= low && low <= high && high <= kMaxOrder), "n-grams of its bags");
    };
    order(1, text.bag->phrase);
    for (const auto& family : {text.bag->syllable, text.bag->jamo})
        if (family) order(family->first, family->second);
    refuse_if(!within(1, text.bag->piece.value_or(1), kMaxSize), "pieces of syllables");
}

void check_golden(const ModelSpec& spec) {
    const std::size_t width = spec.numeric ? static_cast<std::size_t>(spec.numeric->features) : 1;
    for (const Golden& golden : spec.golden) {
        const auto logits = static_cast<std::int64_t>(golden.logits.size()), outputs = spec.network.outputs;
        const auto steps = static_cast<std::int64_t>(golden.steps.size());
        if (spec.network.pool != "none")
            refuse_if(logits != outputs, "a golden vector's logits");
        else
            refuse_if(golden.is_text ? logits % outputs != 0 : logits / outputs != steps || logits % outputs != 0,
                      "a golden vector's logits");
        refuse_if(golden.is_text != spec.reads_texts(), "a golden vector's input");
        for (const auto& step : golden.steps) refuse_if(step.size() != width, "the width of a golden vector's input");
    }
}

void check_spec(const ModelSpec& spec) {
    refuse_if(spec.version != 1, "the format's version");
    refuse_if(!within(1, spec.members, kMaxMembers), "members");
    refuse_if(!within(0, spec.unguided, spec.network.channels != 0 ? spec.members : 0), "unguided");
    check_network(spec);
    check_task(spec);
    is_of_numbers(spec) ? check_numbers(spec) : check_classes(spec);
    if (spec.forecast) check_forecast(spec);
    const bool numeric = spec.network.input == "numeric";
    refuse_if(numeric != spec.numeric.has_value(), "its input and its numeric part");
    refuse_if(numeric == spec.text.has_value(), "its input and its text part");
    refuse_if((spec.network.input == "bag") != (spec.text && spec.text->bag), "its input and its bag part");
    if (spec.numeric) {
        refuse_if(spec.numeric->features != spec.network.input_size, "features and input_size");
        refuse_if(!within(1, spec.numeric->steps.value_or(1), kMaxSize), "numeric.steps");
    }
    if (spec.text) check_text(spec);
    check_golden(spec);
}

/// A tensor that the specification calls for; -1 in its shape: any size.
struct Expected {
    std::string name;
    bool is_float;
    TensorType type;  // where it is no float
    std::vector<std::int64_t> shape;
};

/// The last `unguided` members read no channels and, with bags, have a wide term instead.
NetworkSpec member_network(const ModelSpec& spec, std::int64_t member) {
    NetworkSpec network = spec.network;
    if (member < spec.members - spec.unguided || network.channels == 0) return network;
    network.layers.front().input_size -= network.channels;
    network.wide = network.input == "bag", network.channels = 0;
    return network;
}

/// Row blocks of weight_ih.
std::int64_t gates_of(const std::string& cell) {
    return cell == "lstm" ? 4 : cell == "gru" || cell == "minlstm" ? 3 : cell == "mingru" ? 2 : 1;
}

void expect_network(const NetworkSpec& network, const std::string& prefix, std::vector<Expected>& to) {
    const auto expect = [&](const std::string& name, std::vector<std::int64_t> shape) {
        to.push_back({prefix + name, true, TensorType::kFloat32, std::move(shape)});
    };
    /// Weights that are int8, with a scale a row, where the network's are.
    const auto expect_rows = [&](const std::string& name, const std::string& scale, std::int64_t rows,
                                 std::int64_t columns) {
        expect(name, {rows, columns});
        if (!network.int8) return;
        to.back().is_float = false, to.back().type = TensorType::kInt8;
        expect(scale, {rows});
        to.back().is_float = false;  // exactly float32
    };
    if (network.embeds())
        expect_rows("embedding.weight", "embedding.scale", network.input_size, network.embedding_size);
    if (network.wide) expect("embedding.wide", {network.input_size, network.outputs});
    for (std::size_t number = 0; number < network.layers.size(); ++number) {
        const LayerSpec& layer = network.layers[number];
        const bool lstm = layer.cell == "lstm";
        const std::int64_t rows = gates_of(layer.cell) * layer.hidden_size;
        for (int way = 0; way < (layer.bidirectional ? 2 : 1); ++way) {
            const std::string end = "_l" + std::to_string(number) + (way == 1 ? "_reverse" : "");
            expect_rows("rnn.weight_ih" + end, "rnn.scale_ih" + end, rows, layer.input_size);
            expect("rnn.bias_ih" + end, {rows});
            if (!layer.linear())
                expect_rows("rnn.weight_hh" + end, "rnn.scale_hh" + end, rows, layer.hidden_size),
                    expect("rnn.bias_hh" + end, {rows});
            if (layer.layer_norm) expect("rnn.norm_ih" + end, {rows}), expect("rnn.norm_hh" + end, {rows});
            if (layer.layer_norm && lstm)
                expect("rnn.norm_c" + end, {layer.hidden_size}), expect("rnn.norm_c_bias" + end, {layer.hidden_size});
            if (layer.peephole) expect("rnn.weight_ch" + end, {3 * layer.hidden_size});
            if (layer.learned) expect("rnn.h0" + end, {layer.hidden_size});
            if (layer.learned && lstm) expect("rnn.c0" + end, {layer.hidden_size});
        }
    }
    const LayerSpec& last = network.layers.back();
    const std::int64_t features = last.hidden_size * (last.bidirectional ? 2 : 1);
    const std::int64_t width = network.pool == "mean+max" ? 2 * features : features;
    if (network.pool == "attention") expect("attention.weight", {1, width});
    expect("head.weight", {network.outputs, width}), expect("head.bias", {network.outputs});
}

std::vector<Expected> expected_tensors(const ModelSpec& spec) {
    std::vector<Expected> expected;
    const std::int64_t outputs = spec.network.outputs;
    if (spec.network.input == "bag") expected.push_back({"text.features", false, TensorType::kInt64, {-1}});
    if (spec.text && spec.text->tokenizer == "subword")
        expected.push_back({"text.subword", false, TensorType::kUint8, {-1}});
    if (spec.text && spec.text->guide) {
        expected.push_back({"guide.features", false, TensorType::kInt64, {-1}});
        for (const char* name : {"guide.ratio", "guide.weight"})
            expected.push_back({name, false, TensorType::kFloat32, {-1, outputs}});
        expected.push_back({"guide.bias", false, TensorType::kFloat32, {outputs}});
    }
    if (spec.numeric)
        for (const char* name : {"scaler.mean", "scaler.scale"})
            expected.push_back({name, false, TensorType::kFloat64, {spec.numeric->features}});
    if (spec.targets)
        for (const char* name : {"target.mean", "target.scale"})
            expected.push_back({name, false, TensorType::kFloat64,
                                {spec.targets->shape.empty() ? 1 : spec.targets->shape.back()}});
    if (spec.forecast) {
        const ForecastSpec& forecast = *spec.forecast;
        const auto count = [](const auto& list) { return static_cast<std::int64_t>(list.size()); };
        const std::int64_t targets = count(forecast.targets);
        expected.push_back({"forecast.share", false, TensorType::kFloat64, {forecast.horizon, targets}});
        for (const char* name : {"forecast.lower", "forecast.upper"})
            if (!forecast.levels.empty())
                expected.push_back(
                    {name, false, TensorType::kFloat64, {count(forecast.levels), forecast.horizon, targets}});
        for (const char* name : {"forecast.centre", "forecast.scale"})
            if (forecast.scaling == "series" || forecast.scaling == "all")
                expected.push_back(
                    {name, false, TensorType::kFloat64, {std::max<std::int64_t>(count(forecast.series), 1), targets}});
    }
    for (std::int64_t member = 0; member < spec.members; ++member)
        expect_network(member_network(spec, member), member_prefix(spec, member), expected);
    return expected;
}

void check_tensor(const Expected& wanted, const TensorView& tensor) {
    const std::string what = "tensor " + wanted.name;
    const bool real = tensor.type == TensorType::kFloat32 || tensor.type == TensorType::kFloat64;
    if (wanted.is_float ? !real : tensor.type != wanted.type) throw Refused(what + " has another type of numbers");
    const bool fits = tensor.shape.size() == wanted.shape.size() &&
                      std::equal(tensor.shape.begin(), tensor.shape.end(), wanted.shape.begin(),
                                 [](std::int64_t size, std::int64_t want) { return want == -1 || size == want; });
    if (!fits)
        throw Refused(what + " has shape " + shown(tensor.shape) + ", the specification calls for " +
                      shown(wanted.shape));
    for (std::int64_t k = 0; real && k < tensor.count; ++k)
        if (!std::isfinite(tensor.number(k))) throw Refused(what + " holds NaN or infinite numbers");
    if (tensor.type == TensorType::kInt8 && std::find(tensor.data, tensor.data + tensor.count, 0x80) != tensor.data + tensor.count)
        throw Refused(what + " holds -128, int8 weights are from -127 to 127");
}

}  // namespace

std::string member_prefix(const ModelSpec& spec, std::int64_t member) {
    return spec.members > 1 ? "members." + std::to_string(member) + "." : std::string();
}

void check_model(const ModelSpec& spec, const std::map<std::string, TensorView>& tensors) {
    check_spec(spec);
    std::vector<Expected> one;
    expect_network(spec.network, "", one);
    if (spec.members * static_cast<std::int64_t>(one.size()) > kMaxTensors)
        throw Refused("the specification calls for too many tensors");
    const std::vector<Expected> expected = expected_tensors(spec);
    for (const Expected& wanted : expected)
        if (!tensors.contains(wanted.name)) throw Refused("tensor " + wanted.name + " is missing");
    if (tensors.size() > expected.size()) {
        std::vector<std::string> names;
        for (const Expected& wanted : expected) names.push_back(wanted.name);
        std::sort(names.begin(), names.end());
        for (const auto& [name, tensor] : tensors)
            if (!std::binary_search(names.begin(), names.end(), name))
                throw Refused("tensor " + shorten(name) + " does not belong to this model");
    }
    for (const Expected& wanted : expected) check_tensor(wanted, tensors.at(wanted.name));
    if (spec.text && spec.text->guide) {
        const std::int64_t rows = tensors.at("guide.features").shape[0];
        for (const char* name : {"guide.ratio", "guide.weight"})
            if (tensors.at(name).shape[0] != rows)
                throw Refused("the guide's tensors do not have one row an n-gram each");
    }
    if (const auto share = tensors.find("forecast.share"); share != tensors.end())
        for (std::int64_t k = 0; k < share->second.count; ++k)
            if (const double number = share->second.number(k); !(number >= 0 && number <= 1))
                throw Refused("tensor forecast.share holds numbers that are not from 0 to 1");
    for (const char* name : {"scaler.scale", "target.scale", "forecast.scale"}) {
        const auto scale = tensors.find(name);
        if (scale == tensors.end()) continue;
        for (std::int64_t k = 0; k < scale->second.count; ++k)
            if (!(scale->second.number(k) > 0))
                throw Refused("tensor " + std::string(name) + " holds numbers that are not positive");
    }
}

}  // namespace timesteps
