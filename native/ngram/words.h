// Words by number, in the order in which they first came, and how often each occurs.
#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace timesteps {

/// Mixes two numbers into one, all bits of which depend on all bits of both.
inline std::uint64_t mixed(std::uint64_t a, std::uint64_t b) {
    const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

inline std::uint64_t word_hash(std::string_view word) {
    std::uint64_t state = 0x9e3779b97f4a7c15u ^ word.size();
    const char* at = word.data();
    std::size_t left = word.size();
    for (; left >= 8; at += 8, left -= 8) {
        std::uint64_t eight;
        std::memcpy(&eight, at, 8);
        state = mixed(state ^ eight, 0xd6e8feb86659fd93u);
    }
    std::uint64_t rest = 0;
    std::memcpy(&rest, at, left);
    return mixed(state ^ rest, 0xa0761d6478bd642fu);
}

class Words {
public:
    static constexpr std::uint32_t kNone = 0xffffffffu;

    Words() : slots_(1024, Slot{0, kNone}) {}

    std::uint32_t size() const { return static_cast<std::uint32_t>(starts_.size() - 1); }

    std::string_view operator[](std::uint32_t number) const {
        return std::string_view(text_).substr(starts_[number], starts_[number + 1] - starts_[number]);
    }

    /// The word's number; `kNone` where there is none.
    std::uint32_t find(std::string_view word) const { return slots_[place(word, word_hash(word))].number; }

    /// The word's number, a new one where it had none.
    std::uint32_t number(std::string_view word) {
        const std::uint64_t hash = word_hash(word);
        std::size_t at = place(word, hash);
        if (slots_[at].number != kNone) return slots_[at].number;
        if (size() >= kNone - 8) throw std::length_error("more words than can be numbered");
        if (starts_.size() * 2 > slots_.size()) {
            grow();
            at = place(word, hash);
        }
        slots_[at] = {static_cast<std::uint32_t>(hash >> 32), size()};
        text_.append(word);
        starts_.push_back(text_.size());
        return slots_[at].number;
    }

private:
    struct Slot {
        std::uint32_t mark, number;
    };

    std::size_t place(std::string_view word, std::uint64_t hash) const {
        const auto mark = static_cast<std::uint32_t>(hash >> 32);
        for (std::size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
            const Slot& slot = slots_[at];
            if (slot.number == kNone || (slot.mark == mark && (*this)[slot.number] == word)) return at;
        }
    }

    void grow() {
        slots_.assign(slots_.size() * 2, Slot{0, kNone});
        for (std::uint32_t number = 0; number < size(); ++number) {
            const std::uint64_t hash = word_hash((*this)[number]);
            std::size_t at = hash & (slots_.size() - 1);
            while (slots_[at].number != kNone) at = (at + 1) & (slots_.size() - 1);
            slots_[at] = {static_cast<std::uint32_t>(hash >> 32), number};
        }
    }

    std::string text_;
    std::vector<std::size_t> starts_{0};
    std::vector<Slot> slots_;
};

/// Bytes of white space that a place begins with, as Python's str.split() sees it; 0 where there is none.
inline std::size_t white(const char* at, const char* end) {
    const auto first = static_cast<unsigned char>(*at);
    if (first <= 0x20) return first == 0x20 || (first >= 0x09 && first <= 0x0d) || (first >= 0x1c && first <= 0x1f);
    if (first < 0xc2 || first > 0xe3) return 0;
    const auto second = static_cast<unsigned char>(end - at > 1 ? at[1] : 0);
    if (first == 0xc2) return second == 0x85 || second == 0xa0 ? 2 : 0;
    const auto third = static_cast<unsigned char>(end - at > 2 ? at[2] : 0);
    if (first == 0xe1) return second == 0x9a && third == 0x80 ? 3 : 0;
    if (first == 0xe3) return second == 0x80 && third == 0x80 ? 3 : 0;
    if (first != 0xe2) return 0;
    if (second == 0x81) return third == 0x9f ? 3 : 0;
    if (second != 0x80) return 0;
    return third >= 0x80 && (third <= 0x8a || third == 0xa8 || third == 0xa9 || third == 0xaf) ? 3 : 0;
}

/// Calls each(word) for the words of a text, which white space separates, or NUL where `nul` says so.
template <class Each>
void each_word(std::string_view text, bool nul, Each each) {
    const char *at = text.data(), *end = at + text.size(), *begin = at;
    while (at < end) {
        const std::size_t gap = nul ? *at == '\0' : white(at, end);
        if (gap == 0) {
            ++at;
            continue;
        }
        if (at > begin) each(std::string_view(begin, static_cast<std::size_t>(at - begin)));
        at += gap;
        begin = at;
    }
    if (at > begin) each(std::string_view(begin, static_cast<std::size_t>(at - begin)));
}

}  // namespace timesteps
