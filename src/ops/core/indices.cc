#include "ops/core/indices.h"

#include <algorithm>
#include <atomic>

#include "ops/core/broadcast.h"
#include "ops/core/rules.h"

namespace taoism::ops {
namespace {

bool is_in_range(int64_t index, int64_t dim) { return index >= -dim && index < dim; }

}  // namespace

Outcome indices_fault(std::span<const int64_t> indices, std::span<const int64_t> dims,
                      Parallel& parallel) {
  const auto depth = static_cast<int64_t>(dims.size());
  const auto count = static_cast<int64_t>(indices.size()) / depth;
  std::atomic<bool> is_good = true;
  for_pieces(parallel, count, std::max<int64_t>(1, kTaskElems / depth),
             [&](int64_t begin, int64_t end) {
               bool good = true;
               for (int64_t d = 0; d < depth; ++d) {
                 const int64_t dim = dims[static_cast<size_t>(d)];
                 for (int64_t i = begin; i < end; ++i) {
                   good &= is_in_range(indices[static_cast<size_t>(i * depth + d)], dim);
                 }
               }
               if (!good) is_good.store(false, std::memory_order_relaxed);
             });
  if (is_good) return {};
  for (size_t i = 0; i < indices.size(); ++i) {
    const int64_t dim = dims[i % dims.size()];
    if (!is_in_range(indices[i], dim)) return out_of_range(indices[i], dim);
  }
  return {};
}

Outcome axis_fault(const NodeView& node, const int64_t* indices, Parallel& parallel) {
  const ir::Shape& x = node.shape(0);
  const int64_t dim = x[*normalize_axis(node.attrs.i("axis", 0), x.rank())];
  const auto count = static_cast<size_t>(node.shape(1).elements());
  return indices_fault({indices, count}, {&dim, 1}, parallel);
}

Outcome division_fault(const ir::TensorDesc& desc, const std::byte* divisors) {
  if (desc.dtype != ir::DType::i64) return {};
  const auto* begin = reinterpret_cast<const int64_t*>(divisors);
  const int64_t* end = begin + desc.shape.elements();
  if (std::find(begin, end, 0) == end) return {};
  return {.fault = Fault::division_by_zero};
}

}  // namespace taoism::ops
