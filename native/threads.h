// The only threads: helpers that wait for work, and never make anyone wait.
//
// Work is cut into parts, and whoever is free takes the next one, the caller too, who waits only for parts that a
// helper has begun. Where no helper finds a core, the caller does it all.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

namespace timesteps {

/// A piece of work, cut into parts.
class Job {
public:
    Job(std::function<void(std::int64_t)> part, std::int64_t parts) : part_(std::move(part)), parts_(parts) {}

    /// Does parts until none is left. A helper that comes late finds none and touches nothing else.
    void help() {
        for (std::int64_t number; (number = next_.fetch_add(1)) < parts_;) {
            try {
                part_(number);
            } catch (...) {
                const std::scoped_lock lock(mutex_);
                error_ = std::current_exception();
            }
            if (done_.fetch_add(1) + 1 == parts_) done_.notify_all();
        }
    }

    /// Returns when all parts are done; throws what one of them threw.
    void wait() {
        for (std::int64_t done; (done = done_.load()) < parts_;) done_.wait(done);
        if (error_) std::rethrow_exception(error_);
    }

private:
    std::function<void(std::int64_t)> part_;
    std::int64_t parts_;
    std::atomic<std::int64_t> next_{0}, done_{0};
    std::mutex mutex_;
    std::exception_ptr error_;
};

/// Threads that help with the newest job.
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

    void offer(const std::shared_ptr<Job>& job, int wanted) {
        const std::scoped_lock lock(mutex_);
        for (; count_ < wanted; ++count_) std::thread([this] { run(); }).detach();
        job_ = job;
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
            std::shared_ptr<Job> job;
            {
                std::unique_lock lock(mutex_);
                changed_.wait(lock, [&] { return offers_ != seen; });
                seen = offers_;
                job = job_;
            }
            job->help();
        }
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::shared_ptr<Job> job_;
    std::int64_t offers_ = 0;
    int count_ = 0;
};

/// Memory that a part should move, a good half of a millisecond's work: less is not worth waking a second thread, which
/// may have to share its core with a thread of PyTorch's that still spins.
constexpr std::int64_t kPartBytes = 8 << 20;

/// Calls work(first, last) on parts of 0 … count by about `threads` threads; an item moves about so many bytes.
/// What `work` does for an item must not depend on the part it falls in: then the threads cannot change any bit.
template <class Work>
void parallel(std::int64_t count, std::int64_t bytes, int threads, Work work) {
    const std::int64_t parts = std::clamp<std::int64_t>(count * bytes / kPartBytes, 1, std::max(threads, 1) * 4);
    if (threads <= 1 || parts == 1) return work(0, count);
    const auto part = [&](std::int64_t number) { work(count * number / parts, count * (number + 1) / parts); };
    const auto job = std::make_shared<Job>(part, parts);
    Helpers::here().offer(job, static_cast<int>(std::min<std::int64_t>(threads, parts)) - 1);
    job->help();
    job->wait();
}

}  // namespace timesteps
