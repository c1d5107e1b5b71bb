// Hashes of features: how often each was seen, and their ids among sorted ones.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "simd.h"

namespace timesteps {

/// How often each hash was seen: open addressing, linear probing, at most three quarters full.
class HashCounts {
public:
    HashCounts() : keys_(1 << 16), counts_(1 << 16) {}

    std::size_t size() const { return size_; }

    /// Fetches the place of a hash, for an `add` soon after.
    void prefetch(std::uint64_t key) const {
        TIMESTEPS_PREFETCH(keys_.data() + place_of(key));
        TIMESTEPS_PREFETCH(counts_.data() + place_of(key));
    }

    /// Counts stop at the largest that there is.
    void add(std::uint64_t key, std::int64_t count) {
        const std::size_t place = find(key);
        if (counts_[place] == 0) {
            keys_[place] = key;
            if (++size_ * 4 > keys_.size() * 3) {
                counts_[place] = bounded(count);
                grow();
                return;
            }
        }
        counts_[place] = bounded(counts_[place] + count);
    }

    /// Hashes seen `least` times, ascending; with `most` >= 0 the most frequent ones, of equals the smaller.
    std::vector<std::uint64_t> frequent(std::int64_t least, std::int64_t most) const {
        std::vector<std::uint64_t> keys;
        const auto each = [&](auto visit) {
            for (std::size_t place = 0; place < keys_.size(); ++place)
                if (counts_[place] > 0 && counts_[place] >= least) visit(place);
        };
        std::size_t enough = 0;
        each([&](std::size_t) { ++enough; });
        if (most < 0 || enough <= static_cast<std::size_t>(most)) {
            keys.reserve(enough);
            each([&](std::size_t place) { keys.push_back(keys_[place]); });
        } else {
            std::vector<std::pair<std::int64_t, std::uint64_t>> ranked;  // most frequent first
            ranked.reserve(enough);
            each([&](std::size_t place) { ranked.emplace_back(-std::int64_t{counts_[place]}, keys_[place]); });
            std::nth_element(ranked.begin(), ranked.begin() + most, ranked.end());
            ranked.resize(static_cast<std::size_t>(most));
            for (const auto& entry : ranked) keys.push_back(entry.second);
        }
        std::sort(keys.begin(), keys.end());
        return keys;
    }

    /// All hashes, ascending, with their counts.
    std::pair<std::vector<std::uint64_t>, std::vector<std::int64_t>> entries() const {
        std::vector<std::pair<std::uint64_t, std::uint32_t>> kept;
        kept.reserve(size_);
        for (std::size_t place = 0; place < keys_.size(); ++place)
            if (counts_[place] > 0) kept.emplace_back(keys_[place], counts_[place]);
        std::sort(kept.begin(), kept.end());
        std::pair<std::vector<std::uint64_t>, std::vector<std::int64_t>> found;
        found.first.reserve(size_);
        found.second.reserve(size_);
        for (const auto& [key, count] : kept) {
            found.first.push_back(key);
            found.second.push_back(count);
        }
        return found;
    }

private:
    static std::uint32_t bounded(std::int64_t count) {
        return static_cast<std::uint32_t>(std::min<std::int64_t>(count, UINT32_MAX));
    }

    std::size_t place_of(std::uint64_t key) const { return (key ^ key >> 32) & (keys_.size() - 1); }

    std::size_t find(std::uint64_t key) const {
        std::size_t place = place_of(key);
        while (counts_[place] != 0 && keys_[place] != key) place = (place + 1) & (keys_.size() - 1);
        return place;
    }

    void grow() {
        std::vector<std::uint64_t> keys(keys_.size() * 2);
        std::vector<std::uint32_t> counts(keys.size());
        keys.swap(keys_);
        counts.swap(counts_);
        for (std::size_t old = 0; old < keys.size(); ++old) {
            if (counts[old] == 0) continue;
            const std::size_t place = find(keys[old]);
            keys_[place] = keys[old];
            counts_[place] = counts[old];
        }
    }

    std::vector<std::uint64_t> keys_;
    std::vector<std::uint32_t> counts_;  // 0: a free place
    std::size_t size_ = 0;
};

/// Ids of hashes: positions in a sorted array, which must outlive this.
class FeatureIndex {
public:
    explicit FeatureIndex(std::span<const std::uint64_t> sorted) : sorted_(sorted) {
        if (sorted.size() > INT32_MAX) throw std::length_error("too many features");
        while (shift_ > 40 && (std::size_t{1} << (64 - shift_)) < sorted.size()) --shift_;
        first_.resize((std::size_t{1} << (64 - shift_)) + 1);
        std::size_t place = 0;
        for (std::size_t bucket = 0; bucket + 1 < first_.size(); ++bucket) {
            while (place < sorted.size() && sorted[place] >> shift_ < bucket) ++place;
            first_[bucket] = static_cast<std::uint32_t>(place);
        }
        first_.back() = static_cast<std::uint32_t>(sorted.size());
    }

    /// The ids of hashes, or -1. What they need is fetched for many at a time.
    void find(std::span<const std::uint64_t> keys, std::vector<std::int32_t>& ids) const {
        ids.resize(keys.size());
        for (std::size_t first = 0; first < keys.size(); first += kTogether) {
            const std::size_t last = std::min(keys.size(), first + kTogether);
            for (std::size_t place = first; place < last; ++place)
                TIMESTEPS_PREFETCH(first_.data() + (keys[place] >> shift_));
            for (std::size_t place = first; place < last; ++place)
                TIMESTEPS_PREFETCH(sorted_.data() + first_[keys[place] >> shift_]);
            for (std::size_t place = first; place < last; ++place) ids[place] = find(keys[place]);
        }
    }

    /// The id, or -1.
    std::int32_t find(std::uint64_t key) const {
        const std::size_t bucket = key >> shift_;
        const auto end = sorted_.begin() + static_cast<std::ptrdiff_t>(first_[bucket + 1]);
        const auto at = std::lower_bound(sorted_.begin() + static_cast<std::ptrdiff_t>(first_[bucket]), end, key);
        return at != end && *at == key ? static_cast<std::int32_t>(at - sorted_.begin()) : -1;
    }

private:
    static constexpr std::size_t kTogether = 64;

    std::span<const std::uint64_t> sorted_;
    int shift_ = 63;                  // the bits above it name a bucket; as many buckets as features, at most 2^24
    std::vector<std::uint32_t> first_;  // the first feature of each bucket
};

}  // namespace timesteps
