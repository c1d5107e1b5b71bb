// The functions of timesteps.h. No exception leaves them.
#include "timesteps.h"

#include <cstring>
#include <limits>
#include <new>

#include "stream/load.h"
#include "stream/refused.h"

struct timesteps_model {
    timesteps::LoadedModel loaded;
    const timesteps::Model& run() const { return *loaded.model; }
};

namespace {

using timesteps::Fault;
using timesteps::InputKind;

constexpr std::size_t kMaxSteps = std::size_t{1} << 31;

void say(const std::string& text, char* message, std::size_t size) {
    if (message == nullptr || size == 0) return;
    const std::size_t count = text.size() < size ? text.size() : size - 1;
    std::memcpy(message, text.data(), count);
    message[count] = '\0';
}

bool aligned(const void* memory) {
    return memory != nullptr && reinterpret_cast<std::uintptr_t>(memory) % alignof(double) == 0;
}

timesteps_status status_of(Fault fault) { return fault == Fault::kNone ? TIMESTEPS_OK : TIMESTEPS_DATA; }

/// What keeps a model from reading such steps, from these pointers.
timesteps_status refusal(const timesteps_model* model, const void* memory, const void* steps, bool ids, bool stream) {
    if (model == nullptr || !aligned(memory) || steps == nullptr) return TIMESTEPS_USAGE;
    if ((model->run().input() != InputKind::kNumeric) != ids) return TIMESTEPS_USAGE;
    return stream && model->run().reads_ahead() >= 0 ? TIMESTEPS_UNSUPPORTED : TIMESTEPS_OK;
}

template <class Step>
timesteps_status each_step(const timesteps_model* model, std::size_t steps, float* logits, const Step& step) {
    const auto outputs = static_cast<std::size_t>(model->run().outputs());
    for (std::size_t t = 0; t < steps; ++t) {
        const Fault fault = step(t, logits == nullptr ? nullptr : logits + t * outputs);
        if (fault != Fault::kNone) return status_of(fault);
    }
    return TIMESTEPS_OK;
}

}  // namespace

const char* timesteps_describe(timesteps_status status) {
    switch (status) {
        case TIMESTEPS_OK:
            return "done";
        case TIMESTEPS_NO_MEMORY:
            return "there is no memory for this model";
        case TIMESTEPS_USAGE:
            return "a pointer is null or not aligned, or the model reads the other kind of steps";
        case TIMESTEPS_DATA:
            return "a number is NaN, infinite or too large, or an id is outside the vocabulary";
        case TIMESTEPS_MODEL:
            return "this is no model file of timesteps that can be read";
        case TIMESTEPS_UNSUPPORTED:
            return "this model cannot run this way";
    }
    return "no status of timesteps";
}

timesteps_status timesteps_load(const void* bytes, size_t size, timesteps_model** model, char* message,
                                size_t message_size) {
    if (model == nullptr) return TIMESTEPS_USAGE;
    *model = nullptr;
    if (bytes == nullptr) return TIMESTEPS_USAGE;
    try {
        *model = new timesteps_model{timesteps::load_model(static_cast<const unsigned char*>(bytes), size)};
        return TIMESTEPS_OK;
    } catch (const timesteps::Refused& refused) {
        say(refused.what(), message, message_size);
        return refused.unsupported() ? TIMESTEPS_UNSUPPORTED : TIMESTEPS_MODEL;
    } catch (const std::bad_alloc&) {
        say(timesteps_describe(TIMESTEPS_NO_MEMORY), message, message_size);
        return TIMESTEPS_NO_MEMORY;
    } catch (const std::length_error&) {  // of a vector larger than any memory
        say(timesteps_describe(TIMESTEPS_NO_MEMORY), message, message_size);
        return TIMESTEPS_NO_MEMORY;
    }
}

void timesteps_free(timesteps_model* model) { delete model; }

size_t timesteps_input_size(const timesteps_model* model) {
    return static_cast<std::size_t>(model->run().input_size());
}

int timesteps_reads_ids(const timesteps_model* model) { return model->run().input() != InputKind::kNumeric; }

size_t timesteps_output_size(const timesteps_model* model) { return static_cast<std::size_t>(model->run().outputs()); }

size_t timesteps_label_count(const timesteps_model* model) { return model->loaded.labels.size(); }

const char* timesteps_label(const timesteps_model* model, size_t label) {
    return label < model->loaded.labels.size() ? model->loaded.labels[label].c_str() : nullptr;
}

timesteps_status timesteps_can_step(const timesteps_model* model, char* message, size_t message_size) {
    if (model == nullptr) return TIMESTEPS_USAGE;
    const std::int64_t layer = model->run().reads_ahead();
    if (layer < 0) return TIMESTEPS_OK;
    say("cannot run step by step: layer rnn.l" + std::to_string(layer) +
            " is bidirectional: it reads a sequence from its end, too",
        message, message_size);
    return TIMESTEPS_UNSUPPORTED;
}

size_t timesteps_state_size(const timesteps_model* model) {
    return static_cast<std::size_t>(model->run().state_bytes());
}

timesteps_status timesteps_reset(const timesteps_model* model, void* state) {
    if (model == nullptr || !aligned(state)) return TIMESTEPS_USAGE;
    std::memset(state, 0, timesteps_state_size(model));
    model->run().reset(static_cast<char*>(state));
    return TIMESTEPS_OK;
}

timesteps_status timesteps_step(const timesteps_model* model, void* state, const float* x, float* logits) {
    if (const auto status = refusal(model, state, x, false, true); status != TIMESTEPS_OK) return status;
    char* states[] = {static_cast<char*>(state)};
    return status_of(model->run().step(states, 1, x, logits));
}

timesteps_status timesteps_step_id(const timesteps_model* model, void* state, int32_t id, float* logits) {
    if (const auto status = refusal(model, state, &id, true, true); status != TIMESTEPS_OK) return status;
    char* states[] = {static_cast<char*>(state)};
    return status_of(model->run().step_ids(states, 1, &id, logits));
}

timesteps_status timesteps_step_streams(const timesteps_model* model, void* const* states, size_t streams,
                                        const float* x, float* logits) {
    for (std::size_t n = 0; n < streams; ++n)
        if (const auto status = refusal(model, states == nullptr ? nullptr : states[n], x, false, true);
            status != TIMESTEPS_OK)
            return status;
    return status_of(model->run().step(reinterpret_cast<char* const*>(states), static_cast<std::int64_t>(streams), x,
                                       logits));
}

timesteps_status timesteps_step_streams_ids(const timesteps_model* model, void* const* states, size_t streams,
                                            const int32_t* ids, float* logits) {
    for (std::size_t n = 0; n < streams; ++n)
        if (const auto status = refusal(model, states == nullptr ? nullptr : states[n], ids, true, true);
            status != TIMESTEPS_OK)
            return status;
    return status_of(model->run().step_ids(reinterpret_cast<char* const*>(states), static_cast<std::int64_t>(streams),
                                           ids, logits));
}

timesteps_status timesteps_run(const timesteps_model* model, void* state, const float* x, size_t steps, float* logits) {
    if (const auto status = refusal(model, state, x, false, true); status != TIMESTEPS_OK) return status;
    char* states[] = {static_cast<char*>(state)};
    const std::size_t width = timesteps_input_size(model);
    return each_step(model, steps, logits,
                     [&](std::size_t t, float* to) { return model->run().step(states, 1, x + t * width, to); });
}

timesteps_status timesteps_run_ids(const timesteps_model* model, void* state, const int32_t* ids, size_t steps,
                                   float* logits) {
    if (const auto status = refusal(model, state, ids, true, true); status != TIMESTEPS_OK) return status;
    char* states[] = {static_cast<char*>(state)};
    return each_step(model, steps, logits,
                     [&](std::size_t t, float* to) { return model->run().step_ids(states, 1, ids + t, to); });
}

timesteps_status timesteps_logits(const timesteps_model* model, void* state, float* logits) {
    if (model == nullptr || !aligned(state) || logits == nullptr) return TIMESTEPS_USAGE;
    if (model->run().reads_ahead() >= 0) return TIMESTEPS_UNSUPPORTED;
    model->run().logits(static_cast<char*>(state), logits);
    return TIMESTEPS_OK;
}

size_t timesteps_whole_size(const timesteps_model* model, size_t steps) {
    return steps > kMaxSteps ? 0 : static_cast<std::size_t>(model->run().whole_bytes(static_cast<std::int64_t>(steps)));
}

timesteps_status timesteps_whole(const timesteps_model* model, const float* x, size_t steps, void* work,
                                 float* logits) {
    if (logits == nullptr || steps > kMaxSteps) return TIMESTEPS_USAGE;
    if (const auto status = refusal(model, work, x, false, false); status != TIMESTEPS_OK) return status;
    return status_of(model->run().whole(x, nullptr, static_cast<std::int64_t>(steps), static_cast<char*>(work), logits));
}

timesteps_status timesteps_whole_ids(const timesteps_model* model, const int32_t* ids, size_t steps, void* work,
                                     float* logits) {
    if (logits == nullptr || steps > kMaxSteps) return TIMESTEPS_USAGE;
    if (const auto status = refusal(model, work, ids, true, false); status != TIMESTEPS_OK) return status;
    return status_of(
        model->run().whole(nullptr, ids, static_cast<std::int64_t>(steps), static_cast<char*>(work), logits));
}
