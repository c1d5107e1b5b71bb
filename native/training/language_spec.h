// What a recurrent language model in training is: its sizes, its options, and the text of a step.
#pragma once

#include <cstdint>
#include <vector>

#include "network.h"
#include "optimizer.h"

namespace timesteps::training {

/// A language model, and what acts on it in training.
struct LanguageSpec {
    Index vocabulary = 0, embedding_size = 0;
    bool tied = false, locked = false;  // locked: a dropout mask is one for all steps
    double word_dropout = 0, input_dropout = 0, dropout = 0, output_dropout = 0, weight_drop = 0;
    double activation = 0, slowness = 0;  // of AR, of TAR
    std::vector<LayerSpec> layers;

    Index outputs() const { return layers.back().hidden_size; }
};

/// Text side by side: ids (steps, batch), what follows each of them, and what its layers remember.
struct Streams {
    const std::int32_t *ids, *targets;
    Index steps, batch;

    Index positions() const { return steps * batch; }
};

struct LanguageStep {
    double loss, penalty, norm;  // mean -log P; what AR and TAR add; of the gradients
    bool taken;
};

/// Whether these are the tensors of the model, in the order embedding, four of each layer, head unless tied, head's bias.
template <class T>
bool fit(const LanguageSpec& spec, const std::vector<Slot<T>>& slots) {
    std::vector<Index> wanted{spec.vocabulary * spec.embedding_size}, found;
    for (const LayerSpec& layer : spec.layers) {
        const Index rows = layer.gates * layer.hidden_size;
        wanted.insert(wanted.end(), {rows * layer.input_size, rows * layer.hidden_size, rows, rows});
    }
    if (!spec.tied) wanted.push_back(spec.vocabulary * spec.outputs());
    wanted.push_back(spec.vocabulary);
    for (const Slot<T>& slot : slots) found.push_back(slot.size());
    return wanted == found;
}

}  // namespace timesteps::training
