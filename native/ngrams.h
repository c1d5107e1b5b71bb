// N-gram features of units: their hashes, how often they occur in a corpus, and their ids.
//
// The definition of a feature, in plain Python, is src/timesteps/runtime/text/ngrams.py; this does the same faster.
// A unit is UTF-8; surrogates may occur as three bytes each. Nothing here knows Python.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include "hashes.h"

namespace timesteps {

constexpr std::uint64_t kHashOffset = 0xcbf29ce484222325u, kHashPrime = 0x100000001b3u;  // 64-bit FNV-1a
constexpr char kBefore = '\x02', kBehind = '\x03', kJoint = '\x1f', kPiece = '\x1e';

constexpr std::uint64_t hash(std::string_view bytes, std::uint64_t state = kHashOffset) {
    for (const char byte : bytes) state = (state ^ static_cast<std::uint8_t>(byte)) * kHashPrime;
    return state;
}

/// Which n-grams to take. A range whose largest n is below its smallest is empty.
struct Families {
    bool word;
    int syllable_smallest, syllable_largest, jamo_smallest, jamo_largest;
};

/// Units that lie end to end in one piece of UTF-8, given by their numbers of code points.
class Units {
public:
    Units(std::string_view bytes, std::span<const std::int64_t> lengths) : bytes_(bytes) {
        starts_.reserve(lengths.size() + 1);
        std::size_t place = 0;
        for (const std::int64_t length : lengths) {
            starts_.push_back(place);
            for (std::int64_t code = 0; code < length; ++code) place = next(place);
        }
        starts_.push_back(place);
        if (place != bytes.size()) throw std::invalid_argument("lengths of units do not add up to their text");
    }

    std::size_t size() const { return starts_.size() - 1; }

    std::string_view operator[](std::size_t unit) const {
        return bytes_.substr(starts_[unit], starts_[unit + 1] - starts_[unit]);
    }

    std::string_view at(std::int64_t unit) const {
        if (unit < 0 || static_cast<std::size_t>(unit) >= size()) throw std::out_of_range("a step has no unit");
        return (*this)[static_cast<std::size_t>(unit)];
    }

private:
    std::size_t next(std::size_t place) const {
        if (place >= bytes_.size()) throw std::invalid_argument("lengths of units exceed their text");
        do {
            ++place;
        } while (place < bytes_.size() && (bytes_[place] & 0xc0) == 0x80);
        return place;
    }

    std::string_view bytes_;
    std::vector<std::size_t> starts_;
};

/// The hashes of a unit's features. Keeps its buffers from unit to unit.
class UnitFeatures {
public:
    explicit UnitFeatures(const Families& families) : families_(families) {}

    /// Distinct and ascending; valid until the next call.
    std::span<const std::uint64_t> operator()(std::string_view unit) {
        hashes_.clear();
        const Piece piece = read_piece(unit);
        unit = unit.substr(0, piece.size);
        if (families_.word) hashes_.push_back(hash(unit, hash("w")));
        if (families_.syllable_largest >= families_.syllable_smallest) {
            mark(unit, false);
            take('s', families_.syllable_smallest, families_.syllable_largest, piece);
        }
        if (families_.jamo_largest >= families_.jamo_smallest) {
            mark(unit, true);
            take('j', families_.jamo_smallest, families_.jamo_largest, piece);
        }
        std::sort(hashes_.begin(), hashes_.end());
        hashes_.erase(std::unique(hashes_.begin(), hashes_.end()), hashes_.end());
        return hashes_;
    }

private:
    /// The part of a unit that a step stands for: code points begin … end - 1 of its first `size` bytes.
    struct Piece {
        std::size_t size, begin = 0, end = static_cast<std::size_t>(-1);
    };

    /// A unit may be followed by kPiece, begin, kPiece, end, in decimal digits.
    static Piece read_piece(std::string_view unit) {
        const std::size_t first = unit.find(kPiece);
        if (first == std::string_view::npos) return {unit.size()};
        std::size_t numbers[2] = {0, 0};
        int number = 0, digits = 0;
        for (const char byte : unit.substr(first + 1)) {
            if (byte == kPiece && number == 0 && digits > 0) {
                ++number;
                digits = 0;
            } else if (byte >= '0' && byte <= '9' && digits < 7) {
                numbers[number] = numbers[number] * 10 + static_cast<std::size_t>(byte - '0');
                ++digits;
            } else {
                return {unit.size()};
            }
        }
        const auto codes = static_cast<std::size_t>(std::count_if(unit.begin(), unit.begin() + first, begins_code));
        const bool sound = number == 1 && digits > 0 && numbers[0] < numbers[1] && numbers[1] <= codes;
        return sound ? Piece{first, numbers[0], numbers[1]} : Piece{unit.size()};
    }

    static bool begins_code(char byte) { return (byte & 0xc0) != 0x80; }

    /// The unit between its marks, its Hangul syllables taken apart if asked for, and where each code point begins.
    void mark(std::string_view unit, bool apart) {
        marked_.assign(1, kBefore);
        origins_.clear();
        for (std::size_t place = 0; place < unit.size(); ++place) {
            if (begins_code(unit[place])) origins_.push_back(marked_.size());
            const auto byte = [&](std::size_t ahead) { return static_cast<std::uint8_t>(unit[place + ahead]); };
            if (apart && byte(0) >= 0xea && byte(0) <= 0xed && place + 2 < unit.size()) {
                const int code = (byte(0) & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f);
                if (code >= 0xac00 && code <= 0xd7a3) {
                    const int syllable = code - 0xac00;
                    put_jamo(0x1100 + syllable / 588);
                    put_jamo(0x1161 + syllable / 28 % 21);
                    if (syllable % 28) put_jamo(0x11a7 + syllable % 28);
                    place += 2;
                    continue;
                }
            }
            marked_.push_back(unit[place]);
        }
        marked_.push_back(kBehind);
        starts_.clear();
        for (std::size_t place = 0; place < marked_.size(); ++place)
            if (begins_code(marked_[place])) starts_.push_back(place);
        starts_.push_back(marked_.size());
    }

    void put_jamo(int code) {
        marked_.push_back(static_cast<char>(0xe0 | code >> 12));
        marked_.push_back(static_cast<char>(0x80 | (code >> 6 & 0x3f)));
        marked_.push_back(static_cast<char>(0x80 | (code & 0x3f)));
    }

    /// The n-grams that begin in the piece. The mark before the unit is of its first piece, that behind of its last.
    void take(char family, int smallest, int largest, const Piece& piece) {
        const std::size_t codes = starts_.size() - 1;
        const auto code_of = [&](std::size_t place) {
            return static_cast<std::size_t>(std::lower_bound(starts_.begin(), starts_.end(), place) - starts_.begin());
        };
        const std::size_t from = piece.begin == 0 ? 0 : code_of(origins_[piece.begin]);
        const std::size_t to = piece.end < origins_.size() ? code_of(origins_[piece.end]) : codes;
        const std::uint64_t tagged = hash({&family, 1});
        for (std::size_t start = from; start < to; ++start) {
            const bool is_mark = start == 0 || start + 1 == codes;
            const std::size_t end = std::min(codes, start + static_cast<std::size_t>(largest));
            std::uint64_t state = tagged;
            for (std::size_t code = start; code < end; ++code) {
                state = hash({marked_.data() + starts_[code], starts_[code + 1] - starts_[code]}, state);
                const std::size_t order = code - start + 1;
                if (order >= static_cast<std::size_t>(smallest) && !(order == 1 && is_mark)) hashes_.push_back(state);
            }
        }
    }

    Families families_;
    std::vector<char> marked_;
    std::vector<std::size_t> starts_;   // where each code point of the marked text begins
    std::vector<std::size_t> origins_;  // where what became of each code point of the unit begins in it
    std::vector<std::uint64_t> hashes_;
};

/// Calls visit(step, hash) for each phrase of 2 to `order` units that ends at a step, row by row.
template <class Visit>
void each_phrase(const Units& units, std::span<const std::int32_t> steps, std::span<const std::int64_t> offsets,
                 int order, Visit visit) {
    const std::int64_t last = static_cast<std::int64_t>(steps.size());
    for (std::size_t row = 0; row + 1 < offsets.size(); ++row) {
        const std::int64_t begin = offsets[row], end = offsets[row + 1];
        if (begin < 0 || end < begin || end > last) throw std::invalid_argument("offsets of rows do not fit the steps");
        // The phrases that begin at a unit share its hash, so they are made from front to back.
        for (std::int64_t start = begin; start < end; ++start) {
            std::uint64_t state = hash(units.at(steps[start]), hash("p"));
            for (std::int64_t step = start + 1; step < std::min(end, start + order); ++step) {
                state = hash(units.at(steps[step]), hash({&kJoint, 1}, state));
                visit(step, state);
            }
        }
    }
}

/// Bags of ids: bag u is ids[offsets[u]] … ids[offsets[u + 1] - 1].
struct Bags {
    std::vector<std::int32_t> ids;
    std::vector<std::int64_t> offsets{0};
};

inline void count_units(HashCounts& counts, const Units& units, std::span<const std::int64_t> weights,
                        const Families& families) {
    if (weights.size() != units.size()) throw std::invalid_argument("a unit needs one count");
    UnitFeatures features(families);
    for (std::size_t unit = 0; unit < units.size(); ++unit) {
        if (weights[unit] < 1) throw std::invalid_argument("a count is below 1");
        const std::span<const std::uint64_t> keys = features(units[unit]);
        for (const std::uint64_t key : keys) counts.prefetch(key);
        for (const std::uint64_t key : keys) counts.add(key, weights[unit]);
    }
}

inline Bags look_up_units(const Units& units, const Families& families, std::span<const std::uint64_t> sorted) {
    const FeatureIndex index(sorted);
    UnitFeatures features(families);
    Bags bags;
    bags.offsets.reserve(units.size() + 1);
    std::vector<std::int32_t> ids;
    for (std::size_t unit = 0; unit < units.size(); ++unit) {
        index.find(features(units[unit]), ids);  // ascending hashes, and so are their ids
        for (const std::int32_t id : ids)
            if (id >= 0) bags.ids.push_back(id);
        bags.offsets.push_back(static_cast<std::int64_t>(bags.ids.size()));
    }
    return bags;
}

inline Bags look_up_phrases(const Units& units, std::span<const std::int32_t> steps,
                            std::span<const std::int64_t> offsets, int order, std::span<const std::uint64_t> sorted) {
    const FeatureIndex index(sorted);
    std::vector<std::pair<std::int64_t, std::int32_t>> found;  // step, id
    each_phrase(units, steps, offsets, order, [&](std::int64_t step, std::uint64_t key) {
        if (const std::int32_t id = index.find(key); id >= 0) found.emplace_back(step, id);
    });
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    Bags bags;
    bags.offsets.assign(steps.size() + 1, 0);
    bags.ids.reserve(found.size());
    for (const auto& [step, id] : found) {
        bags.ids.push_back(id);
        ++bags.offsets[static_cast<std::size_t>(step) + 1];
    }
    for (std::size_t step = 0; step < steps.size(); ++step) bags.offsets[step + 1] += bags.offsets[step];
    return bags;
}

}  // namespace timesteps
