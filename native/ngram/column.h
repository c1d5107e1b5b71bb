// Long columns of numbers that lie in memory while a common budget lasts, and in files behind that.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <limits>
#include <new>
#include <string>
#include <type_traits>
#include <utility>

namespace timesteps {

/// How much memory the columns of one estimation may take together, and the folder for what is beyond.
class Budget {
public:
    Budget(std::string folder, std::int64_t bytes) : folder_(std::move(folder)), left_(bytes) {}

    bool take(std::int64_t bytes) {
        if (bytes > left_) return false;
        left_ -= bytes;
        return true;
    }
    void give(std::int64_t bytes) { left_ += bytes; }
    std::int64_t left() const { return left_; }
    const std::string& folder() const { return folder_; }

private:
    std::string folder_;
    std::int64_t left_;
};

/// A file without a name, which is gone when it is closed. Errors are `std::system_error`.
class Scratch {
public:
    explicit Scratch(const std::string& folder);
    ~Scratch();
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    /// Room for so many bytes: a disk that is full says so here, and not when memory is touched.
    void reserve(std::int64_t bytes);
    void* map(std::int64_t bytes);
    void unmap(void* data, std::int64_t bytes);
    void write(const void* data, std::int64_t bytes, std::int64_t offset);
    void read(void* data, std::int64_t bytes, std::int64_t offset) const;

private:
    int descriptor_;
    std::int64_t reserved_ = 0;
};

/// Bytes that grow at the end: the part of a column that does not depend on its type.
class Storage {
public:
    explicit Storage(Budget& budget) : budget_(&budget) {}
    ~Storage() { release(); }
    Storage(Storage&& other) noexcept { *this = std::move(other); }
    Storage& operator=(Storage&& other) noexcept;

    void* data() const { return data_; }
    std::int64_t bytes() const { return bytes_; }
    /// At least so many bytes; those there were keep their content, new ones are anything.
    void reserve(std::int64_t bytes);
    void release();

private:
    Budget* budget_ = nullptr;
    void* data_ = nullptr;
    std::int64_t bytes_ = 0;
    Scratch* file_ = nullptr;
};

template <class T>
class Column {
    static_assert(std::is_trivially_copyable_v<T>);

public:
    explicit Column(Budget& budget) : storage_(budget) {}

    std::size_t size() const { return size_; }
    T* data() { return static_cast<T*>(storage_.data()); }
    const T* data() const { return static_cast<const T*>(storage_.data()); }
    T& operator[](std::size_t place) { return data()[place]; }
    const T& operator[](std::size_t place) const { return data()[place]; }

    void push_back(T value) {
        if (size_ == capacity_) grow(size_ + 1);
        data()[size_++] = value;
    }
    /// So many numbers, all of them `value`.
    void assign(std::size_t size, T value) {
        if (size > capacity_) grow(size);
        size_ = size;
        for (std::size_t place = 0; place < size; ++place) data()[place] = value;
    }
    void clear() {
        storage_.release();
        size_ = capacity_ = 0;
    }

private:
    void grow(std::size_t least) {
        const std::size_t wanted = least > capacity_ + capacity_ / 2 ? least : capacity_ + capacity_ / 2;
        if (wanted > std::numeric_limits<std::int64_t>::max() / sizeof(T)) throw std::bad_alloc();
        const std::size_t most = wanted < 1024 ? 1024 : wanted;
        storage_.reserve(static_cast<std::int64_t>(most * sizeof(T)));
        capacity_ = most;
    }

    Storage storage_;
    std::size_t size_ = 0, capacity_ = 0;
};

}  // namespace timesteps
