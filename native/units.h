// Strings by number: each distinct one once, in the order of first occurrence.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "ngrams.h"

namespace timesteps {

/// Numbers of strings: open addressing, linear probing, at most half full; the strings lie end to end.
class UnitTable {
public:
    UnitTable() { clear(); }

    std::size_t size() const { return starts_.size() - 1; }
    std::size_t bytes() const { return text_.size(); }

    void clear() {
        text_.clear();
        starts_.assign(1, 0);
        slots_.assign(1 << 12, Slot{});
    }

    /// The string's number, a new one if it was not there.
    std::int32_t number(std::string_view unit) {
        const std::uint64_t full = hash(unit);
        const auto tag = static_cast<std::uint32_t>(full >> 32);
        const std::size_t mask = slots_.size() - 1;
        std::size_t place = (full ^ full >> 29) & mask;
        for (; slots_[place].number >= 0; place = (place + 1) & mask)
            if (slots_[place].tag == tag && (*this)[slots_[place].number] == unit) return slots_[place].number;
        if (size() >= INT32_MAX) throw std::length_error("too many distinct units");
        const auto number = static_cast<std::int32_t>(size());
        slots_[place] = {tag, number};
        text_.append(unit);
        starts_.push_back(text_.size());
        if (size() * 2 > slots_.size()) grow();
        return number;
    }

    std::string_view operator[](std::size_t number) const {
        return std::string_view(text_).substr(starts_[number], starts_[number + 1] - starts_[number]);
    }

    /// The strings from a number on, end to end.
    std::string_view text(std::size_t first) const { return std::string_view(text_).substr(starts_.at(first)); }

    /// Their numbers of code points.
    std::vector<std::int64_t> lengths(std::size_t first) const {
        std::vector<std::int64_t> found;
        found.reserve(size() - first);
        for (std::size_t unit = first; unit < size(); ++unit) {
            std::int64_t codes = 0;
            for (const char byte : (*this)[unit]) codes += (byte & 0xc0) != 0x80;
            found.push_back(codes);
        }
        return found;
    }

private:
    struct Slot {
        std::uint32_t tag = 0;
        std::int32_t number = -1;
    };

    void grow() {
        slots_.assign(slots_.size() * 2, Slot{});
        const std::size_t mask = slots_.size() - 1;
        for (std::size_t unit = 0; unit < size(); ++unit) {
            const std::uint64_t full = hash((*this)[unit]);
            std::size_t place = (full ^ full >> 29) & mask;
            while (slots_[place].number >= 0) place = (place + 1) & mask;
            slots_[place] = {static_cast<std::uint32_t>(full >> 32), static_cast<std::int32_t>(unit)};
        }
    }

    std::string text_;
    std::vector<std::size_t> starts_;
    std::vector<Slot> slots_;
};

}  // namespace timesteps
