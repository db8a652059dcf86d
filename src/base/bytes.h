// Byte spans, and buffers that hold tensors or secrets. Trusted.
// Thread-safety: values; no shared state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <type_traits>

#include "base/status.h"

namespace taoism {

using ByteSpan = std::span<std::byte>;
using ConstByteSpan = std::span<const std::byte>;

// Every tensor, packed weight and scratch area starts at a multiple of this: one cache line, and
// one vector of the widest target.
inline constexpr size_t kAlignment = 64;

constexpr size_t round_up(size_t value, size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// Asks for the cache lines from address `begin` to `end` and returns the first that it did not ask
// for. Nothing is read, and no address is wrong to ask for.
inline uintptr_t prefetch(uintptr_t begin, uintptr_t end) {
  for (; begin < end; begin += kAlignment) {
    __builtin_prefetch(reinterpret_cast<const void*>(begin), 0, 2);
  }
  return begin;
}

// a * b and a + b, or nothing when the result does not fit: for sizes that come from outside.
inline std::optional<uint64_t> checked_mul(uint64_t a, uint64_t b) {
  uint64_t r;
  if (__builtin_mul_overflow(a, b, &r)) return std::nullopt;
  return r;
}
inline std::optional<uint64_t> checked_add(uint64_t a, uint64_t b) {
  uint64_t r;
  if (__builtin_add_overflow(a, b, &r)) return std::nullopt;
  return r;
}

// What a host may change at any time, read once: the barrier keeps the compiler from reading it
// again later, in place of its copy.
inline void copy_in(void* copy, const void* untrusted, size_t bytes) {
  std::memcpy(copy, untrusted, bytes);
  __asm__ __volatile__("" : : "r"(copy) : "memory");
}

// Overwrites memory in a way the compiler may not drop.
void secure_wipe(void* data, size_t bytes);

// Zeroed, kAlignment-aligned memory of a fixed size. Move-only. Where there is none it does what
// std::vector does: std::bad_alloc, which the host catches where it is called from outside.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t bytes);
  AlignedBuffer(AlignedBuffer&&) noexcept = default;
  AlignedBuffer& operator=(AlignedBuffer&&) noexcept = default;

  std::byte* data() { return data_.get(); }
  const std::byte* data() const { return data_.get(); }
  size_t size() const { return bytes_; }
  ByteSpan span() { return {data_.get(), bytes_}; }
  ConstByteSpan span() const { return {data_.get(), bytes_}; }
  template <typename T>
  T* as() {
    return reinterpret_cast<T*>(data_.get());
  }
  template <typename T>
  const T* as() const {
    return reinterpret_cast<const T*>(data_.get());
  }

 private:
  struct Free {
    void operator()(std::byte* p) const { ::operator delete (p, std::align_val_t{kAlignment}); }
  };
  std::unique_ptr<std::byte, Free> data_;
  size_t bytes_ = 0;
};

// Memory for a secret of any size: wiped before it is freed.
class SecretBuffer {
 public:
  explicit SecretBuffer(size_t bytes) : buffer_(bytes) {}
  SecretBuffer(const SecretBuffer&) = delete;
  SecretBuffer& operator=(const SecretBuffer&) = delete;
  ~SecretBuffer() {
    if (buffer_.size() != 0) secure_wipe(buffer_.data(), buffer_.size());
  }
  ByteSpan span() { return buffer_.span(); }

 private:
  AlignedBuffer buffer_;
};

// A fixed-size secret (a key, a nonce seed): wiped on destruction, never copied by accident, and
// read only through expose_secret(), which grep finds.
template <size_t N>
class SecretBytes {
 public:
  SecretBytes() = default;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  SecretBytes(SecretBytes&& other) noexcept { take(other); }
  SecretBytes& operator=(SecretBytes&& other) noexcept {
    if (this != &other) take(other);
    return *this;
  }
  ~SecretBytes() { secure_wipe(bytes_, N); }

  static constexpr size_t size() { return N; }
  std::span<const std::byte, N> expose_secret() const {
    return std::span<const std::byte, N>(bytes_);
  }
  std::span<std::byte, N> expose_secret() { return std::span<std::byte, N>(bytes_); }

 private:
  void take(SecretBytes& other) {
    std::memcpy(bytes_, other.bytes_, N);
    secure_wipe(other.bytes_, N);
  }
  std::byte bytes_[N] = {};
};

template <typename T>
ConstByteSpan object_bytes(const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  return {reinterpret_cast<const std::byte*>(&value), sizeof(T)};
}

}  // namespace taoism
