#include "base/bytes.h"

namespace taoism {

void secure_wipe(void* data, size_t bytes) {
  std::memset(data, 0, bytes);
  __asm__ __volatile__("" : : "r"(data) : "memory");
}

AlignedBuffer::AlignedBuffer(size_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  void* memory = ::operator new (bytes, std::align_val_t{kAlignment});
  std::memset(memory, 0, bytes);
  data_.reset(static_cast<std::byte*>(memory));
}

}  // namespace taoism
