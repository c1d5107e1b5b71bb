// The n-grams of one order in a table that is looked up by an n-gram's parent and its first word.
//
// An entry is four 32-bit numbers: the parent (its slot in the table of the order before; a word, where that is 1), the
// first word, the logarithm of the probability and of the back-off weight; the highest order has no weights and three
// numbers. An empty slot has the word 0xffffffff. So an n-gram is found, exactly, by one place in memory an order,
// beginning with its last word. The definition in plain Python is src/timesteps/runtime/language/ngram_table.py.
#pragma once

#include <bit>
#include <cstdint>

#include "words.h"

namespace timesteps {

constexpr std::uint32_t kEmpty = 0xffffffffu;

struct Table {
    std::uint32_t* entries;
    std::uint64_t slots;
    std::uint32_t width;  // 4, or 3 in the highest order

    /// The slot where looking for an n-gram begins.
    std::uint64_t home(std::uint32_t parent, std::uint32_t word) const {
        const std::uint64_t key = static_cast<std::uint64_t>(parent) << 32 | word;
        const std::uint64_t hash = mixed(key ^ 0x9e3779b97f4a7c15u, 0xd6e8feb86659fd93u);
        return static_cast<std::uint64_t>(static_cast<unsigned __int128>(hash) * slots >> 64);
    }

    const std::uint32_t* entry(std::uint64_t slot) const { return entries + slot * width; }

    /// The entry; null where there is none, or where a damaged table has no empty slot.
    const std::uint32_t* find(std::uint32_t parent, std::uint32_t word) const {
        return find(parent, word, entry(home(parent, word)));
    }

    /// The same, `at` being the entry where looking begins.
    const std::uint32_t* find(std::uint32_t parent, std::uint32_t word, const std::uint32_t* at) const {
        const std::uint32_t* const end = entries + slots * width;
        for (std::uint64_t tried = 0; tried < slots; ++tried) {
            if (at[1] == word && at[0] == parent) return at;
            if (at[1] == kEmpty) return nullptr;
            at += width;
            if (at == end) at = entries;
        }
        return nullptr;
    }

    std::uint32_t slot(const std::uint32_t* entry) const { return static_cast<std::uint32_t>((entry - entries) / width); }

    /// Puts an n-gram into a table with room; its slot, or `kEmpty` where it was there before and stays as it was.
    std::uint32_t insert(std::uint32_t parent, std::uint32_t word, float probability, float backoff) {
        std::uint64_t slot = home(parent, word);
        while (entries[slot * width + 1] != kEmpty) {
            if (entries[slot * width] == parent && entries[slot * width + 1] == word) return kEmpty;
            slot = slot + 1 == slots ? 0 : slot + 1;
        }
        std::uint32_t* at = entries + slot * width;
        at[0] = parent, at[1] = word, at[2] = std::bit_cast<std::uint32_t>(probability);
        if (width > 3) at[3] = std::bit_cast<std::uint32_t>(backoff);
        return static_cast<std::uint32_t>(slot);
    }
};

}  // namespace timesteps
