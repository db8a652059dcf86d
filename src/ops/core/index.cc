#include "ops/core/index.h"

#include <algorithm>

namespace taoism::ops {

Result<ir::Shape> broadcast_shape(const ir::Shape& a, const ir::Shape& b) {
  const size_t rank = std::max(a.rank(), b.rank());
  const auto dim = [rank](const ir::Shape& s, size_t i) {
    return i + s.rank() < rank ? int64_t{1} : s[i + s.rank() - rank];
  };
  ir::Shape out;
  for (size_t i = 0; i < rank; ++i) {
    const int64_t x = dim(a, i), y = dim(b, i);
    if (x != y && x != 1 && y != 1) {
      return invalid_argument("shapes " + a.text() + " and " + b.text() + " do not broadcast");
    }
    out.push_back(x == 1 ? y : x);
  }
  return out;
}

Index broadcast_strides(const ir::Shape& shape, const ir::Shape& out) {
  const Index own = strides_of(shape);
  const size_t skipped = out.rank() - shape.rank();
  Index strides = {};
  for (size_t i = 0; i < shape.rank(); ++i) {
    strides[skipped + i] = shape[i] == 1 ? 0 : own[i];
  }
  return strides;
}

}  // namespace taoism::ops
