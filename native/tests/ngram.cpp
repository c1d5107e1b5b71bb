// n-gram models without Python, for the sanitizers: random corpora are counted in memory and by files, smoothed in every
// way, and queried a word, a sentence and many sentences at a time.
//     ngram_test [corpora] [folder]
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "../ngram/counter.h"
#include "../ngram/estimate.h"
#include "../ngram/query.h"

using namespace timesteps;

namespace {

int failures = 0;

void expect(bool holds, const char* what, double found) {
    if (holds) return;
    std::printf("%s (%g)\n", what, found);
    ++failures;
}

constexpr std::uint32_t kUnknown = 0, kBegin = 1, kMarks = 3;  // and </s>, 2

/// A model's tables, each number in a vector of exactly its size.
struct Model {
    std::vector<float> unigrams;
    std::vector<std::vector<std::uint32_t>> entries;
    std::uint32_t vocabulary = 0;

    NgramQuery query() {
        std::vector<Table> tables;
        for (std::size_t n = 0; n < entries.size(); ++n) {
            const std::uint32_t width = n + 1 == entries.size() ? 3 : 4;
            tables.push_back({entries[n].data(), entries[n].size() / width, width});
        }
        return NgramQuery(unigrams.data(), vocabulary, kBegin, std::move(tables));
    }
};

std::string corpus(std::mt19937& random, int words) {
    std::string text;
    const int lines = 1 + int(random() % 60);
    for (int line = 0; line < lines; ++line) {
        const int length = int(random() % 9);
        for (int n = 0; n < length; ++n)
            text += "w" + std::to_string(random() % unsigned(words)) + (n + 1 < length ? " " : "");
        text += "\n";
    }
    return text + "w0\n";
}

Model estimate(const std::string& text, int order, Smoothing smoothing, std::int64_t memory, const std::string& folder) {
    NgramCounter counter(memory, folder);
    counter.add(text, false);
    const std::uint32_t known = counter.words().size();
    std::vector<std::uint32_t> tokens(known);
    for (std::uint32_t word = 0; word < known; ++word) tokens[word] = word + 1 < known || known == 1 ? kMarks + word : kUnknown;
    Model model;
    model.vocabulary = kMarks + known;
    const Counts counts = smoothing == Smoothing::kKneserNey ? Counts::kContinuation : Counts::kRaw;
    const Levels levels = counter.levels(tokens, model.vocabulary, kBegin, 2,
                                         std::vector<std::int64_t>(static_cast<std::size_t>(order), 0), counts);
    Way way{smoothing, smoothing == Smoothing::kStupidBackoff ? 0.4 : 1.0, {}};
    for (int n = 0; n < order; ++n) way.discounts.push_back({0.5, 1.0, 1.5});
    Estimator estimator(levels, std::move(way), counter.budget());
    std::vector<std::uint32_t> slots;
    for (int n = 1; n <= order; ++n) {
        const Estimates found = estimator.next();
        const std::size_t count = found.words.size();
        if (n == 1) {
            for (std::size_t word = 0; word < count; ++word) {
                slots.push_back(static_cast<std::uint32_t>(word));
                model.unigrams.insert(model.unigrams.end(), {found.probabilities[word], found.backoffs[word]});
            }
            continue;
        }
        const std::uint32_t width = n == order ? 3 : 4;
        std::vector<std::uint32_t>& entries = model.entries.emplace_back((count + count / 2 + 1) * width);
        for (std::size_t slot = 0; slot < entries.size() / width; ++slot) entries[slot * width + 1] = kEmpty;
        Table table{entries.data(), entries.size() / width, width};
        std::vector<std::uint32_t> placed;
        for (std::size_t place = 0; place < count; ++place)
            placed.push_back(table.insert(slots[found.parents[place]], found.words[place], found.probabilities[place],
                                          found.backoffs[place]));
        slots = std::move(placed);
    }
    return model;
}

void check(std::mt19937& random, const std::string& folder) {
    const int order = 1 + int(random() % 5);
    const auto smoothing = static_cast<Smoothing>(random() % 4);
    const std::string text = corpus(random, 1 + int(random() % 12));
    Model model = estimate(text, order, smoothing, 1 << 22, folder);
    const Model spilled = estimate(text, order, smoothing, 1 << 10, folder);
    expect(model.unigrams == spilled.unigrams && model.entries == spilled.entries, "memory changes the model", order);
    const NgramQuery query = model.query();
    std::vector<std::uint32_t> words;
    std::vector<std::int64_t> offsets{0};
    for (int sentence = 0; sentence < 70; ++sentence) {
        for (unsigned n = random() % 7; n > 0; --n) words.push_back(std::uint32_t(random()) % model.vocabulary);
        offsets.push_back(std::int64_t(words.size()));
    }
    const std::uint32_t begin[] = {kBegin};
    const NgramQuery::State start = query.after(begin);
    std::vector<double> logs(words.size()), alone(words.size()), all(model.vocabulary);
    query.sentences(start, words, offsets, logs.data());
    for (std::size_t n = 0; n + 1 < offsets.size(); ++n) {
        const auto first = std::size_t(offsets[n]), count = std::size_t(offsets[n + 1]) - first;
        NgramQuery::State state = start;
        for (std::size_t place = first; place < first + count; ++place) {
            NgramQuery::State next;
            alone[place] = query.step(state, words[place], next);
            state = next;
        }
        std::vector<double> run(count);
        const NgramQuery::State reached = query.run(start, {words.data() + first, count}, run.data());
        expect(reached.length == state.length, "the states differ", state.length);
        if (smoothing == Smoothing::kStupidBackoff) continue;
        query.distribution(state, all.data());
        double sum = 0;
        for (const double log : all) sum += std::pow(10.0, log);
        expect(std::abs(sum - 1) < 1e-3, "the probabilities do not sum to 1", sum);
    }
    expect(logs == alone, "one at a time and many at a time differ", order);
}

}  // namespace

int main(int count, char** given) {
    const int corpora = count > 1 ? std::atoi(given[1]) : 60;
    const std::string folder = count > 2 ? given[2] : ".";
    std::mt19937 random(1);
    for (int n = 0; n < corpora; ++n) check(random, folder);
    std::printf("%d corpora, %d failures\n", corpora, failures);
    return failures > 0;
}
