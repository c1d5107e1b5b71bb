// The recurrent kernels without Python: for the sanitizers and for emulators of other processors.
//     make sanitize        with the address, undefined-behaviour and thread sanitizers
//     make neon            cross-compiled for AArch64, run by qemu-user
// Random problems of every cell; results in float against double, slopes against gradients, one thread against several,
// what is kept against what is recomputed.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#include "../recurrent/run.h"

using namespace timesteps;

namespace {

constexpr int kGates[kCellKinds] = {1, 4, 3, 3, 4, 2, 2, 3};
const char* const kNames[kCellKinds] = {"elman",           "lstm",   "gru",    "gru, reset before",
                                        "lstm, projected", "linear", "mingru", "minlstm"};

int failures = 0;

void expect(bool holds, const char* what, CellKind kind, double found) {
    if (holds) return;
    std::printf("%s: %s (%g)\n", kNames[kind], what, found);
    ++failures;
}

/// A problem with numbers of its own; every array has exactly the size it must have, so that a step outside is seen.
template <class T>
struct Case {
    CellKind kind;
    std::int64_t B, S, I, H, P, option;
    bool ragged, resets, dropout, reverse, norm, peephole;
    double zone_h = 0, zone_c = 0;
    std::vector<std::int64_t> counts, order, keys;
    std::unique_ptr<bool[]> starts;
    std::vector<T> x, h0, c0, fresh_h, fresh_c, mask, w_ih, w_hh, b_ih, b_hh, w_hr, y, hn, cn, saved;
    std::vector<T> norm_ih, norm_hh, norm_c, norm_c_bias, w_ch, dnorm_ih, dnorm_hh, dnorm_c, dnorm_c_bias, dw_ch;
    std::vector<T> dy, dhn, dcn, dx, dh0, dc0, dfresh_h, dfresh_c, dw_ih, dw_hh, db_ih, db_hh, dw_hr;

    explicit Case(unsigned seed) {
        std::mt19937 random(seed);
        const auto below = [&](unsigned n) { return static_cast<std::int64_t>(random() % n); };
        const auto fill = [&](std::vector<T>& numbers, std::int64_t size) {
            numbers.resize(size);
            for (T& number : numbers) number = static_cast<T>(static_cast<float>(below(20001) - 10000) / 8000.0f);
        };
        kind = static_cast<CellKind>(below(kCellKinds));
        B = 1 + below(40), S = 1 + below(9), I = 1 + below(40), H = 1 + below(80);
        if (seed % 3 == 0) B = 1 + below(kFewRows), S += below(40), H += 90;  // enough work for a cut by hidden units
        if (seed % 6 == 1) B += 20, S += 30, H += 60;                                 // … and for one by rows
        option = below(kind == kElman ? 3 : 1);
        P = kind == kLstmProjected ? 1 + below(static_cast<unsigned>(H)) : H;
        if (kind == kLinear) I = 2 * H;  // x is the input side itself: a, b
        const bool cells = kind == kLstm || kind == kLstmProjected, linear = kind >= kLinear;
        norm = !linear && below(3) == 0, peephole = cells && below(3) == 0;
        if (!linear && below(3) == 0) zone_h = 0.3, zone_c = cells ? 0.2 : 0;
        const bool masks = below(2);
        ragged = below(2), resets = below(2), dropout = below(2), reverse = below(2);
        if (seed % 6 == 0) resets = dropout = false;
        const std::int64_t rows = kGates[kind] * H;
        for (auto* numbers : {&h0, &fresh_h, &dhn}) fill(*numbers, B * P);
        for (auto* numbers : {&c0, &fresh_c, &dcn}) fill(*numbers, B * H);
        fill(x, B * S * I), fill(dy, B * S * P), fill(w_hr, P * H);
        for (T& weight : w_hr) weight /= std::sqrt(static_cast<float>(H));
        fill(w_ih, rows * I), fill(w_hh, rows * P), fill(b_ih, rows), fill(b_hh, rows);
        for (T& weight : w_ih) weight /= std::sqrt(static_cast<float>(I));
        for (T& weight : w_hh) weight /= std::sqrt(static_cast<float>(H));
        starts = std::make_unique<bool[]>(B * S);
        mask.resize(B * P);
        for (auto* numbers : {&norm_ih, &norm_hh}) fill(*numbers, rows);
        for (auto* numbers : {&norm_c, &norm_c_bias}) fill(*numbers, cells ? H : 0);
        fill(w_ch, cells ? 3 * H : 0);
        if (masks)
            for (std::int64_t b = 0; b < B; ++b) keys.push_back(static_cast<std::int64_t>(random() * 0x9E3779B97F4Aull));
        for (T& factor : mask) factor = static_cast<T>(2 * below(2));
        for (std::int64_t n = 0; n < B * S; ++n) starts[n] = below(4) == 0;
        for (std::int64_t b = 0; b < B; ++b) {
            counts.push_back(ragged ? below(static_cast<unsigned>(S) + 1) : S);
            const std::int64_t first = below(static_cast<unsigned>(S));
            for (std::int64_t t = 0; t < S; ++t) order.push_back((first + t) % S);
        }
    }

    bool regularised() const { return norm || peephole || zone_h > 0; }

    Problem<T> problem() {
        const bool weights = kind != kLinear, recurrent = kind < kLinear;
        const std::int64_t rows = kGates[kind] * H, cells = kind == kLstm || kind == kLstmProjected ? B * H : 0;
        y.assign(B * S * P, 0), hn.assign(B * P, 0), cn.assign(cells, 0);
        dx.assign(B * S * I, 0), dh0.assign(B * P, 0), dc0.assign(cells, 0);
        dfresh_h.assign(B * P, 0), dfresh_c.assign(cells, 0);
        dw_ih.assign(weights ? rows * I : 0, 0), db_ih.assign(weights ? rows : 0, 0);
        dw_hh.assign(recurrent ? rows * P : 0, 0), db_hh.assign(recurrent ? rows : 0, 0), dw_hr.assign(P * H, 0);
        dnorm_ih.assign(rows, 0), dnorm_hh.assign(rows, 0), dnorm_c.assign(norm_c.size(), 0);
        dnorm_c_bias.assign(norm_c.size(), 0), dw_ch.assign(w_ch.size(), 0);
        Problem<T> p{};
        p.batch = B, p.steps = S, p.input_size = I, p.hidden_size = H, p.output_size = P, p.option = option;
        p.direction = reverse ? -1 : 1;
        p.order = ragged && reverse ? order.data() : nullptr;
        p.x = {x.data(), S * I, I}, p.y = {y.data(), S * P, P};
        p.h0 = h0.data(), p.c0 = c0.data(), p.fresh_h = fresh_h.data(), p.fresh_c = fresh_c.data();
        p.mask = dropout && recurrent ? mask.data() : nullptr;
        p.starts = resets ? starts.get() : nullptr, p.starts_stride = S;
        if (weights) p.w_ih = w_ih.data(), p.b_ih = b_ih.data(), p.dw_ih = dw_ih.data(), p.db_ih = db_ih.data();
        if (recurrent) p.w_hh = w_hh.data(), p.b_hh = b_hh.data(), p.dw_hh = dw_hh.data(), p.db_hh = db_hh.data();
        if (kind == kLstmProjected) p.w_hr = w_hr.data(), p.dw_hr = dw_hr.data();
        if (norm) {
            p.norm_ih = norm_ih.data(), p.norm_hh = norm_hh.data();
            p.dnorm_ih = dnorm_ih.data(), p.dnorm_hh = dnorm_hh.data();
        }
        if (norm && !norm_c.empty()) {
            p.norm_c = norm_c.data(), p.norm_c_bias = norm_c_bias.data();
            p.dnorm_c = dnorm_c.data(), p.dnorm_c_bias = dnorm_c_bias.data();
        }
        if (peephole) p.w_ch = w_ch.data(), p.dw_ch = dw_ch.data();
        const std::int64_t* some = keys.empty() ? nullptr : keys.data();
        p.zone_h = {zone_h, some, 6, nullptr}, p.zone_c = {zone_c, some, 8, nullptr};
        p.hn = hn.data(), p.cn = cn.data();
        p.dy = {dy.data(), S * P, P}, p.dhn = dhn.data(), p.dcn = dcn.data(), p.dx = {dx.data(), S * I, I};
        p.dh0 = dh0.data(), p.dc0 = dc0.data(), p.dfresh_h = dfresh_h.data(), p.dfresh_c = dfresh_c.data();
        return p;
    }

    void run(int threads, bool backward, std::int64_t every = 0) {
        Problem<T> p = problem();
        {
            const Plan<T> plan(kind, p, counts.data(), 0);
            saved.assign(every > 0 ? (S - 1) / every * B * H : plan.kept_numbers(), 0);
        }
        run_forward(kind, p, counts.data(), backward ? saved.data() : nullptr, threads, every);
        if (!backward) return;
        Problem<T> again = p;
        run_backward(kind, again, counts.data(), saved.data(), threads, every);
    }

    /// The number whose gradients backward gives.
    double loss() {
        run(1, false);
        double sum = 0;
        for (std::size_t n = 0; n < y.size(); ++n) sum += y[n] * dy[n];
        for (std::size_t n = 0; n < hn.size(); ++n) sum += hn[n] * dhn[n];
        for (std::size_t n = 0; n < cn.size(); ++n) sum += cn[n] * dcn[n];
        return sum;
    }

    std::vector<std::vector<T>*> results() {
        return {&y, &hn, &cn, &dx, &dh0, &dc0, &dfresh_h, &dfresh_c, &dw_ih, &dw_hh, &db_ih, &db_hh, &dw_hr,
                &dnorm_ih, &dnorm_hh, &dnorm_c, &dnorm_c_bias, &dw_ch};
    }

    std::vector<T> all() {
        std::vector<T> numbers;
        for (const auto* part : results()) numbers.insert(numbers.end(), part->begin(), part->end());
        return numbers;
    }
};

void check(unsigned seed) {
    Case<float> in_float(seed);
    Case<double> in_double(seed);
    in_float.run(1, true);
    const std::vector<float> one = in_float.all();
    for (const int threads : {1, 2, 3, 4, 7})
        for (const std::int64_t every : {0u, 1 + seed % 4}) {
            if (every > 0 && in_float.regularised()) continue;  // which keeps all
            in_float.run(threads, true, every);
            expect(one == in_float.all(), every > 0 ? "recomputing gives other bits" : "threads give other bits",
                   in_float.kind, threads);
        }
    in_double.run(1, true);
    const std::vector<double> exact = in_double.all();
    double worst = 0;
    for (std::size_t n = 0; n < exact.size(); ++n)
        worst = std::max(worst, std::abs(one[n] - exact[n]) / (1 + std::abs(exact[n])));
    expect(worst < 1e-3, "float is far from double", in_float.kind, worst);
    if (in_double.kind == kElman && in_double.option == 1) return;  // relu has corners

    const std::vector<std::pair<std::vector<double>*, std::vector<double>>> slopes = {
        {&in_double.x, in_double.dx},
        {&in_double.h0, in_double.dh0},
        {&in_double.fresh_h, in_double.dfresh_h},
        {&in_double.c0, in_double.dc0},
        {&in_double.fresh_c, in_double.dfresh_c},
        {&in_double.w_ih, in_double.dw_ih},
        {&in_double.w_hh, in_double.dw_hh},
        {&in_double.b_ih, in_double.db_ih},
        {&in_double.b_hh, in_double.db_hh},
        {&in_double.norm_ih, in_double.dnorm_ih},
        {&in_double.norm_hh, in_double.dnorm_hh},
        {&in_double.norm_c, in_double.dnorm_c},
        {&in_double.norm_c_bias, in_double.dnorm_c_bias},
        {&in_double.w_ch, in_double.dw_ch},
        {&in_double.w_hr, in_double.kind == kLstmProjected ? in_double.dw_hr : std::vector<double>{}}};
    for (const auto& [numbers, gradient] : slopes) {
        if (gradient.empty()) continue;
        const std::size_t n = seed * 7919u % gradient.size();
        const double kept = (*numbers)[n], step = 1e-5;
        (*numbers)[n] = kept + step;
        const double above = in_double.loss();
        (*numbers)[n] = kept - step;
        const double slope = (above - in_double.loss()) / (2 * step);
        (*numbers)[n] = kept;
        expect(std::abs(slope - gradient[n]) < 1e-4 * (1 + std::abs(slope)), "a gradient is not the slope",
               in_double.kind, slope - gradient[n]);
    }
}

}  // namespace

int main(int count, char** arguments) {
    const unsigned cases = count > 1 ? static_cast<unsigned>(std::atoi(arguments[1])) : 200;
    Crowd::heed(false);
    int seen[kCellKinds][2] = {};
    for (unsigned seed = 0; seed < cases; ++seed) {
        check(seed);
        const Case<float> drawn(seed);
        ++seen[drawn.kind][drawn.regularised()];
    }
    if (cases >= 200)
        for (int kind = 0; kind < kCellKinds; ++kind) {
            expect(seen[kind][0] > 0, "no plain case", static_cast<CellKind>(kind), 0);
            expect(kind >= kLinear || seen[kind][1] > 0, "no regularised case", static_cast<CellKind>(kind), 0);
        }
    std::printf("%u cases with %s instructions, %d failures\n", cases, target_name(), failures);
    return failures == 0 ? 0 : 1;
}
