// The softmax over a vocabulary without Python, for the sanitizers: log P and gradients beside those of plain loops, of
// all classes and of a sample, with rows that do not count, on one thread and on several.
//     projection_test [problems]
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "../projection/projection.h"

using namespace timesteps;

namespace {

using Index = std::int64_t;
int failures = 0;

void expect(bool holds, const char* what, double found) {
    if (holds) return;
    std::printf("%s (%g)\n", what, found);
    ++failures;
}

/// What a problem's answer is, in double.
struct Answer {
    std::vector<double> log_probs, dh, dweight, dbias, own;
};

template <class T>
Answer plainly(const ProjectionProblem<T>& p, Index all) {
    Answer a;
    const auto rows = std::size_t(p.rows), size = std::size_t(p.size);
    a.log_probs.assign(rows, 0), a.dh.assign(rows * size, 0), a.dweight.assign(std::size_t(all) * size, 0);
    a.dbias.assign(std::size_t(p.classes), 0), a.own.assign(rows, 0);
    for (Index n = 0; n < p.rows; ++n) {
        const bool apart = p.targets[n] == ProjectionProblem<T>::kApart;
        if (p.targets[n] < 0 && !apart) continue;
        std::vector<double> scores;
        for (Index c = 0; c < p.classes; ++c) {
            const Index row = p.chosen == nullptr ? c : p.chosen[c];
            double score = p.bias == nullptr ? 0 : double(p.bias[c]);
            for (Index k = 0; k < p.size; ++k) score += double(p.h[n * p.size + k]) * double(p.weight[row * p.size + k]);
            scores.push_back(score);
        }
        if (apart) scores.push_back(double(p.own[n]));
        double sum = 0;
        for (const double score : scores) sum += std::exp(score);
        const std::size_t right = apart ? scores.size() - 1 : std::size_t(p.targets[n]);
        a.log_probs[std::size_t(n)] = scores[right] - std::log(sum);
        for (std::size_t c = 0; c < scores.size(); ++c) {
            const double d = double(p.scale) * (std::exp(scores[c]) / sum - (c == right));
            if (Index(c) == p.classes) {
                a.own[std::size_t(n)] = d;
                continue;
            }
            const Index row = p.chosen == nullptr ? Index(c) : p.chosen[c];
            a.dbias[c] += d;
            for (Index k = 0; k < p.size; ++k) {
                a.dh[std::size_t(n * p.size + k)] += d * double(p.weight[row * p.size + k]);
                a.dweight[std::size_t(row * p.size + k)] += d * double(p.h[n * p.size + k]);
            }
        }
    }
    return a;
}

template <class T>
void near(const std::vector<T>& found, const std::vector<double>& wanted, double most, const char* what) {
    double far = 0;
    for (std::size_t n = 0; n < found.size(); ++n) far = std::max(far, std::abs(double(found[n]) - wanted[n]));
    expect(far <= most, what, far);
}

template <class T>
void check(std::mt19937& random, double most) {
    const auto up_to = [&random](unsigned n) { return Index(1 + random() % n); };
    const Index rows = up_to(90), size = up_to(70), classes = up_to(300);
    const bool sampled = random() % 2, learns = random() % 4 > 0;
    std::uniform_real_distribution<double> uniform(-1, 1);
    const auto numbers = [&](Index count) {
        std::vector<T> made;
        for (Index n = 0; n < count; ++n) made.push_back(T(uniform(random)));
        return made;
    };
    const std::vector<T> h = numbers(rows * size), weight = numbers(classes * size);
    std::vector<Index> chosen;
    for (Index c = 0; c < classes; ++c)
        if (random() % 3 == 0) chosen.push_back(c);
    if (chosen.empty()) chosen.push_back(classes - 1);
    ProjectionProblem<T> p{};
    p.rows = rows, p.size = size, p.classes = sampled ? Index(chosen.size()) : classes;
    const std::vector<T> bias = numbers(p.classes);
    std::vector<std::int32_t> targets;
    for (Index n = 0; n < rows; ++n) {
        const bool none = random() % 9 == 0, apart = sampled && random() % 3 == 0;
        targets.push_back(none ? -1 : apart ? ProjectionProblem<T>::kApart : std::int32_t(random() % p.classes));
    }
    p.h = h.data(), p.weight = weight.data(), p.bias = random() % 4 ? bias.data() : nullptr;
    p.targets = targets.data(), p.chosen = sampled ? chosen.data() : nullptr;
    p.scale = T(0.7);
    const std::vector<T> scores = numbers(rows);
    std::vector<T> own = scores;
    p.own = sampled ? own.data() : nullptr;
    const Answer wanted = plainly(p, classes);
    std::vector<T> first;
    for (const int threads : {1, 3}) {
        own = scores;
        std::vector<T> log_probs(static_cast<std::size_t>(rows)), dh(h.size()), dweight(weight.size()), dbias(bias.size());
        p.log_probs = log_probs.data();
        if (learns) p.dh = dh.data(), p.dweight = dweight.data(), p.dbias = dbias.data();
        Projection<T>().run(p, threads);
        near(log_probs, wanted.log_probs, most, "log P");
        if (!learns) continue;
        near(dh, wanted.dh, most, "gradient of h");
        near(dweight, wanted.dweight, most, "gradient of the weights");
        near(dbias, wanted.dbias, most, "gradient of the bias");
        for (Index n = 0; n < rows && sampled; ++n)
            if (targets[std::size_t(n)] == ProjectionProblem<T>::kApart)
                expect(std::abs(double(own[std::size_t(n)]) - wanted.own[std::size_t(n)]) <= most, "own score", double(n));
        if (threads == 1) first = dweight;
        expect(first == dweight, "threads change the bits", threads);
    }
}

}  // namespace

int main(int count, char** given) {
    const int problems = count > 1 ? std::atoi(given[1]) : 100;
    std::mt19937 random(1);
    for (int n = 0; n < problems; ++n) check<float>(random, 2e-4), check<double>(random, 1e-11);
    std::printf("%d problems, %d failures\n", 2 * problems, failures);
    return failures > 0;
}
