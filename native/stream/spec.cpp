#include "spec.h"

#include <algorithm>
#include <initializer_list>
#include <string_view>

#include "refused.h"

namespace timesteps {

namespace {

using Kind = Json::Kind;

/// The fields of an object: each is asked for once; at the end, none may be left over.
class Fields {
public:
    Fields(const Json& object, std::string where) : object_(object), where_(std::move(where)) {
        if (!object.is(Kind::kObject)) throw Refused("the specification cannot be read: " + where_ + " is no object");
    }

    [[noreturn]] void wrong(std::string_view name, const char* what) const {
        throw Refused("the specification cannot be read: " + where_ + "." + std::string(name) + " " + what);
    }

    const Json* find(std::string_view name) {
        known_.push_back(name);
        return object_.find(name);
    }

    const Json& needed(std::string_view name) {
        const Json* value = find(name);
        if (value == nullptr) wrong(name, "is missing");
        return *value;
    }

    void integer(std::string_view name, std::int64_t& to, bool needed_here = false) {
        if (const Json* value = needed_here ? &needed(name) : find(name)) to = whole(name, *value);
    }
    void integer(std::string_view name, std::optional<std::int64_t>& to) {
        if (const Json* value = find(name)) {
            to.reset();
            if (!value->is(Kind::kNull)) to = whole(name, *value);
        }
    }
    void boolean(std::string_view name, bool& to) {
        const Json* value = find(name);
        if (value == nullptr) return;
        if (!value->is(Kind::kTrue) && !value->is(Kind::kFalse)) wrong(name, "is neither true nor false");
        to = value->is(Kind::kTrue);
    }
    void real(std::string_view name, double& to) {
        if (const Json* value = find(name)) to = number(name, *value);
    }
    void word(std::string_view name, std::string& to, std::initializer_list<std::string_view> allowed,
              bool needed_here = false) {
        const Json* value = needed_here ? &needed(name) : find(name);
        if (value == nullptr) return;
        if (!value->is(Kind::kString) || std::find(allowed.begin(), allowed.end(), value->text) == allowed.end())
            wrong(name, "is an unknown word");
        to = value->text;
    }
    /// Two whole numbers, or null.
    void range(std::string_view name, std::optional<std::pair<std::int64_t, std::int64_t>>& to) {
        const Json* value = find(name);
        if (value == nullptr) return;
        to.reset();
        if (value->is(Kind::kNull)) return;
        if (!value->is(Kind::kArray) || value->items.size() != 2) wrong(name, "is no pair");
        to = {whole(name, value->items[0]), whole(name, value->items[1])};
    }
    /// Null or missing: no value.
    const Json* part(std::string_view name) {
        const Json* value = find(name);
        return value == nullptr || value->is(Kind::kNull) ? nullptr : value;
    }

    std::vector<std::int64_t> integers(std::string_view name, const Json& value) const {
        if (!value.is(Kind::kArray)) wrong(name, "is no list");
        std::vector<std::int64_t> to;
        for (const Json& item : value.items) to.push_back(whole(name, item));
        return to;
    }
    std::vector<double> numbers(std::string_view name, const Json& value) const {
        if (!value.is(Kind::kArray)) wrong(name, "is no list");
        std::vector<double> to;
        for (const Json& item : value.items) to.push_back(number(name, item));
        return to;
    }

    std::vector<std::string> strings(std::string_view name, const Json& value) const {
        if (!value.is(Kind::kArray)) wrong(name, "is no list");
        std::vector<std::string> to;
        for (const Json& item : value.items) {
            if (!item.is(Kind::kString)) wrong(name, "has something else than strings in it");
            to.push_back(item.text);
        }
        return to;
    }
    void strings(std::string_view name, std::vector<std::string>& to) {
        if (const Json* value = find(name)) to = strings(name, *value);
    }
    /// A text that nothing here depends on, or null where that may be.
    void text(std::string_view name, bool nullable) {
        const Json* value = find(name);
        if (value != nullptr && !value->is(Kind::kString) && !(nullable && value->is(Kind::kNull)))
            wrong(name, "is no text");
    }

    void finish() const {
        for (const std::string& name : object_.names)
            if (std::find(known_.begin(), known_.end(), name) == known_.end())
                wrong(shorten(name), "is an unknown field");
    }

private:
    std::int64_t whole(std::string_view name, const Json& value) const {
        if (!value.is(Kind::kInteger)) wrong(name, "is no whole number");
        return value.integer();
    }
    double number(std::string_view name, const Json& value) const {
        if (!value.is(Kind::kInteger) && !value.is(Kind::kReal)) wrong(name, "is no number");
        const double found = value.real();
        if (found - found != 0) wrong(name, "is out of range");
        return found;
    }

    const Json& object_;
    std::string where_;
    std::vector<std::string_view> known_;
};

BagSpec bag_of(const Json& json) {
    Fields fields(json, "text.bag");
    BagSpec bag;
    bool word = true;
    std::int64_t min_count = 4;
    fields.boolean("word", word);
    fields.range("syllable", bag.syllable), fields.range("jamo", bag.jamo);
    fields.integer("phrase", bag.phrase), fields.integer("min_count", min_count), fields.integer("piece", bag.piece);
    fields.finish();
    return bag;
}

GuideSpec guide_of(const Json& json) {
    Fields fields(json, "text.guide");
    GuideSpec guide;
    std::string unit;
    std::int64_t min_count = 2;
    fields.word("unit", unit, {"token", "character"});
    fields.integer("longest", guide.longest), fields.integer("min_count", min_count);
    fields.finish();
    return guide;
}

TextSpec text_of(const Json& json) {
    Fields fields(json, "text");
    TextSpec text;
    std::string padding;
    bool lowercase = true;
    fields.word("tokenizer", text.tokenizer, {"word", "char", "syllable", "jamo", "byte", "subword", "ids", "tokens"});
    fields.boolean("lowercase", lowercase), fields.boolean("mask", text.mask), fields.boolean("start", text.start);
    fields.integer("squeeze", text.squeeze), fields.integer("max_length", text.max_length);
    fields.word("padding", padding, {"pre", "post"});
    fields.word("truncating", text.truncating, {"pre", "post", "middle"});
    fields.integer("head_length", text.head_length), fields.integer("num_words", text.num_words);
    fields.integer("index_from", text.index_from);
    if (const Json* words = fields.find("words")) {
        if (!words->is(Kind::kArray)) fields.wrong("words", "is no list");
        for (const Json& word : words->items)
            if (!word.is(Kind::kString)) fields.wrong("words", "has something else than strings in it");
    }
    if (const Json* bag = fields.part("bag")) text.bag = bag_of(*bag);
    if (const Json* guide = fields.part("guide")) text.guide = guide_of(*guide);
    fields.finish();
    return text;
}

NumericSpec numeric_of(const Json& json) {
    Fields fields(json, "numeric");
    NumericSpec numeric;
    fields.integer("features", numeric.features, true), fields.integer("steps", numeric.steps);
    fields.finish();
    return numeric;
}

TargetSpec targets_of(const Json& json) {
    Fields fields(json, "targets");
    TargetSpec targets;
    fields.word("loss", targets.loss, {"cross_entropy", "mse", "mae", "quantile", "gaussian", "student_t", "negative_binomial"},
                true);
    if (const Json* levels = fields.find("quantiles")) targets.quantiles = fields.numbers("quantiles", *levels);
    if (const Json* shape = fields.find("shape")) targets.shape = fields.integers("shape", *shape);
    fields.finish();
    return targets;
}

ForecastSpec forecast_of(const Json& json) {
    Fields fields(json, "forecast");
    ForecastSpec forecast;
    std::string word;
    bool flag = true;
    fields.word("model", forecast.model, {"direct", "autoregressive"});
    fields.integer("horizon", forecast.horizon, true), fields.integer("context", forecast.context, true);
    fields.integer("segment", forecast.segment), fields.integer("season", forecast.season);
    fields.text("time", true), fields.text("group", true);
    forecast.targets = fields.strings("targets", fields.needed("targets"));
    fields.strings("past", forecast.past), fields.strings("future", forecast.future);
    fields.strings("static", forecast.fixed);
    if (const Json* vocabularies = fields.find("vocabularies")) {
        if (!vocabularies->is(Kind::kArray)) fields.wrong("vocabularies", "is no list");
        for (const Json& words : vocabularies->items) static_cast<void>(fields.strings("vocabularies", words));
        forecast.vocabularies = static_cast<std::int64_t>(vocabularies->items.size());
    }
    fields.word("unit", word,
                {"step", "microsecond", "millisecond", "second", "minute", "hour", "day", "business day", "week",
                 "month", "quarter", "year"},
                true);
    fields.integer("every", forecast.every), fields.boolean("regular", flag);
    fields.boolean("independent", forecast.independent), fields.boolean("differences", flag);
    fields.word("base", word, {"last", "seasonal", "drift", "mean", "none"});
    fields.word("transform", word, {"none", "log", "log1p", "return"});
    fields.word("scaling", forecast.scaling, {"window", "series", "all", "none"});
    fields.word("centre", word, {"last", "mean"});
    if (const Json* calendar = fields.find("calendar"))
        for (const std::string& name : fields.strings("calendar", *calendar))
            if (name != "minute" && name != "hour" && name != "weekday" && name != "day" && name != "year")
                fields.wrong("calendar", "has an unknown word in it");
    fields.boolean("missing", forecast.missing);
    if (const Json* means = fields.find("means")) forecast.means = fields.numbers("means", *means);
    if (const Json* rates = fields.find("rates")) forecast.rates = fields.numbers("rates", *rates);
    if (const Json* levels = fields.find("levels")) forecast.levels = fields.numbers("levels", *levels);
    fields.strings("series", forecast.series), fields.text("until", false);
    fields.finish();
    return forecast;
}

LayerSpec layer_of(const Json& json) {
    Fields fields(json, "network.layers");
    LayerSpec layer;
    std::string initial_state;
    fields.word("cell", layer.cell, {"rnn", "lstm", "gru", "mingru", "minlstm"}, true);
    fields.integer("input_size", layer.input_size, true), fields.integer("hidden_size", layer.hidden_size, true);
    fields.boolean("bidirectional", layer.bidirectional), fields.boolean("reset_after", layer.reset_after);
    fields.word("nonlinearity", layer.nonlinearity, {"tanh", "relu", "linear"});
    fields.word("initial_state", initial_state, {"zero", "learned"});
    layer.learned = initial_state == "learned";
    fields.boolean("layer_norm", layer.layer_norm), fields.boolean("peephole", layer.peephole);
    fields.real("zoneout", layer.zoneout), fields.real("zoneout_cell", layer.zoneout_cell);
    fields.finish();
    return layer;
}

NetworkSpec network_of(const Json& json) {
    Fields fields(json, "network");
    NetworkSpec network;
    fields.word("input", network.input, {"ids", "one_hot", "bag", "numeric"}, true);
    fields.integer("input_size", network.input_size, true), fields.integer("embedding_size", network.embedding_size);
    const Json& layers = fields.needed("layers");
    if (!layers.is(Kind::kArray)) fields.wrong("layers", "is no list");
    for (const Json& layer : layers.items) network.layers.push_back(layer_of(layer));
    fields.word("pool", network.pool, {"last", "mean", "max", "mean+max", "attention", "none"});
    fields.integer("outputs", network.outputs, true), fields.integer("channels", network.channels);
    fields.real("share", network.share), fields.boolean("wide", network.wide);
    std::string weights;
    fields.word("weights", weights, {"float", "int8"});
    network.int8 = weights == "int8";
    fields.finish();
    return network;
}

Golden golden_of(const Json& json) {
    Fields fields(json, "golden");
    Golden golden;
    const Json& input = fields.needed("input");
    golden.is_text = input.is(Kind::kString);
    if (!golden.is_text && !input.is(Kind::kArray)) fields.wrong("input", "is neither a text nor a list");
    for (const Json& step : input.items) golden.steps.push_back(fields.numbers("input", step));
    golden.logits = fields.numbers("logits", fields.needed("logits"));
    fields.finish();
    return golden;
}

bool is_scalar(const Json& value) { return !value.is(Kind::kArray) && !value.is(Kind::kObject); }

}  // namespace

ModelSpec read_specification(const std::string& text) {
    const Json json = read_json(text, "the specification");
    if (const Json* version = json.find("version");
        version != nullptr && version->is(Kind::kInteger) && version->integer() > 1)
        throw Refused("written by a newer timesteps (format version " + shorten(version->text) + ", this one reads 1)");
    Fields fields(json, "model");
    ModelSpec spec;
    std::string word;
    fields.word("format", word, {"timesteps"}, true);
    fields.word("task", spec.task, {"classify", "tag", "regress", "forecast"}, true);
    fields.integer("version", spec.version, true);
    const Json& classes = fields.needed("classes");
    if (!classes.is(Kind::kArray)) fields.wrong("classes", "is no list");
    spec.classes = classes.items;
    for (const Json& label : spec.classes)
        if (!is_scalar(label) || label.is(Kind::kNull)) fields.wrong("classes", "has something else than labels in it");
    if (const Json* part = fields.part("targets")) spec.targets = targets_of(*part);
    if (const Json* part = fields.part("forecast")) spec.forecast = forecast_of(*part);
    if (const Json* part = fields.part("text")) spec.text = text_of(*part);
    if (const Json* part = fields.part("numeric")) spec.numeric = numeric_of(*part);
    spec.network = network_of(fields.needed("network"));
    fields.integer("members", spec.members), fields.integer("unguided", spec.unguided);
    if (const Json* golden = fields.find("golden")) {
        if (!golden->is(Kind::kArray)) fields.wrong("golden", "is no list");
        for (const Json& one : golden->items) spec.golden.push_back(golden_of(one));
    }
    if (const Json* training = fields.find("training")) {
        if (!training->is(Kind::kObject)) fields.wrong("training", "is no object");
        for (const Json& value : training->items)
            if (!is_scalar(value)) fields.wrong("training", "has something else than plain values in it");
    }
    fields.finish();
    return spec;
}

std::string label_text(const Json& label) {
    switch (label.kind) {
        case Kind::kTrue:
            return "true";
        case Kind::kFalse:
            return "false";
        default:
            return label.text;
    }
}

}  // namespace timesteps
