// The reader of the model file against damaged files, and the models that it takes against their steps.
//     make fuzz        with libFuzzer, where there is clang
//     make sanitize    without: as many damaged copies of each file in a folder as asked for, always the same ones
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "../stream/load.h"
#include "../stream/refused.h"

using namespace timesteps;

namespace {

constexpr std::int64_t kSteps = 3;

/// A few steps of everything that a model can do.
void run(const Model& model) {
    const bool numbers = model.input() == InputKind::kNumeric;
    const std::vector<float> x(static_cast<std::size_t>(kSteps * model.input_size()), 0.5f);
    const std::vector<std::int32_t> ids(kSteps, static_cast<std::int32_t>(model.input_size() - 1));
    std::vector<float> logits(static_cast<std::size_t>(2 * model.outputs()));
    if (model.whole_bytes(kSteps) > (64 << 20)) return;
    const Memory work = zeros(model.whole_bytes(kSteps));
    model.whole(x.data(), ids.data(), kSteps, reinterpret_cast<char*>(work.get()), logits.data());
    if (model.reads_ahead() >= 0) return;
    const Memory states = zeros(2 * model.state_bytes());
    char* each[] = {reinterpret_cast<char*>(states.get()),
                    reinterpret_cast<char*>(states.get()) + model.state_bytes()};
    for (char* state : each) model.reset(state);
    for (int t = 0; t < kSteps; ++t)
        numbers ? model.step(each, 2, x.data(), logits.data()) : model.step_ids(each, 2, ids.data(), logits.data());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    for (const Checksums checksums : {Checksums::kRight, Checksums::kAny}) {
        try {
            run(*load_model(bytes, size, checksums).model);
        } catch (const Refused&) {
        }
    }
    return 0;
}

#if !defined(TIMESTEPS_LIBFUZZER)
namespace {

using Bytes = std::vector<std::uint8_t>;

/// Changed, cut out, repeated or exchanged here and there.
void damage(Bytes& bytes, std::mt19937& random) {
    static const std::string kOdd[] = {"[[[[[[[[", "{\"a\":", "-1", "99999999999999999999", "0", "null", "true", "\"",
                                       "\\ud800", "1e999", "\\u0000", "\xff", "],[", "}", ",", "F64", "U8", "[]"};
    const auto below = [&](std::size_t n) { return n == 0 ? 0 : random() % n; };
    for (std::size_t changes = 1 + below(3); changes > 0; --changes) {
        const std::size_t place = below(bytes.size()), left = bytes.size() - place;
        const auto at = bytes.begin() + static_cast<std::ptrdiff_t>(place);
        const auto end = at + static_cast<std::ptrdiff_t>(std::min<std::size_t>(left, 1 + below(24)));
        const Bytes piece(at, end);
        const std::string& odd = kOdd[below(std::size(kOdd))];
        switch (left > 0 ? below(5) : 3) {
            case 0:
                *at = static_cast<std::uint8_t>(random());
                break;
            case 1:
                bytes.erase(at, end);
                break;
            case 2:
                bytes.insert(at, piece.begin(), piece.end());
                break;
            case 3:
                bytes.insert(at, odd.begin(), odd.end());
                break;
            default:
                *at = static_cast<std::uint8_t>("0123456789-,:[]{}\""[below(18)]);
        }
    }
}

/// Mostly in the header, which is where the traps are, and mostly with the header as long as the file says.
Bytes damaged(const Bytes& file, std::mt19937& random) {
    std::size_t length = file[0] + 256u * file[1] + 65536u * file[2];
    Bytes header(file.begin() + 8, file.begin() + 8 + static_cast<std::ptrdiff_t>(length));
    Bytes data(file.begin() + 8 + static_cast<std::ptrdiff_t>(length), file.end());
    damage(random() % 8 != 0 ? header : data, random);
    if (random() % 8 != 0) {
        while (header.size() % 8 != 0) header.push_back(' ');
        length = header.size();
    }
    Bytes mutant;
    for (int byte = 0; byte < 8; ++byte) mutant.push_back(static_cast<std::uint8_t>(length >> (8 * byte)));
    if (random() % 32 == 0) mutant[random() % 8] = static_cast<std::uint8_t>(random());
    mutant.insert(mutant.end(), header.begin(), header.end());
    mutant.insert(mutant.end(), data.begin(), data.end());
    if (random() % 32 == 0) mutant.resize(random() % mutant.size());
    return mutant;
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 3) return std::puts("model_file FOLDER ROUNDS"), 2;
    std::mt19937 random(1);
    int files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(arguments[1])) {
        std::ifstream stream(entry.path(), std::ios::binary);
        const Bytes file((std::istreambuf_iterator<char>(stream)), {});
        LLVMFuzzerTestOneInput(file.data(), file.size());
        for (int round = std::atoi(arguments[2]); round > 0; --round) {
            const Bytes mutant = damaged(file, random);
            LLVMFuzzerTestOneInput(mutant.data(), mutant.size());
        }
        ++files;
    }
    std::printf("%d files, %s damaged copies of each\n", files, arguments[2]);
    return files > 0 ? 0 : 1;
}
#endif
