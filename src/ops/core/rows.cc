#include "ops/core/rows.h"

#include <algorithm>
#include <vector>

namespace taoism::ops {

bool splits_batch(const OpDef& def, const NodeView& node) {
  const ir::Shape& out = node.outputs[0].shape;
  if (def.rows == nullptr || out.rank() == 0) return false;
  std::vector<RowAxis> in(node.inputs.size());
  bool any = false;
  for (size_t i = 0; i < in.size(); ++i) {
    if (!node.has(i) || node.inputs[i].is_weight) continue;
    if (node.shape(i).rank() == 0 || node.shape(i)[0] != out[0]) return false;
    in[i].axis = 0;
    any = true;
  }
  RowAxis made{.axis = 0};
  return any && def.rows(node, in, made) == nullptr && made == RowAxis{.axis = 0};
}

bool has_rows_alone(std::span<const RowAxis> in, size_t input) {
  for (size_t i = 0; i < in.size(); ++i) {
    if (i != input && in[i].any()) return false;
  }
  return true;
}

const char* rows_alike(const NodeView&, std::span<const RowAxis> in, RowAxis& out) {
  if (!has_rows_alone(in, 0)) return kMixesInputs;
  out = in[0];
  return nullptr;
}

const char* rows_of_images(const NodeView&, std::span<const RowAxis> in, RowAxis& out) {
  return rows_before(1, in, out);
}

const char* rows_before(size_t end, std::span<const RowAxis> in, RowAxis& out) {
  if (!has_rows_alone(in, 0)) return kMixesInputs;
  if (static_cast<size_t>(in[0].axis) >= end) return kMixesAcross;
  out = in[0];
  return nullptr;
}

const char* rows_beside(size_t axis, std::span<const RowAxis> in, RowAxis& out) {
  if (!has_rows_alone(in, 0)) return kMixesInputs;
  if (static_cast<size_t>(in[0].axis) == axis) return kMixesAcross;
  out = in[0];
  return nullptr;
}

const char* rows_broadcast(const NodeView& node, std::span<const RowAxis> in, RowAxis& out) {
  const auto rank = static_cast<int>(node.outputs[0].shape.rank());
  out = {};
  for (size_t i = 0; i < in.size(); ++i) {
    if (!in[i].any()) continue;
    RowAxis here = in[i];
    here.axis += rank - static_cast<int>(node.shape(i).rank());
    if (out.any() && !(out == here)) return kMixesInputs;
    out = here;
  }
  for (size_t i = 0; i < in.size(); ++i) {
    if (!node.has(i) || in[i].any()) continue;
    const int axis = out.axis - (rank - static_cast<int>(node.shape(i).rank()));
    if (axis >= 0 && node.shape(i)[static_cast<size_t>(axis)] != 1) return kMixesInputs;
  }
  return nullptr;
}

}  // namespace taoism::ops
