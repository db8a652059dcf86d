#include "ops/core/split.h"

#include <algorithm>

namespace taoism::ops {
namespace {

constexpr size_t kImageRank = 4, kRowAxis = 2;

}  // namespace

bool has_rows(const NodeView& node, Rows out) {
  const ir::Shape& shape = node.outputs[0].shape;
  return shape.rank() == kImageRank && out.begin >= 0 && out.begin < out.end &&
         out.end <= shape[kRowAxis];
}

bool split_rows_alike(const NodeView& node, Rows out, std::span<Rows> in, ir::Attrs&) {
  if (!has_rows(node, out)) return false;
  const int64_t height = node.outputs[0].shape[kRowAxis];
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (!node.has(i)) continue;
    const ir::Shape& shape = node.shape(i);
    if (node.inputs[i].is_weight) {
      if (shape.rank() >= 2 && shape[shape.rank() - 2] != 1) return false;
      continue;
    }
    if (shape.rank() != kImageRank) return false;
    if (shape[kRowAxis] != height && shape[kRowAxis] != 1) return false;
    in[i] = shape[kRowAxis] == height ? out : Rows{0, 1};
  }
  return true;
}

bool split_window_rows(const NodeView& node, const Window& window, size_t input, Rows out,
                       std::span<Rows> in, ir::Attrs& attrs) {
  if (node.inputs[input].is_weight) return false;
  const int64_t height = node.shape(input)[kRowAxis];
  const Rows seen{out.begin * window.stride[0] - window.pad_begin[0],
                  (out.end - 1) * window.stride[0] - window.pad_begin[0] + window.span(0)};
  const Rows there{std::max<int64_t>(seen.begin, 0), std::min(seen.end, height)};
  if (there.size() <= 0) return false;
  in[input] = there;
  attrs.set("pads", std::vector<int64_t>{there.begin - seen.begin, window.pad_begin[1],
                                         seen.end - there.end, window.pad_end[1]});
  return true;
}

}  // namespace taoism::ops
