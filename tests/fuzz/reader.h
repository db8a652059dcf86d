// Takes a fuzzer's input apart from its front. What is not there reads as zero, so that every input
// means something.
#pragma once

#include <algorithm>
#include <cstring>

#include "base/bytes.h"

namespace taoism::fuzz {

class Reader {
 public:
  Reader(const uint8_t* data, size_t size)
      : bytes_(reinterpret_cast<const std::byte*>(data), size) {}

  bool is_empty() const { return bytes_.empty(); }
  ConstByteSpan rest() const { return bytes_; }
  // At most `count` bytes.
  ConstByteSpan take(size_t count) {
    const ConstByteSpan taken = bytes_.first(std::min(count, bytes_.size()));
    bytes_ = bytes_.subspan(taken.size());
    return taken;
  }
  template <typename T>
  T value() {
    T value{};
    const ConstByteSpan taken = take(sizeof(T));
    if (!taken.empty()) std::memcpy(&value, taken.data(), taken.size());
    return value;
  }
  // In [0, count); count > 0.
  size_t below(size_t count) { return value<uint32_t>() % count; }

 private:
  ConstByteSpan bytes_;
};

}  // namespace taoism::fuzz
