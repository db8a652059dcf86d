#include "ir/telling.h"

#include <cstring>

namespace taoism::ir {

bool is_telling(const Constant& constant) {
  constexpr int64_t kLeastElements = 256;
  if (constant.desc.shape.elements() < kLeastElements) return false;
  const size_t size = dtype_bytes(constant.desc.dtype);
  return std::memcmp(constant.data, constant.data + size, constant.desc.bytes() - size) != 0;
}

}  // namespace taoism::ir
