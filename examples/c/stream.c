/* stream MODEL: answers after every line of standard input, in plain C.
 *
 * A line is one time step: the numbers of a step with commas or blanks between them, or a token id. For each a line comes
 * out: the most probable label, and its probability. An empty line begins a new sequence. To build it, in this folder:
 *
 *     cmake -S ../../native -B build/library -DTIMESTEPS_LIBRARY=ON && cmake --build build/library
 *     cmake --install build/library --prefix build/installed
 *     cmake -S . -B build/stream -DCMAKE_PREFIX_PATH=$PWD/build/installed && cmake --build build/stream
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <timesteps.h>

enum { LINE = 1 << 16 };

static char line[LINE];

static int fail(const char *what, const char *why, int code) {
    fprintf(stderr, "stream: %s: %s\n", what, why);
    return code;
}

/* A whole file; null if it cannot be read. */
static void *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    unsigned char *bytes = NULL;
    size_t room = 0, count = 1;
    *size = 0;
    while (file != NULL && count > 0) {
        if (*size == room) {
            unsigned char *more = realloc(bytes, room = room ? 2 * room : 1 << 16);
            if (more == NULL) break;
            bytes = more;
        }
        count = fread(bytes + *size, 1, room - *size, file);
        *size += count;
    }
    if (file == NULL || ferror(file) || count > 0) {
        free(bytes);
        bytes = NULL;
    }
    if (file != NULL) fclose(file);
    return bytes;
}

/* The numbers of a line; how many there are, or -1 where something else stands there. */
static long numbers_of(char *text, float *x, size_t most) {
    long count = 0;
    for (;;) {
        char *end;
        while (*text == ' ' || *text == ',' || *text == '\t' || *text == '\n' || *text == '\r') ++text;
        if (*text == '\0') return count;
        float number = strtof(text, &end);
        if (end == text || (size_t)count == most) return -1;
        x[count++] = number;
        text = end;
    }
}

static void answer(const timesteps_model *model, const float *logits) {
    size_t outputs = timesteps_output_size(model), best = 0;
    double probability;
    if (outputs == 1) {
        best = logits[0] > 0;
        probability = 1 / (1 + exp(-fabs(logits[0])));
    } else {
        double sum = 0;
        for (size_t k = 1; k < outputs; ++k)
            if (logits[k] > logits[best]) best = k;
        for (size_t k = 0; k < outputs; ++k) sum += exp((double)logits[k] - logits[best]);
        probability = 1 / sum;
    }
    printf("%s\t%.4f\n", timesteps_label(model, best), probability);
    fflush(stdout);
}

static int stream(const timesteps_model *model, void *state, float *x, float *logits) {
    size_t width = timesteps_reads_ids(model) ? 1 : timesteps_input_size(model);
    char where[32];
    timesteps_reset(model, state);
    for (unsigned long number = 1; fgets(line, sizeof line, stdin) != NULL; ++number) {
        snprintf(where, sizeof where, "line %lu", number);
        long count = numbers_of(line, x, width);
        if (count == 0) {
            timesteps_reset(model, state);
            puts("");
            fflush(stdout);
            continue;
        }
        if (count != (long)width) return fail(where, "this model reads other numbers of a step", 3);
        timesteps_status status = timesteps_reads_ids(model) ? timesteps_step_id(model, state, (int32_t)x[0], logits)
                                                             : timesteps_step(model, state, x, logits);
        if (status != TIMESTEPS_OK) return fail(where, timesteps_describe(status), status);
        answer(model, logits);
    }
    return 0;
}

int main(int count, char **arguments) {
    char message[256] = "it cannot be read";
    timesteps_model *model;
    size_t size;
    if (count != 2) return fail("usage", "stream MODEL < STEPS", 2);
    void *bytes = read_file(arguments[1], &size);
    if (bytes == NULL) return fail(arguments[1], message, 4);
    timesteps_status status = timesteps_load(bytes, size, &model, message, sizeof message);
    free(bytes);
    if (status == TIMESTEPS_OK) status = timesteps_can_step(model, message, sizeof message);
    if (status != TIMESTEPS_OK) return fail(arguments[1], message, status);
    void *state = malloc(timesteps_state_size(model));
    float *x = malloc(timesteps_input_size(model) * sizeof *x);
    float *logits = malloc(timesteps_output_size(model) * sizeof *logits);
    int code = state == NULL || x == NULL || logits == NULL ? fail("memory", "there is none left", 1)
                                                            : stream(model, state, x, logits);
    free(state);
    free(x);
    free(logits);
    timesteps_free(model);
    return code;
}
