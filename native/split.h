// Texts to the units of their steps, for texts of plain characters: those that normalisation leaves alone or
// lower-cases, and that no neighbour changes. All other texts are Python's.
//
// The definition is in src/timesteps/runtime/text: normalize.py, tokenizers.py (word and syllable), ngrams.pieces, and
// TextProcessor.units for what a guide reads; this does the same faster. Nothing here knows Python.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "units.h"

namespace timesteps {

enum class Kind : std::uint8_t { kForeign, kSpace, kLetter, kDigit, kSymbol, kSyllable, kJamo };

/// What a character is. Foreign is whatever may compose, decompose, combine or be part of an emoji, and all that is
/// rare.
class Kinds {
public:
    static Kind of(std::uint32_t code) {
        static const Kinds kinds;
        return code < kinds.of_.size() ? kinds.of_[code] : Kind::kForeign;
    }

private:
    Kinds() {
        struct Range {
            std::uint32_t first, last;
            Kind kind;
        };
        using enum Kind;
        constexpr Range ranges[] = {
            {0x0009, 0x000a, kSpace},  {0x000d, 0x000d, kSpace},  {0x0020, 0x0020, kSpace},   {0x0021, 0x002f, kSymbol},
            {0x0030, 0x0039, kDigit},  {0x003a, 0x0040, kSymbol}, {0x0041, 0x005a, kLetter},  {0x005b, 0x0060, kSymbol},
            {0x0061, 0x007a, kLetter}, {0x007b, 0x007e, kSymbol}, {0x00a0, 0x00a0, kSpace},   {0x00b7, 0x00b7, kSymbol},
            {0x00c0, 0x00d6, kLetter}, {0x00d7, 0x00d7, kSymbol}, {0x00d8, 0x00f6, kLetter},  {0x00f7, 0x00f7, kSymbol},
            {0x00f8, 0x00ff, kLetter}, {0x2010, 0x2027, kSymbol}, {0x2030, 0x205e, kSymbol},  {0x2190, 0x2328, kSymbol},
            {0x2500, 0x2775, kSymbol}, {0x3000, 0x3000, kSpace},  {0x3001, 0x3003, kSymbol},  {0x3008, 0x3020, kSymbol},
            {0x3041, 0x3096, kLetter}, {0x30a1, 0x30fa, kLetter}, {0x30fb, 0x30fb, kSymbol},  {0x30fc, 0x30fe, kLetter},
            {0x3131, 0x318e, kJamo},   {0x4e00, 0x9fa5, kLetter}, {0xac00, 0xd7a3, kSyllable},
        };
        of_.fill(kForeign);
        for (const Range& range : ranges) std::fill(&of_[range.first], &of_[range.last] + 1, range.kind);
    }

    std::array<Kind, 0xd7a4> of_;
};

/// How texts become steps.
struct SplitRules {
    bool lowercase;
    std::size_t squeeze;       // longest run of one character, 0: any
    bool by_syllable;          // each Hangul syllable is a unit
    std::size_t piece;         // syllables of a piece of a Hangul word, 0: it is not cut
    std::int64_t room;         // most steps of a row, below 0: any
    std::int64_t head;         // of these, from the beginning
};

enum class Whole { kNothing, kTokens, kCharacters };  // what a guide reads of each step

/// Rows of steps, as numbers of units.
struct SplitRows {
    std::vector<std::int32_t> steps;
    std::vector<std::int64_t> offsets{0}, cuts;  // cuts: steps before a cut in the middle of a row, or 0
    UnitTable whole;                             // what a guide reads, before truncation
    std::vector<std::int32_t> whole_steps;
    std::vector<std::int64_t> whole_offsets{0};
};

class Splitter {
public:
    explicit Splitter(const SplitRules& rules) : rules_(rules) {}

    UnitTable& units() { return units_; }
    const UnitTable& units() const { return units_; }

    /// Appends a row of a text of `size` characters, text(i) the i-th; false, and nothing done, if it is not plain.
    template <class Text>
    bool add(const Text& text, std::size_t size, Whole whole, SplitRows& rows) {
        if (!normalize(text, size)) return false;
        steps_.clear();
        names_.clear();
        std::size_t place = 0;
        while (place < normal_.size()) {
            const Kind kind = Kinds::of(normal_[place]);
            std::size_t end = place + 1;
            if (kind != Kind::kSpace) {
                if (kind != Kind::kSyllable || !rules_.by_syllable)
                    while (end < normal_.size() && Kinds::of(normal_[end]) == kind) ++end;
                add_token(place, end, kind == Kind::kSyllable);
            }
            place = end;
        }
        std::size_t from = 0;
        begin_row(steps_.size(), rows);
        for (std::size_t step = 0; step < steps_.size(); ++step) {
            add_step(step, name(step), rows);
            if (whole == Whole::kTokens) {
                rows.whole_steps.push_back(rows.whole.number(name(step)));
            } else if (whole == Whole::kCharacters) {
                heard_.clear();
                if (step == 0) heard_.push_back(kBefore);
                for (; from < steps_[step].end; ++from) put(heard_, normal_[from]);
                if (step + 1 == steps_.size()) heard_.push_back(kBehind);
                rows.whole_steps.push_back(rows.whole.number(heard_));
            }
        }
        end_row(rows);
        return true;
    }

    /// A row whose units are known: first its number of steps, then each of them in turn.
    void begin_row(std::size_t steps, SplitRows& rows) {
        const auto count = static_cast<std::int64_t>(steps);
        const bool cut = rules_.room >= 0 && count > rules_.room;
        head_ = cut ? rules_.head : count;
        tail_ = cut ? count - (rules_.room - rules_.head) : count;
        rows.cuts.push_back(0 < head_ && head_ < tail_ && tail_ < count ? head_ : 0);
    }

    void add_step(std::size_t step, std::string_view name, SplitRows& rows) {
        const auto place = static_cast<std::int64_t>(step);
        if (place < head_ || place >= tail_) rows.steps.push_back(units_.number(name));
    }

    void end_row(SplitRows& rows) {
        rows.offsets.push_back(static_cast<std::int64_t>(rows.steps.size()));
        rows.whole_offsets.push_back(static_cast<std::int64_t>(rows.whole_steps.size()));
    }

private:
    static constexpr std::size_t kLongest = 256;  // syllables of a unit that is cut into pieces

    struct Step {
        std::size_t name, name_end;  // in names_
        std::size_t end;             // in normal_
    };

    std::string_view name(std::size_t step) const {
        return std::string_view(names_).substr(steps_[step].name, steps_[step].name_end - steps_[step].name);
    }

    template <class Text>
    bool normalize(const Text& text, std::size_t size) {
        normal_.clear();
        std::size_t run = 0;
        for (std::size_t place = 0; place < size; ++place) {
            std::uint32_t code = text(place);
            if (Kinds::of(code) == Kind::kForeign) return false;
            if (code == '<') {
                if (const std::size_t end = line_break(text, place, size); end > 0) {
                    code = '\n';
                    place = end - 1;
                }
            }
            if (rules_.lowercase && ((code >= 'A' && code <= 'Z') || (code >= 0xc0 && code <= 0xde && code != 0xd7)))
                code += 0x20;
            run = !normal_.empty() && last_ == code ? run + 1 : 1;
            last_ = code;
            if (rules_.squeeze == 0 || run <= rules_.squeeze) normal_.push_back(code);
        }
        return true;
    }

    /// Where <b+r+(?:[ /][^<>\n]*)?> ends that begins here, or 0. What is foreign inside is foreign to the text.
    template <class Text>
    static std::size_t line_break(const Text& text, std::size_t place, std::size_t size) {
        const auto is = [&](std::size_t at, char lower) { return at < size && (text(at) | 0x20u) == lower + 0u; };
        std::size_t at = place + 1;
        while (is(at, 'b')) ++at;
        const std::size_t letters = at;
        if (letters == place + 1) return 0;
        while (is(at, 'r')) ++at;
        if (at == letters) return 0;
        if (at < size && (text(at) == ' ' || text(at) == '/'))
            while (at < size && text(at) != '<' && text(at) != '>' && text(at) != '\n') {
                if (Kinds::of(text(at)) == Kind::kForeign) return 0;  // the text will be refused there
                ++at;
            }
        return at < size && text(at) == '>' ? at + 1 : 0;
    }

    void add_token(std::size_t begin, std::size_t end, bool hangul) {
        if (rules_.piece == 0 || !hangul || end - begin <= rules_.piece) {
            add_name(begin, end, end);
            return;
        }
        const std::size_t longest = end - begin > kLongest ? kLongest : end - begin;
        for (std::size_t part = begin; part < end; part += longest) add_pieces(part, std::min(part + longest, end));
    }

    /// A unit in pieces of about so many syllables: half a piece rounds to even, as Python does.
    void add_pieces(std::size_t begin, std::size_t end) {
        const std::size_t length = end - begin, twice = 2 * (length % rules_.piece);
        std::size_t count = length / rules_.piece;
        count += twice > rules_.piece || (twice == rules_.piece && count % 2 == 1);
        const std::size_t width = length <= rules_.piece ? length : (length + count - 1) / count;
        if (width >= length) {
            add_name(begin, end, end);
            return;
        }
        for (std::size_t place = 0; place < length; place += width) {
            const std::size_t stop = std::min(place + width, length);
            add_name(begin, end, begin + stop);
            names_ += kPiece + std::to_string(place) + kPiece + std::to_string(stop);
            steps_.back().name_end = names_.size();
        }
    }

    void add_name(std::size_t begin, std::size_t end, std::size_t step_end) {
        const std::size_t start = names_.size();
        for (std::size_t place = begin; place < end; ++place) put(names_, normal_[place]);
        steps_.push_back({start, names_.size(), step_end});
    }

    /// UTF-8 of a character below U+D800.
    static void put(std::string& text, std::uint32_t code) {
        if (code < 0x80) {
            text.push_back(static_cast<char>(code));
        } else if (code < 0x800) {
            text.push_back(static_cast<char>(0xc0 | code >> 6));
            text.push_back(static_cast<char>(0x80 | (code & 0x3f)));
        } else {
            text.push_back(static_cast<char>(0xe0 | code >> 12));
            text.push_back(static_cast<char>(0x80 | (code >> 6 & 0x3f)));
            text.push_back(static_cast<char>(0x80 | (code & 0x3f)));
        }
    }

    SplitRules rules_;
    UnitTable units_;
    std::vector<std::uint32_t> normal_;
    std::vector<Step> steps_;
    std::string names_, heard_;
    std::uint32_t last_ = 0;
    std::int64_t head_ = 0, tail_ = 0;
};

}  // namespace timesteps
