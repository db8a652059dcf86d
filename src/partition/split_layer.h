// Taking a linear layer apart into a device part on altered weights and a TEE part that makes its
// result whole: what the rewrites of strategies share. Host only. Thread-safety: pure functions.
#pragma once

#include <span>
#include <vector>

#include "ir/graph.h"

namespace taoism::partition {

// The weights of a splittable layer as rows, one per output channel.
struct LayerWeights {
  ir::ValueId value = ir::kNoValue;
  std::span<const float> values;  // as they lie in memory
  size_t rows = 0;                // output channels
  size_t row_elems = 0;
  bool row_major = true;  // element (row, i) is values[row * row_elems + i], else [i * rows + row]
};

// Errors: unsupported for a node that is no splittable layer.
Result<LayerWeights> layer_weights(const ir::Graph& graph, ir::NodeId node);

// The layer without bias and with zeroes where `kept` is set (for at least one of layer.values)
// goes to the device; taoism.SparseResidual in the TEE adds what those weights contribute, and the
// bias.
Status split_sparse(ir::Graph& graph, ir::NodeId node, const LayerWeights& layer,
                    const std::vector<bool>& kept);

// The layer without bias and with weights times `scale` goes to the device; taoism.Restore in the
// TEE divides by it and adds the bias. Nothing is left for the TEE when the scale is 1 and there is
// no bias.
Status split_restore(ir::Graph& graph, ir::NodeId node, const LayerWeights& layer, float scale,
                     const char* why);

}  // namespace taoism::partition
