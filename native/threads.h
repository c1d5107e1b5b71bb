// A loop over items, shared among threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "crew.h"

namespace timesteps {

/// Memory that a part should move, a good half of a millisecond's work: less is not worth waking a second thread.
constexpr std::int64_t kPartBytes = 2 << 20;

/// Calls work(first, last) on parts of 0 … count by about `threads` threads; an item moves about so many bytes.
/// What `work` does for an item must not depend on the part it falls in: then the threads cannot change any bit.
template <class Work>
void parallel(std::int64_t count, std::int64_t bytes, int threads, Work work) {
    const std::int64_t parts = std::clamp<std::int64_t>(count * bytes / kPartBytes, 1, std::max(threads, 1) * 4);
    if (threads <= 1 || parts == 1) return work(0, count);
    const auto part = [&](std::int64_t number) { work(count * number / parts, count * (number + 1) / parts); };
    do_stages({{parts, part}}, static_cast<int>(std::min<std::int64_t>(threads, parts)), threads);
}

}  // namespace timesteps
