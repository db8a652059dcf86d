// PageBuffer: zeroed memory of a device's own, in huge pages where the system gives them on
// request: weights and activations are read from end to end, and with pages of 4 KiB the processor
// spends up to a quarter of the time of a layer that is all weights on finding them. Thread-safety:
// a value.
#pragma once

#include <cstddef>

#include "base/bytes.h"

namespace taoism::device {

class PageBuffer {
 public:
  // Aborts when the address space is spent (host/memory.h says so before); pages themselves are
  // taken when they are first touched.
  explicit PageBuffer(size_t bytes);
  ~PageBuffer();
  PageBuffer(const PageBuffer&) = delete;
  PageBuffer& operator=(const PageBuffer&) = delete;

  ByteSpan span() const { return {data_, bytes_}; }

 private:
  void* mapping_ = nullptr;
  size_t mapping_bytes_ = 0;
  std::byte* data_ = nullptr;
  size_t bytes_;
};

}  // namespace taoism::device
