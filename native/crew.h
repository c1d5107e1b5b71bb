// Where threads come from: PyTorch's own pool where there is one, else helpers that wait for work.
//
// PyTorch's operators run on the threads of an OpenMP library, and those keep spinning for a while after each of them.
// Threads of our own would share their cores with them. So `nn` hands over that library's GOMP_parallel, which
// GCC's libgomp and LLVM's libomp both have, and work is done by the threads that spin.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>

#include "stages.h"

namespace timesteps {

/// Calls its function with the data on so many threads, the calling one among them, and returns when all have.
using Team = void (*)(void (*)(void*), void*, unsigned threads, unsigned flags);

/// A team lent by who imported the core. A child of a fork has the library without its threads, and must not call it.
class Loan {
public:
    static void take(Team team) {
        owner().store(getpid());
        lent().store(team);
    }

    /// Null where there is none for this process.
    static Team team() {
        const Team team = lent().load();
        return team != nullptr && owner().load() == getpid() ? team : nullptr;
    }

private:
    static std::atomic<Team>& lent() {
        static std::atomic<Team> team{nullptr};
        return team;
    }
    static std::atomic<pid_t>& owner() {
        static std::atomic<pid_t> process{0};
        return process;
    }
};

/// Threads of our own that help with the newest work.
class Helpers {
public:
    /// Those of this process. They live as long as it does, so nothing is torn down under them at its end.
    static Helpers& here() {
        static std::mutex mutex;
        static Helpers* helpers = nullptr;
        static pid_t process = 0;
        const std::scoped_lock lock(mutex);
        if (process != getpid()) {  // the first call, or the first after a fork, which leaves the threads behind
            helpers = new Helpers;
            process = getpid();
        }
        return *helpers;
    }

    void offer(const std::shared_ptr<Stages>& work, int wanted) {
        const std::scoped_lock lock(mutex_);
        for (; count_ < wanted; ++count_) std::thread([this] { run(); }).detach();
        work_ = work;
        ++offers_;
        if (wanted == 1)
            changed_.notify_one();
        else
            changed_.notify_all();
    }

private:
    void run() {
        std::int64_t seen = 0;
        for (;;) {
            std::shared_ptr<Stages> work;
            {
                std::unique_lock lock(mutex_);
                changed_.wait(lock, [&] { return offers_ != seen; });
                seen = offers_;
                work = work_;
            }
            work->help();
        }
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::shared_ptr<Stages> work_;
    std::int64_t offers_ = 0;
    int count_ = 0;
};

/// Whether something else holds the other cores. A thread that loses its core in the middle of a part, or has to be
/// woken first, keeps the others waiting, for milliseconds at times. Who has waited for most of a call does without
/// threads ten times as long: so all that waiting costs no more than a tenth.
class Crowd {
public:
    using Clock = Stages::Clock;

    static bool here() { return Clock::now().time_since_epoch().count() < until().load(std::memory_order_relaxed); }

    /// Whether it is heeded: tests want threads whatever they cost.
    static void heed(bool on) {
        heeded().store(on);
        if (!on) until().store(0);
    }

    static void note(Clock::duration took, Clock::duration waited) {
        if (waited < kWorthNoting || 2 * waited < took || !heeded().load(std::memory_order_relaxed)) return;
        until().store((Clock::now() + 10 * waited).time_since_epoch().count(), std::memory_order_relaxed);
    }

private:
    static constexpr std::chrono::microseconds kWorthNoting{100};

    static std::atomic<bool>& heeded() {
        static std::atomic<bool> heeded{true};
        return heeded;
    }
    static std::atomic<Clock::rep>& until() {
        static std::atomic<Clock::rep> until{0};
        return until;
    }
};

/// Does work in stages, on up to `workers` threads; `threads` is how many PyTorch's pool has, which had better stay:
/// another number would make it end threads, and begin them again.
inline void do_stages(std::vector<Stage> work, int workers, int threads) {
    if (workers <= 1 || Crowd::here()) {
        for (const Stage& stage : work)
            for (std::int64_t part = 0; part < stage.parts; ++part) stage.work(part);
        return;
    }
    const auto stages = std::make_shared<Stages>(std::move(work), workers);
    const auto begin = Stages::Clock::now();
    Stages::Clock::duration waited{};
    if (const Team team = Loan::team()) {
        struct Call {
            Stages* stages;
            std::thread::id leader;
            Stages::Clock::duration waited;
            Stages::Clock::time_point done;
        } call{stages.get(), std::this_thread::get_id(), {}, {}};
        // Nothing is thrown through the library: parts that throw are caught.
        const auto run = [](void* data) {
            Call& call = *static_cast<Call*>(data);
            if (std::this_thread::get_id() != call.leader) return call.stages->help();
            call.waited = call.stages->lead();
            call.done = Stages::Clock::now();
        };
        team(run, &call, static_cast<unsigned>(threads), 0);
        waited = call.waited + (Stages::Clock::now() - call.done);
    } else {
        Helpers::here().offer(stages, workers - 1);
        waited = stages->lead();
    }
    Crowd::note(Stages::Clock::now() - begin, waited);
    stages->rethrow();
}

}  // namespace timesteps
