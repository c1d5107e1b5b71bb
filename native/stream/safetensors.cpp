#include "safetensors.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "json.h"
#include "refused.h"

namespace timesteps {

namespace {

using Kind = Json::Kind;

constexpr std::uint64_t kMaxHeader = 32u << 20;  // bytes
constexpr std::size_t kMaxTensors = 65536, kMaxRank = 8;
constexpr const char* kCodes[] = {"F64", "F32", "I64", "U8", "I8"};

struct Entry {
    std::string name;
    TensorView tensor;
    std::int64_t begin, end;
};

class Checksum {  // CRC-32
public:
    void add(const unsigned char* bytes, std::size_t count) {
        std::uint32_t crc = ~crc_;
        for (std::size_t n = 0; n < count; ++n) crc = table()[(crc ^ bytes[n]) & 0xff] ^ crc >> 8;
        crc_ = ~crc;
    }
    void add(const std::string& text) { add(reinterpret_cast<const unsigned char*>(text.data()), text.size()); }
    std::string hex() const {
        std::string digits;
        for (int shift = 28; shift >= 0; shift -= 4) digits += "0123456789abcdef"[crc_ >> shift & 15];
        return digits;
    }

private:
    static const std::array<std::uint32_t, 256>& table() {
        static constexpr std::array<std::uint32_t, 256> table = [] {
            std::array<std::uint32_t, 256> values{};
            for (std::uint32_t n = 0; n < 256; ++n) {
                std::uint32_t value = n;
                for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0xedb88320u : 0u);
                values[n] = value;
            }
            return values;
        }();
        return table;
    }
    std::uint32_t crc_ = 0;
};

Entry entry(const std::string& name, const Json& fields) {
    const auto wrong = [&](const std::string& what) { return Refused("tensor " + shorten(name) + " " + what); };
    const Json *code = fields.find("dtype"), *shape = fields.find("shape"), *offsets = fields.find("data_offsets");
    if (!fields.is(Kind::kObject) || fields.items.size() != 3 || !code || !shape || !offsets)
        throw wrong("does not have exactly dtype, shape and data_offsets");
    const auto found = std::find_if(std::begin(kCodes), std::end(kCodes),
                                    [&](const char* known) { return code->is(Kind::kString) && code->text == known; });
    if (found == std::end(kCodes)) throw wrong("has an unknown dtype");
    Entry entry{name, {static_cast<TensorType>(found - kCodes), {}, nullptr, 1}, 0, 0};
    if (!shape->is(Kind::kArray) || shape->items.size() > kMaxRank) throw wrong("has a malformed shape");
    std::int64_t bytes = entry.tensor.item_bytes();
    for (const Json& size : shape->items) {
        if (!size.is(Kind::kInteger) || size.integer() < 1) throw wrong("has a malformed shape");
        entry.tensor.shape.push_back(size.integer());
        if (__builtin_mul_overflow(bytes, size.integer(), &bytes)) throw wrong("is larger than a file can be");
    }
    if (!offsets->is(Kind::kArray) || offsets->items.size() != 2) throw wrong("has malformed offsets");
    for (const Json& offset : offsets->items)
        if (!offset.is(Kind::kInteger) || offset.integer() < 0) throw wrong("has malformed offsets");
    entry.begin = offsets->items[0].integer(), entry.end = offsets->items[1].integer();
    if (entry.end - entry.begin != bytes) throw wrong("does not fill its offsets");
    entry.tensor.count = bytes / entry.tensor.item_bytes();
    return entry;
}

std::map<std::string, TensorView> tensors_of(const Json& header, const unsigned char* bytes, std::int64_t size,
                                             std::int64_t start) {
    std::vector<Entry> entries;
    for (std::size_t n = 0; n < header.names.size(); ++n)
        if (header.names[n] != "__metadata__") entries.push_back(entry(header.names[n], header.items[n]));
    if (entries.size() > kMaxTensors) throw Refused(std::to_string(entries.size()) + " tensors are too many");
    std::stable_sort(entries.begin(), entries.end(),
                     [](const Entry& a, const Entry& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
    std::map<std::string, TensorView> tensors;
    std::int64_t expected = 0;
    for (Entry& entry : entries) {
        const std::string what = "tensor " + shorten(entry.name);
        if (entry.begin < expected) throw Refused(what + " overlaps the one before it");
        if (entry.begin > expected) throw Refused(what + " leaves a gap before it");
        if (entry.end > size - start) throw Refused("the file is truncated: " + what + " ends behind its end");
        if ((start + entry.begin) % entry.tensor.item_bytes() != 0) throw Refused(what + " is not aligned");
        entry.tensor.data = bytes + start + entry.begin;
        expected = entry.end;
        tensors.emplace(std::move(entry.name), std::move(entry.tensor));
    }
    if (start + expected != size)
        throw Refused(std::to_string(size - start - expected) + " bytes behind the last tensor");
    return tensors;
}

std::string listed(const std::vector<std::int64_t>& shape) {
    std::string text;
    for (const std::int64_t size : shape) {
        if (!text.empty()) text += ", ";
        text += std::to_string(size);
    }
    return text;
}

}  // namespace

double TensorView::number(std::int64_t k) const {
    if (type == TensorType::kFloat32) {
        float number;
        std::memcpy(&number, data + k * 4, sizeof number);
        return number;
    }
    double number;
    std::memcpy(&number, data + k * 8, sizeof number);
    return number;
}

std::string shown(const std::vector<std::int64_t>& shape) {
    std::string text = listed(shape);
    return text.insert(0, "(").append(")");
}

ModelFile read_file(const unsigned char* bytes, std::size_t size, Checksums checksums) {
    if (size < 8) throw Refused("is no model file: it has " + std::to_string(size) + " bytes");
    std::uint64_t length = 0;
    for (int n = 7; n >= 0; --n) length = length << 8 | bytes[n];
    if (length > kMaxHeader)
        throw Refused("is no model file: its header would be " + std::to_string(length) + " bytes long");
    if (length > size - 8) throw Refused("is truncated: the header ends behind the end of the file");
    const Json header = read_json({reinterpret_cast<const char*>(bytes) + 8, length}, "the header");
    const Json *metadata = header.find("__metadata__"), *specification = nullptr, *checksum = nullptr;
    if (metadata != nullptr && metadata->is(Kind::kObject)) specification = metadata->find("timesteps");
    if (specification == nullptr || !specification->is(Kind::kString))
        throw Refused("is a safetensors file without a timesteps specification");
    checksum = metadata->find("crc32");
    for (const std::string& name : metadata->names)
        if (name != "timesteps" && name != "crc32") throw Refused("unknown metadata " + shorten(name));
    ModelFile file{specification->text,
                   tensors_of(header, bytes, static_cast<std::int64_t>(size), 8 + static_cast<std::int64_t>(length))};
    Checksum crc;
    crc.add(file.specification);
    for (const auto& [name, tensor] : file.tensors) {
        crc.add(name), crc.add(" "), crc.add(kCodes[static_cast<int>(tensor.type)]);
        crc.add(" ["), crc.add(listed(tensor.shape)), crc.add("]");
        crc.add(tensor.data, static_cast<std::size_t>(tensor.count * tensor.item_bytes()));
    }
    const bool right = checksum != nullptr && checksum->is(Kind::kString) && checksum->text == crc.hex();
    if (checksums == Checksums::kRight && !right)
        throw Refused("is damaged: its content does not match its checksum");
    return file;
}

}  // namespace timesteps
