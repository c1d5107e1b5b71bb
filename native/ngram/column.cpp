#include "column.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <vector>

namespace timesteps {

namespace {

[[noreturn]] void fail(int code) { throw std::system_error(code, std::generic_category()); }

}  // namespace

Scratch::Scratch(const std::string& folder) {
    std::string name = folder + "/ngram-XXXXXX";
    descriptor_ = mkstemp(name.data());
    if (descriptor_ < 0) fail(errno);
    unlink(name.c_str());
}

Scratch::~Scratch() { close(descriptor_); }

void Scratch::reserve(std::int64_t bytes) {
    if (bytes <= reserved_) return;
#if defined(__APPLE__)
    const std::vector<char> zeros(1 << 20);
    for (std::int64_t done = reserved_; done < bytes; done += static_cast<std::int64_t>(zeros.size()))
        write(zeros.data(), std::min<std::int64_t>(bytes - done, static_cast<std::int64_t>(zeros.size())), done);
#else
    if (const int code = posix_fallocate(descriptor_, reserved_, bytes - reserved_); code != 0) fail(code);
#endif
    reserved_ = bytes;
}

void* Scratch::map(std::int64_t bytes) {
    reserve(bytes);
    void* data = mmap(nullptr, static_cast<std::size_t>(bytes), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor_, 0);
    if (data == MAP_FAILED) fail(errno);
    return data;
}

void Scratch::unmap(void* data, std::int64_t bytes) { munmap(data, static_cast<std::size_t>(bytes)); }

void Scratch::write(const void* data, std::int64_t bytes, std::int64_t offset) {
    const char* from = static_cast<const char*>(data);
    while (bytes > 0) {
        const ssize_t written = pwrite(descriptor_, from, static_cast<std::size_t>(bytes), offset);
        if (written < 0) {
            if (errno == EINTR) continue;
            fail(errno);
        }
        from += written, bytes -= written, offset += written;
    }
}

void Scratch::read(void* data, std::int64_t bytes, std::int64_t offset) const {
    char* to = static_cast<char*>(data);
    while (bytes > 0) {
        const ssize_t got = pread(descriptor_, to, static_cast<std::size_t>(bytes), offset);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) fail(got < 0 ? errno : EIO);
        to += got, bytes -= got, offset += got;
    }
}

Storage& Storage::operator=(Storage&& other) noexcept {
    if (this == &other) return *this;
    if (budget_ != nullptr) release();
    budget_ = other.budget_;
    data_ = std::exchange(other.data_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
    file_ = std::exchange(other.file_, nullptr);
    return *this;
}

void Storage::reserve(std::int64_t bytes) {
    if (bytes <= bytes_) return;
    if (file_ == nullptr && budget_->take(bytes - bytes_)) {
        void* grown = std::realloc(data_, static_cast<std::size_t>(bytes));
        if (grown == nullptr) {
            budget_->give(bytes - bytes_);
            throw std::bad_alloc();
        }
        data_ = grown, bytes_ = bytes;
        return;
    }
    if (file_ == nullptr) {
        auto* file = new Scratch(budget_->folder());
        void* mapped = nullptr;
        try {
            mapped = file->map(bytes);
        } catch (...) {
            delete file;
            throw;
        }
        if (bytes_ > 0) std::memcpy(mapped, data_, static_cast<std::size_t>(bytes_));
        std::free(data_);
        budget_->give(bytes_);
        file_ = file, data_ = mapped, bytes_ = bytes;
        return;
    }
    void* mapped = file_->map(bytes);
    file_->unmap(data_, bytes_);
    data_ = mapped, bytes_ = bytes;
}

void Storage::release() {
    if (file_ != nullptr) {
        file_->unmap(data_, bytes_);
        delete file_;
    } else if (bytes_ > 0) {
        std::free(data_);
        budget_->give(bytes_);
    }
    data_ = nullptr, bytes_ = 0, file_ = nullptr;
}

}  // namespace timesteps
