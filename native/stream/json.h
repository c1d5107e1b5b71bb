// A strict reader of JSON: UTF-8, no repeated names, no half surrogate pairs, bounded in depth and in the number of
// values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace timesteps {

struct Json {
    enum class Kind { kNull, kFalse, kTrue, kInteger, kReal, kString, kArray, kObject };

    Kind kind = Kind::kNull;
    std::string text;                                  // of a string, or a number as it was written
    std::vector<Json> items;                           // of an array, or the values of an object
    std::vector<std::string> names;                    // of an object's values

    bool is(Kind other) const { return kind == other; }

    /// An object's value; null where there is none.
    const Json* find(std::string_view name) const;

    /// A whole number; the nearest one that fits where it is beyond 64 bits.
    std::int64_t integer() const;

    /// A number in double precision, which the reader has found to be finite or, for whole numbers, may be infinite.
    double real() const;
};

/// `Refused` for anything but one JSON object; `where` names it.
Json read_json(std::string_view text, const std::string& where);

}  // namespace timesteps
