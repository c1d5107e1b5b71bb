// Work in stages on threads that come late, come in other numbers than were asked for, or not at all; for the
// sanitizers.
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "../threads.h"

using namespace timesteps;

namespace {

int failures = 0;

void expect(bool holds, const char* what, const char* team) {
    if (holds) return;
    std::printf("%s: %s\n", team, what);
    ++failures;
}

/// As many threads as are asked for, some of them late.
void new_threads(void (*work)(void*), void* data, unsigned threads, unsigned) {
    std::vector<std::thread> others;
    for (unsigned n = 1; n < threads; ++n)
        others.emplace_back([=] {
            std::this_thread::sleep_for(std::chrono::microseconds(50 * (n - 1)));
            work(data);
        });
    work(data);
    for (std::thread& other : others) other.join();
}

/// As OpenMP does where it is called from one of its own threads.
void nobody_else(void (*work)(void*), void* data, unsigned, unsigned) { work(data); }

/// Each stage adds what the one before left in all its places; so one wrong order, or a part done twice, is seen.
bool adds_up(int workers, int threads) {
    constexpr std::int64_t kStages = 200, kPlaces = 5;
    std::vector<std::uint32_t> numbers(kPlaces, 1), sums(kStages + 1, 0), expected(kStages + 1, 0);
    std::vector<Stage> stages;
    for (std::int64_t n = 0; n < kStages; ++n) {
        const std::int64_t parts = 1 + n % kPlaces;
        stages.push_back({parts, [&, n](std::int64_t part) { numbers[part] += 3 * sums[n] + 1; }});
        stages.push_back({1, [&, n](std::int64_t) {
                              for (const std::uint32_t number : numbers) sums[n + 1] += number;
                          }});
    }
    do_stages(stages, workers, threads);
    std::vector<std::uint32_t> plain(kPlaces, 1);
    for (std::int64_t n = 0; n < kStages; ++n) {
        for (std::int64_t part = 0; part < 1 + n % kPlaces; ++part) plain[part] += 3 * expected[n] + 1;
        for (const std::uint32_t number : plain) expected[n + 1] += number;
    }
    return sums == expected;
}

bool throws(int workers) {
    std::int64_t later = 0;
    try {
        do_stages({{4, [](std::int64_t part) { if (part == 2) throw std::runtime_error("part 2"); }},
                   {1, [&](std::int64_t) { ++later; }}},
                  workers, workers);
    } catch (const std::runtime_error& error) {
        return error.what() == std::string("part 2") && later == 0;
    }
    return false;
}

void check(const char* team) {
    for (const int workers : {1, 2, 3, 4, 7}) {
        for (int n = 0; n < 20; ++n) expect(adds_up(workers, workers + n % 2), "a wrong sum", team);
        expect(throws(workers), "an error is lost, or what follows it is done", team);
    }
    std::vector<std::thread> callers;
    std::atomic<int> wrong{0};
    for (int n = 0; n < 3; ++n)
        callers.emplace_back([&] {
            for (int k = 0; k < 10; ++k) wrong += !adds_up(3, 3);
        });
    for (std::thread& caller : callers) caller.join();
    expect(wrong == 0, "a wrong sum with several callers", team);
    std::vector<int> done(1000, 0);
    parallel(1000, kPartBytes / 100, 3, [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t n = first; n < last; ++n) ++done[n];
    });
    expect(done == std::vector<int>(1000, 1), "an item is not done once", team);
}

void check_crowd() {
    using std::chrono::milliseconds;
    Crowd::note(milliseconds(10), milliseconds(4));
    expect(!Crowd::here(), "a short wait", "crowd");
    const auto caller = std::this_thread::get_id();
    bool alone = true;
    const std::vector<Stage> stages{{100, [&](std::int64_t) { alone = alone && std::this_thread::get_id() == caller; }}};
    Crowd::note(milliseconds(60), milliseconds(50));
    expect(Crowd::here(), "a long wait changes nothing", "crowd");
    do_stages(stages, 4, 4);
    expect(alone, "threads in a crowd", "crowd");
    std::this_thread::sleep_for(milliseconds(600));
    expect(!Crowd::here(), "it lasts for ever", "crowd");
}

}  // namespace

int main() {
    Crowd::heed(false);
    check("helpers");
    Loan::take(new_threads);
    check("new threads");
    Loan::take(nobody_else);
    check("nobody else");
    Loan::take(new_threads);
    Crowd::heed(true);
    check_crowd();
    std::printf("stages: %d failures\n", failures);
    return failures == 0 ? 0 : 1;
}
