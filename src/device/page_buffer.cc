#include "device/page_buffer.h"

#include <sys/mman.h>

namespace taoism::device {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

}  // namespace

PageBuffer::PageBuffer(size_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  // Room to begin at a huge page, where it is one.
  mapping_bytes_ = bytes < kHugePage ? bytes : bytes + kHugePage;
  mapping_ =
      mmap(nullptr, mapping_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  TAOISM_CHECK(mapping_ != MAP_FAILED);
  data_ = static_cast<std::byte*>(mapping_);
  if (bytes < kHugePage) return;
  data_ +=
      round_up(reinterpret_cast<uintptr_t>(data_), kHugePage) - reinterpret_cast<uintptr_t>(data_);
  // A system that has none of them gives ordinary pages.
  madvise(data_, bytes, MADV_HUGEPAGE);
}

PageBuffer::~PageBuffer() {
  if (mapping_ != nullptr) munmap(mapping_, mapping_bytes_);
}

}  // namespace taoism::device
