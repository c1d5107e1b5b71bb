/* timesteps in C: a trained model that runs one time step at a time.
 *
 * A model is loaded from the bytes of a model file (`model.safetensors`, which training wrote). Afterwards nothing is
 * allocated and nothing locked: a model is only read, by as many threads as like, and all that changes lies in memory that
 * the caller owns. A stream's state is a block of plain bytes; to copy the block is to copy the stream.
 *
 *     timesteps_model *model;
 *     char message[256];
 *     if (timesteps_load(bytes, size, &model, message, sizeof message) != TIMESTEPS_OK) ...
 *     void *state = malloc(timesteps_state_size(model));
 *     float logits[2];                                   // timesteps_output_size(model) numbers
 *     timesteps_reset(model, state);
 *     while (...) timesteps_step(model, state, x, logits);
 *
 * What a step returns are the logits as of now: those that the model would give for the sequence if it ended here, with
 * pooling over the steps so far. One logit speaks for the second of two labels: its probability is 1 / (1 + exp(-logit)).
 * Several are one a label: softmax. However a sequence is cut into calls, the bits are the same.
 *
 * Models of numbers and of token ids run here: RNN, LSTM and GRU in any number of layers, every pooling, several members.
 * Those that read texts by themselves do not (timesteps_load says so): Python's Session has their text processing. A
 * bidirectional layer reads the future: `timesteps_whole` runs such a model over a whole sequence, `timesteps_step` does not.
 */
#ifndef TIMESTEPS_H
#define TIMESTEPS_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define TIMESTEPS_API __attribute__((visibility("default")))
#else
#define TIMESTEPS_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct timesteps_model timesteps_model;

typedef enum timesteps_status {
    TIMESTEPS_OK = 0,
    TIMESTEPS_NO_MEMORY = 1,   /* only while a model is loaded */
    TIMESTEPS_USAGE = 2,       /* a null or unaligned pointer, numbers for a model of ids, ids for one of numbers */
    TIMESTEPS_DATA = 3,        /* a number that is NaN, infinite or too large; an id outside the vocabulary */
    TIMESTEPS_MODEL = 4,       /* no model file, a damaged one, or one of a newer version */
    TIMESTEPS_UNSUPPORTED = 5  /* a sound model that this function cannot run */
} timesteps_status;

/* What a status means, as a sentence. */
TIMESTEPS_API const char *timesteps_describe(timesteps_status status);

/* The model in `size` bytes of a model file, which are not needed afterwards. On an error *model is null, and `message`
 * (`message_size` bytes, or null) says in one line what is wrong. Memory and time are bounded by the size. */
TIMESTEPS_API timesteps_status timesteps_load(const void *bytes, size_t size, timesteps_model **model, char *message,
                                              size_t message_size);

/* Null is allowed. */
TIMESTEPS_API void timesteps_free(timesteps_model *model);

/* Numbers of a step, or the size of the vocabulary of a model of ids. */
TIMESTEPS_API size_t timesteps_input_size(const timesteps_model *model);

/* 1 where steps are token ids, 0 where they are numbers. */
TIMESTEPS_API int timesteps_reads_ids(const timesteps_model *model);

/* Logits of an answer. */
TIMESTEPS_API size_t timesteps_output_size(const timesteps_model *model);

/* How many labels there are, and label number `label` in UTF-8; null if there is none. */
TIMESTEPS_API size_t timesteps_label_count(const timesteps_model *model);
TIMESTEPS_API const char *timesteps_label(const timesteps_model *model, size_t label);

/* Whether the model runs step by step: TIMESTEPS_OK, or TIMESTEPS_UNSUPPORTED and a sentence that names the layer that
 * reads the future. */
TIMESTEPS_API timesteps_status timesteps_can_step(const timesteps_model *model, char *message, size_t message_size);

/* Bytes of a stream's state. The memory has to be aligned as malloc's is; a multiple of 64 is faster. */
TIMESTEPS_API size_t timesteps_state_size(const timesteps_model *model);

/* A state before the first step. */
TIMESTEPS_API timesteps_status timesteps_reset(const timesteps_model *model, void *state);

/* One step: x (input_size) as the data had them, the model scales them; or an id. logits (output_size), or null. On an
 * error the state is as before. */
TIMESTEPS_API timesteps_status timesteps_step(const timesteps_model *model, void *state, const float *x, float *logits);
TIMESTEPS_API timesteps_status timesteps_step_id(const timesteps_model *model, void *state, int32_t id, float *logits);

/* One step of several streams: x (streams, input_size) or ids (streams), logits (streams, output_size) or null. The bits
 * are those of one stream alone. On an error no state has changed. */
TIMESTEPS_API timesteps_status timesteps_step_streams(const timesteps_model *model, void *const *states, size_t streams,
                                                      const float *x, float *logits);
TIMESTEPS_API timesteps_status timesteps_step_streams_ids(const timesteps_model *model, void *const *states,
                                                          size_t streams, const int32_t *ids, float *logits);

/* Several steps of one stream: x (steps, input_size) or ids (steps), logits (steps, output_size) or null. On an error the
 * steps before the faulty one have been taken. */
TIMESTEPS_API timesteps_status timesteps_run(const timesteps_model *model, void *state, const float *x, size_t steps,
                                             float *logits);
TIMESTEPS_API timesteps_status timesteps_run_ids(const timesteps_model *model, void *state, const int32_t *ids,
                                                 size_t steps, float *logits);

/* The logits as of now, without a step; before the first step those of an empty sequence. */
TIMESTEPS_API timesteps_status timesteps_logits(const timesteps_model *model, void *state, float *logits);

/* A whole sequence at once, for models that read the future, too. `work` is memory of timesteps_whole_size bytes, aligned
 * as a state; size 0 means that there are too many steps. */
TIMESTEPS_API size_t timesteps_whole_size(const timesteps_model *model, size_t steps);
TIMESTEPS_API timesteps_status timesteps_whole(const timesteps_model *model, const float *x, size_t steps, void *work,
                                               float *logits);
TIMESTEPS_API timesteps_status timesteps_whole_ids(const timesteps_model *model, const int32_t *ids, size_t steps,
                                                   void *work, float *logits);

#ifdef __cplusplus
}
#endif

#endif
