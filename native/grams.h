// N-grams of whole texts, of tokens or of characters, by the step at which they end.
//
// The definition, in plain Python, is src/timesteps/runtime/text/grams.py; this does the same faster.
#pragma once

#include "ngrams.h"

namespace timesteps {

/// Calls visit(row, slot, hash) for each n-gram of 1 to `longest` units that ends at a step, row by row; the slot is
/// step * longest + order - 1. Units are the strings of the steps, or the characters of those strings laid end to end.
class Grams {
public:
    Grams(bool characters, int longest) : characters_(characters), longest_(longest) {
        if (longest < 1) throw std::invalid_argument("the longest n-gram has no unit");
    }

    std::int64_t longest() const { return longest_; }

    template <class Visit>
    void operator()(const Units& units, std::span<const std::int32_t> steps, std::span<const std::int64_t> offsets,
                    Visit visit) {
        const std::int64_t last = static_cast<std::int64_t>(steps.size());
        for (std::size_t row = 0; row + 1 < offsets.size(); ++row) {
            const std::int64_t begin = offsets[row], end = offsets[row + 1];
            if (begin < 0 || end < begin || end > last)
                throw std::invalid_argument("offsets of rows do not fit the steps");
            lay_out(units, steps, begin, end);
            const std::uint64_t family = hash(characters_ ? "c" : "p");
            const std::size_t count = pieces_.size();
            for (std::size_t start = 0; start < count; ++start) {
                std::uint64_t state = family;
                const std::size_t stop = std::min(count, start + static_cast<std::size_t>(longest_));
                for (std::size_t piece = start; piece < stop; ++piece) {
                    if (!characters_ && piece > start) state = hash({&kJoint, 1}, state);
                    state = hash(pieces_[piece].text, state);
                    visit(row, pieces_[piece].step * longest_ + static_cast<std::int64_t>(piece - start), state);
                }
            }
        }
    }

private:
    struct Piece {
        std::string_view text;
        std::int64_t step;
    };

    void lay_out(const Units& units, std::span<const std::int32_t> steps, std::int64_t begin, std::int64_t end) {
        pieces_.clear();
        for (std::int64_t step = begin; step < end; ++step) {
            const std::string_view unit = units.at(steps[static_cast<std::size_t>(step)]);
            if (!characters_) {
                pieces_.push_back({unit, step});
                continue;
            }
            for (std::size_t place = 0; place < unit.size();) {
                std::size_t next = place + 1;
                while (next < unit.size() && (unit[next] & 0xc0) == 0x80) ++next;
                pieces_.push_back({unit.substr(place, next - place), step});
                place = next;
            }
        }
    }

    bool characters_;
    std::int64_t longest_;
    std::vector<Piece> pieces_;
};

/// Counts each n-gram once a row.
inline void count_grams(HashCounts& counts, const Units& units, std::span<const std::int32_t> steps,
                        std::span<const std::int64_t> offsets, Grams grams) {
    std::vector<std::uint64_t> found;
    std::size_t current = 0;
    const auto flush = [&] {
        std::sort(found.begin(), found.end());
        found.erase(std::unique(found.begin(), found.end()), found.end());
        for (const std::uint64_t key : found) counts.prefetch(key);
        for (const std::uint64_t key : found) counts.add(key, 1);
        found.clear();
    };
    grams(units, steps, offsets, [&](std::size_t row, std::int64_t, std::uint64_t key) {
        if (row != current) flush();
        current = row;
        found.push_back(key);
    });
    flush();
}

/// The ids of each slot's n-grams, in the order of the text; `sorted` are the known ones' hashes.
inline Bags look_up_grams(const Units& units, std::span<const std::int32_t> steps,
                          std::span<const std::int64_t> offsets, Grams grams, std::span<const std::uint64_t> sorted) {
    const FeatureIndex index(sorted);
    std::vector<std::uint64_t> keys;
    std::vector<std::int64_t> slots;  // of the keys, and then of the ids
    std::vector<std::int32_t> ids, row_ids;
    std::size_t current = 0, kept = 0;
    Bags bags;
    bags.offsets.assign(steps.size() * static_cast<std::size_t>(grams.longest()) + 1, 0);
    const auto flush = [&] {
        index.find(keys, row_ids);
        for (std::size_t place = 0; place < keys.size(); ++place) {
            if (row_ids[place] < 0) continue;
            const std::int64_t slot = slots[kept + place];
            slots[ids.size()] = slot;  // never beyond what was read
            ids.push_back(row_ids[place]);
            ++bags.offsets[static_cast<std::size_t>(slot) + 1];
        }
        slots.resize(kept = ids.size());
        keys.clear();
    };
    grams(units, steps, offsets, [&](std::size_t row, std::int64_t slot, std::uint64_t key) {
        if (row != current) flush();
        current = row;
        keys.push_back(key);
        slots.push_back(slot);
    });
    flush();
    for (std::size_t slot = 1; slot < bags.offsets.size(); ++slot) bags.offsets[slot] += bags.offsets[slot - 1];
    bags.ids.resize(ids.size());
    std::vector<std::int64_t> next(bags.offsets.begin(), bags.offsets.end() - 1);
    for (std::size_t place = 0; place < ids.size(); ++place) {
        std::int64_t& to = next[static_cast<std::size_t>(slots[place])];
        bags.ids[static_cast<std::size_t>(to++)] = ids[place];
    }
    return bags;
}

/// One bag a row, of the distinct ids of ids[ends[row]] … ids[ends[row + 1] - 1], ascending.
inline Bags distinct_ids(std::span<const std::int32_t> ids, std::span<const std::int64_t> ends) {
    Bags bags;
    std::vector<std::int32_t> row;
    for (std::size_t number = 0; number + 1 < ends.size(); ++number) {
        const std::int64_t begin = ends[number], end = ends[number + 1];
        if (begin < 0 || end < begin || end > static_cast<std::int64_t>(ids.size()))
            throw std::invalid_argument("offsets of rows do not fit the ids");
        row.assign(ids.begin() + begin, ids.begin() + end);
        std::sort(row.begin(), row.end());
        bags.ids.insert(bags.ids.end(), row.begin(), std::unique(row.begin(), row.end()));
        bags.offsets.push_back(static_cast<std::int64_t>(bags.ids.size()));
    }
    return bags;
}

}  // namespace timesteps
