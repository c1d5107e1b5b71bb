// n-grams of a corpus in suffix order, sorted run by run, so that a corpus may be larger than memory.
//
// Suffix order compares the last words first, then those before them. In it, n-grams that end alike are neighbours, and
// so the n-grams of all orders come out of one pass over those of the highest.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "column.h"

namespace timesteps {

class Runs {
public:
    /// Called with an n-gram, its last word first, and its count.
    using Each = std::function<void(const std::uint32_t* reversed, std::int64_t count)>;

    /// `words` is the size of the vocabulary, `begin` the mark before a sentence; about `memory` bytes are used.
    Runs(int order, std::uint32_t words, std::uint32_t begin, std::int64_t memory, const std::string& folder);

    /// A token of the corpus; `begin` before each sentence, which stands for as many marks as the order needs.
    void add(std::uint32_t word);

    /// All n-grams in suffix order, those that reach back behind a sentence's beginning filled up with `begin`. Once.
    void merge(const Each& each);

    std::int64_t spilled() const { return static_cast<std::int64_t>(runs_.size()); }

private:
    struct Run {
        std::int64_t offset, records;
    };

    std::size_t record_bytes() const { return 4 * static_cast<std::size_t>(order_) + 8; }
    std::span<const std::uint32_t> sorted();
    void walk(const Each& each);
    void spill();

    int order_;
    std::uint32_t words_, begin_;
    std::size_t capacity_;
    std::int64_t memory_;
    std::string folder_;
    std::vector<std::uint32_t> tokens_, places_, others_;
    std::unique_ptr<Scratch> file_;
    std::vector<Run> runs_;
    std::int64_t end_ = 0;  // of the file
};

}  // namespace timesteps
