// A corpus as numbers of words, in the order in which it came, and from there to n-grams.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "levels.h"
#include "runs.h"
#include "words.h"

namespace timesteps {

class NgramCounter {
public:
    /// About `memory` bytes are used beside the words themselves; what is more goes to files in the folder.
    NgramCounter(std::int64_t memory, const std::string& folder)
        : memory_(memory), folder_(folder), budget_(folder, memory / 2), corpus_(budget_) {}

    /// Lines of text, each a sentence and each ended; words are separated by white space, or by NUL where `nul` says
    /// so. A line without words is none.
    void add(std::string_view lines, bool nul) {
        while (!lines.empty()) {
            const std::size_t end = lines.find('\n');
            if (end == std::string_view::npos) throw std::invalid_argument("a line has no end");
            const std::size_t before = corpus_.size();
            each_word(lines.substr(0, end), nul, [&](std::string_view word) {
                const std::uint32_t number = words_.number(word);
                if (number == counts_.size()) counts_.push_back(0);
                ++counts_[number];
                corpus_.push_back(number);
            });
            if (corpus_.size() > before) {
                corpus_.push_back(Words::kNone);
                ++sentences_;
            }
            lines.remove_prefix(end + 1);
        }
    }

    std::int64_t sentences() const { return sentences_; }
    const Words& words() const { return words_; }
    const std::vector<std::int64_t>& counts() const { return counts_; }

    /// The n-grams of the corpus, word w of it being token tokens[w]. Once: the corpus is gone then.
    Levels levels(std::span<const std::uint32_t> tokens, std::uint32_t vocabulary, std::uint32_t begin,
                  std::uint32_t end, std::vector<std::int64_t> cutoffs, Counts counts) {
        if (tokens.size() != words_.size()) throw std::invalid_argument("not as many tokens as words");
        for (const std::uint32_t token : tokens)
            if (token >= vocabulary) throw std::invalid_argument("a token is not in the vocabulary");
        Runs runs(static_cast<int>(cutoffs.size()), vocabulary, begin, memory_ / 2, folder_);
        bool open = false;
        for (std::size_t place = 0; place < corpus_.size(); ++place) {
            if (!open) runs.add(begin);
            open = corpus_[place] != Words::kNone;
            runs.add(open ? tokens[corpus_[place]] : end);
        }
        corpus_.clear();
        Levels levels(vocabulary, begin, std::move(cutoffs), counts, budget_);
        runs.merge([&](const std::uint32_t* reversed, std::int64_t count) { levels.add(reversed, count); });
        levels.finish();
        spilled_ = runs.spilled();
        return levels;
    }

    /// How many sorted runs went to the disk, for tests.
    std::int64_t spilled() const { return spilled_; }
    Budget& budget() { return budget_; }

private:
    std::int64_t memory_;
    std::string folder_;
    Budget budget_;
    Words words_;
    std::vector<std::int64_t> counts_;
    Column<std::uint32_t> corpus_;
    std::int64_t sentences_ = 0, spilled_ = 0;
};

}  // namespace timesteps
