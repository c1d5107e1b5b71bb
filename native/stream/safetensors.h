// The safetensors file: its tensors as views of the bytes, and its metadata. `src/timesteps/runtime/modelfile.py` reads
// the same files by the same rules.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace timesteps {

enum class TensorType { kFloat64, kFloat32, kInt64, kUint8, kInt8 };

struct TensorView {
    TensorType type;
    std::vector<std::int64_t> shape;
    const unsigned char* data;  // not aligned
    std::int64_t count;

    std::int64_t item_bytes() const {
        return type == TensorType::kFloat32 ? 4 : type == TensorType::kUint8 || type == TensorType::kInt8 ? 1 : 8;
    }
    /// Number k of a tensor of numbers.
    double number(std::int64_t k) const;
};

struct ModelFile {
    std::string specification;                  // JSON
    std::map<std::string, TensorView> tensors;  // of the bytes that were read, which have to stay
};

/// What is asked of a file's checksum: for fuzzers, which would seldom guess it, nothing.
enum class Checksums { kRight, kAny };

/// `Refused` for anything but a whole, unambiguous file.
ModelFile read_file(const unsigned char* bytes, std::size_t size, Checksums checksums = Checksums::kRight);

/// "(2, 3)", as messages show a shape.
std::string shown(const std::vector<std::int64_t>& shape);

}  // namespace timesteps
