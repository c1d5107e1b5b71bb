// Why a model file is not taken: damaged, or sound and nothing that this engine runs.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace timesteps {

class Refused : public std::runtime_error {
public:
    explicit Refused(const std::string& what, bool unsupported = false)
        : std::runtime_error(what), unsupported_(unsupported) {}

    /// The file is sound, but needs more than the streaming engine has.
    bool unsupported() const { return unsupported_; }

private:
    bool unsupported_;
};

/// A name from an untrusted file in at most 60 printable ASCII characters.
inline std::string shorten(std::string_view name) {
    std::string text;
    for (const char letter : name) {
        if (text.size() >= 57) return text + "...";
        text += letter >= ' ' && letter < 127 ? letter : '?';
    }
    return text;
}

}  // namespace timesteps
