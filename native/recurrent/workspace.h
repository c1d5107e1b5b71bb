// Memory that calls borrow: kept for the next call, so that a training step touches no fresh pages, and bounded.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace timesteps {

/// A block of memory, aligned to cache lines, given back when it goes.
class Workspace {
public:
    explicit Workspace(std::int64_t bytes) : block_(take(static_cast<std::size_t>(bytes))) {}
    ~Workspace() { give(block_); }
    Workspace(const Workspace&) = delete;
    Workspace& operator=(const Workspace&) = delete;
    Workspace(Workspace&& other) noexcept : block_(std::exchange(other.block_, {})) {}
    Workspace& operator=(Workspace&&) = delete;

    template <class T = char>
    T* as() const {
        return reinterpret_cast<T*>(block_.data);
    }

private:
    struct Block {
        char* data = nullptr;
        std::size_t bytes = 0;
    };

    static constexpr std::size_t kMost = std::size_t{256} << 20, kBlocks = 16;  // what is kept while nobody needs it

    struct Pool {
        std::mutex mutex;
        std::vector<Block> blocks;
        std::size_t bytes = 0;
    };

    static Pool& pool() {
        static Pool& pool = *new Pool;  // outlives every thread that may still give something back
        return pool;
    }

    /// Sizes in steps of a quarter of a power of two: batches of similar lengths share blocks.
    static std::size_t rounded(std::size_t bytes) {
        std::size_t step = 4096;
        while (step * 8 < bytes) step *= 2;
        return (bytes + step - 1) / step * step + (bytes == 0 ? step : 0);
    }

    static Block take(std::size_t bytes) {
        bytes = rounded(bytes);
        {
            Pool& kept = pool();
            const std::scoped_lock lock(kept.mutex);
            std::size_t best = kept.blocks.size();
            for (std::size_t n = 0; n < kept.blocks.size(); ++n) {
                const std::size_t size = kept.blocks[n].bytes;
                if (size >= bytes && size <= 2 * bytes &&
                    (best == kept.blocks.size() || size < kept.blocks[best].bytes))
                    best = n;
            }
            if (best < kept.blocks.size()) {
                const Block block = kept.blocks[best];
                kept.blocks.erase(kept.blocks.begin() + static_cast<std::ptrdiff_t>(best));
                kept.bytes -= block.bytes;
                return block;
            }
        }
        char* data = static_cast<char*>(std::aligned_alloc(4096, bytes));
        if (data == nullptr) throw std::bad_alloc();
        return {data, bytes};
    }

    static void give(Block block) {
        if (block.data == nullptr) return;
        Pool& kept = pool();
        std::vector<Block> dropped;
        {
            const std::scoped_lock lock(kept.mutex);
            kept.blocks.push_back(block);
            kept.bytes += block.bytes;
            while (kept.bytes > kMost || kept.blocks.size() > kBlocks) {  // the longest unused goes first
                kept.bytes -= kept.blocks.front().bytes;
                dropped.push_back(kept.blocks.front());
                kept.blocks.erase(kept.blocks.begin());
            }
        }
        for (const Block& old : dropped) std::free(old.data);
    }

    Block block_;
};

}  // namespace timesteps
