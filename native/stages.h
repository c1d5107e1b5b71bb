// Work in stages, done by whoever is free: the parts of a stage may be done at once, a stage begins when all parts of
// the one before are done.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace timesteps {

struct Stage {
    std::int64_t parts;  // at least one
    std::function<void(std::int64_t part)> work;
};

/// Nobody waits for a thread that has not begun: a part is done by the first who asks for it. So one thread alone does
/// all the work, and others may come late, or never.
class Stages {
public:
    using Clock = std::chrono::steady_clock;

    /// At least one stage, for up to `workers` threads at once.
    Stages(std::vector<Stage> stages, int workers)
        : stages_(std::move(stages)),
          workers_(workers),
          taken_(std::ranges::max_element(stages_, {}, &Stage::parts)->parts),
          left_(stages_[0].parts) {}

    /// Does parts until all stages are done. Throws nothing, nor touches what the work needs once they are.
    void help() {
        const int worker = joined_.fetch_add(1);
        if (worker < workers_) run(worker, nullptr);
    }

    /// The same for the thread that wants the work done; returns the time it had to wait. Throws what a part threw.
    Clock::duration lead() {
        Clock::duration waited{};
        run(0, &waited);
        return waited;
    }

    void rethrow() const {
        if (error_) std::rethrow_exception(error_);
    }

private:
    std::int64_t count() const { return static_cast<std::int64_t>(stages_.size()); }

    void run(int worker, Clock::duration* waited) {
        for (std::int64_t stage; (stage = now_.load(std::memory_order_acquire)) < count();) {
            // Each begins with a part of its own, stage by stage the same: what that needs may still be in its cache.
            const std::int64_t parts = stages_[stage].parts;
            for (std::int64_t n = 0; n < parts; ++n) take(stage, (worker + n) % parts);
            if (now_.load(std::memory_order_acquire) == stage) await(stage, waited);
        }
    }

    void take(std::int64_t stage, std::int64_t part) {
        // The stage after the last one for which this part was taken. Who comes late finds a larger number.
        std::int64_t next = taken_[part].load(std::memory_order_relaxed);
        if (next > stage || !taken_[part].compare_exchange_strong(next, stage + 1, std::memory_order_relaxed)) return;
        if (!failed_.load(std::memory_order_relaxed)) {
            try {
                stages_[stage].work(part);
            } catch (...) {
                const std::scoped_lock lock(mutex_);
                error_ = std::current_exception();
                failed_ = true;
            }
        }
        if (left_.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
        if (stage + 1 < count()) left_.store(stages_[stage + 1].parts, std::memory_order_relaxed);
        now_.store(stage + 1, std::memory_order_release);
        now_.notify_all();
    }

    /// Until the stage is over: first awake, as parts are short, then asleep, as who does the last may have lost its
    /// core.
    void await(std::int64_t stage, Clock::duration* waited) const {
        const auto begin = Clock::now();
        for (int spins = 1; now_.load(std::memory_order_acquire) == stage; ++spins) {
            if (spins % 64 == 0 && Clock::now() - begin > kAwake) {
                now_.wait(stage, std::memory_order_acquire);
                break;
            }
#if defined(__x86_64__)
            __builtin_ia32_pause();
#elif defined(__aarch64__)
            asm volatile("yield");
#endif
        }
        if (waited != nullptr) *waited += Clock::now() - begin;
    }

    static constexpr std::chrono::microseconds kAwake{200};

    const std::vector<Stage> stages_;
    const int workers_;
    std::vector<std::atomic<std::int64_t>> taken_;  // by part
    alignas(64) std::atomic<std::int64_t> now_{0};
    alignas(64) std::atomic<std::int64_t> left_;
    std::atomic<int> joined_{1};  // the one who leads is 0
    std::atomic<bool> failed_{false};
    std::mutex mutex_;
    std::exception_ptr error_;
};

}  // namespace timesteps
