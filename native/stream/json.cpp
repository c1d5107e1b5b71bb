#include "json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "refused.h"

namespace timesteps {

namespace {

constexpr int kDepth = 64;                   // a model file needs eight
constexpr std::size_t kValues = 1u << 22;    // four times a vocabulary of a million words
constexpr std::size_t kDigits = 4300;        // of a whole number, as Python has it

class Reader {
public:
    Reader(std::string_view text, const std::string& where) : text_(text), where_(where) {}

    Json all() {
        Json value = this->value(0);
        blanks();
        if (place_ != text_.size()) wrong("something follows its end");
        if (!value.is(Json::Kind::kObject)) throw Refused(where_ + " is not a JSON object");
        return value;
    }

private:
    [[noreturn]] void wrong(const char* what) const {
        throw Refused(where_ + " is not valid JSON: " + what + " at byte " + std::to_string(place_));
    }

    char peek() const { return place_ < text_.size() ? text_[place_] : '\0'; }

    bool take(char letter) {
        if (place_ >= text_.size() || text_[place_] != letter) return false;
        ++place_;
        return true;
    }

    void blanks() {
        while (place_ < text_.size() && (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r')) ++place_;
    }

    void word(std::string_view letters) {
        if (text_.substr(place_, letters.size()) != letters) wrong("an unknown word");
        place_ += letters.size();
    }

    Json value(int depth) {
        if (depth > kDepth) wrong("nested too deeply");
        if (++values_ > kValues) wrong("too many values");
        blanks();
        Json json;
        switch (peek()) {
            case '{':
                object(json, depth);
                break;
            case '[':
                array(json, depth);
                break;
            case '"':
                json.kind = Json::Kind::kString;
                json.text = string();
                break;
            case 't':
                word("true"), json.kind = Json::Kind::kTrue;
                break;
            case 'f':
                word("false"), json.kind = Json::Kind::kFalse;
                break;
            case 'n':
                word("null");
                break;
            default:
                number(json);
        }
        return json;
    }

    void array(Json& json, int depth) {
        json.kind = Json::Kind::kArray;
        ++place_;
        blanks();
        if (take(']')) return;
        do {
            json.items.push_back(value(depth + 1));
            blanks();
        } while (take(','));
        if (!take(']')) wrong("a comma or ] is missing");
    }

    void object(Json& json, int depth) {
        json.kind = Json::Kind::kObject;
        ++place_;
        blanks();
        if (take('}')) return;
        do {
            blanks();
            if (peek() != '"') wrong("a name is missing");
            json.names.push_back(string());
            blanks();
            if (!take(':')) wrong("a colon is missing");
            json.items.push_back(value(depth + 1));
            blanks();
        } while (take(','));
        if (!take('}')) wrong("a comma or } is missing");
        std::vector<std::string_view> names(json.names.begin(), json.names.end());
        std::sort(names.begin(), names.end());
        if (std::adjacent_find(names.begin(), names.end()) != names.end()) wrong("a name occurs twice");
    }

    static bool digit(char letter) { return letter >= '0' && letter <= '9'; }

    std::size_t digits() {
        const std::size_t first = place_;
        while (digit(peek())) ++place_;
        if (place_ == first) wrong("a number is malformed");
        return place_ - first;
    }

    void number(Json& json) {
        const std::size_t first = place_;
        take('-');
        if (peek() == '0') {
            ++place_;
            if (digit(peek())) wrong("a number is malformed");
        } else if (digits() > kDigits) {
            wrong("a number is too long");
        }
        json.kind = Json::Kind::kInteger;
        if (take('.')) json.kind = Json::Kind::kReal, digits();
        if (peek() == 'e' || peek() == 'E') {
            json.kind = Json::Kind::kReal;
            ++place_;
            if (peek() == '+' || peek() == '-') ++place_;
            digits();
        }
        json.text = text_.substr(first, place_ - first);
        if (json.is(Json::Kind::kReal) && !std::isfinite(json.real())) wrong("a number is out of range");
    }

    std::string string() {
        std::string to;
        ++place_;
        while (true) {
            if (place_ >= text_.size()) wrong("a string has no end");
            const auto letter = static_cast<unsigned char>(text_[place_]);
            if (letter == '"') break;
            if (letter < 0x20) wrong("a control character in a string");
            if (letter == '\\')
                escape(to);
            else if (letter < 0x80)
                to += text_[place_++];
            else
                encoded(to);
        }
        ++place_;
        return to;
    }

    /// A character of two to four bytes, which must be well-formed UTF-8.
    void encoded(std::string& to) {
        const auto at = [&](std::size_t n) -> unsigned {
            return place_ + n < text_.size() ? static_cast<unsigned char>(text_[place_ + n]) : 0u;
        };
        const unsigned first = at(0);
        const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
        unsigned code = first & (0x7fu >> length);
        for (std::size_t n = 1; n < length; ++n) {
            if ((at(n) & 0xc0) != 0x80) wrong("not UTF-8");
            code = code << 6 | (at(n) & 0x3f);
        }
        constexpr unsigned kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
        if (first < 0xc2 || first > 0xf4 || code < kLeast[length] || code > 0x10ffff ||
            (code >= 0xd800 && code < 0xe000))
            wrong("not UTF-8");
        to += text_.substr(place_, length);
        place_ += length;
    }

    unsigned four_digits() {
        unsigned code = 0;
        if (place_ + 4 > text_.size()) wrong("a string has no end");
        for (int n = 0; n < 4; ++n) {
            const char letter = text_[place_++];
            const unsigned low = static_cast<unsigned>(letter | 0x20);
            if (digit(letter))
                code = code * 16 + static_cast<unsigned>(letter - '0');
            else if (low >= 'a' && low <= 'f')
                code = code * 16 + (low - 'a' + 10);
            else
                wrong("an escape is malformed");
        }
        return code;
    }

    void escape(std::string& to) {
        ++place_;
        const char letter = peek();
        ++place_;
        constexpr std::string_view kShort = "\"\\/bfnrt", kMeant = "\"\\/\b\f\n\r\t";
        if (const auto found = kShort.find(letter); found != std::string_view::npos && letter != '\0') {
            to += kMeant[found];
            return;
        }
        if (letter != 'u') wrong("an escape is malformed");
        unsigned code = four_digits();
        if (code >= 0xdc00 && code < 0xe000) wrong("half a surrogate pair");
        if (code >= 0xd800 && code < 0xdc00) {
            if (!take('\\') || !take('u')) wrong("half a surrogate pair");
            const unsigned second = four_digits();
            if (second < 0xdc00 || second >= 0xe000) wrong("half a surrogate pair");
            code = 0x10000 + ((code - 0xd800) << 10) + (second - 0xdc00);
        }
        const auto put = [&](unsigned bits) { to += static_cast<char>(bits); };
        if (code < 0x80)
            put(code);
        else if (code < 0x800)
            put(0xc0 | code >> 6), put(0x80 | (code & 0x3f));
        else if (code < 0x10000)
            put(0xe0 | code >> 12), put(0x80 | (code >> 6 & 0x3f)), put(0x80 | (code & 0x3f));
        else
            put(0xf0 | code >> 18), put(0x80 | (code >> 12 & 0x3f)), put(0x80 | (code >> 6 & 0x3f)),
                put(0x80 | (code & 0x3f));
    }

    std::string_view text_;
    const std::string& where_;
    std::size_t place_ = 0, values_ = 0;
};

}  // namespace

const Json* Json::find(std::string_view name) const {
    for (std::size_t n = 0; n < names.size(); ++n)
        if (names[n] == name) return &items[n];
    return nullptr;
}

std::int64_t Json::integer() const {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc::result_out_of_range)
        return text[0] == '-' ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max();
    return number;
}

double Json::real() const {
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc::result_out_of_range) return number;
    // Too large, or too small: the place of the first digit that is not zero decides.
    const std::size_t exponent = std::min(text.find_first_of("eE"), text.size());
    const std::size_t point = std::min(text.find('.'), exponent), first = text.find_first_of("123456789");
    std::int64_t power = 0;
    if (exponent < text.size()) {
        const std::size_t sign = exponent + (text[exponent + 1] == '+' ? 2 : 1);
        const auto [last, wide] = std::from_chars(text.data() + sign, text.data() + text.size(), power);
        if (wide != std::errc()) power = text[sign] == '-' ? -(std::int64_t{1} << 40) : std::int64_t{1} << 40;
    }
    const bool large = static_cast<std::int64_t>(point) - static_cast<std::int64_t>(first) + power > 0;
    const double bound = large ? std::numeric_limits<double>::infinity() : 0.0;
    return text[0] == '-' ? -bound : bound;
}

Json read_json(std::string_view text, const std::string& where) { return Reader(text, where).all(); }

}  // namespace timesteps
