// What strategies ask about a node: its role, its weights, its cost. Host only. Thread-safety: pure
// functions.
#pragma once

#include "ir/graph.h"
#include "ops/op.h"

namespace taoism::partition {

// A value's or node's place in a vector by value or by node.
inline size_t idx(int32_t id) { return static_cast<size_t>(id); }

inline uint64_t elems(const ir::Graph& graph, ir::ValueId id) {
  return static_cast<uint64_t>(graph.value(id).desc.shape.elements());
}

// The operator's role; nonlinear, which no strategy gives away, for an operator that is not known.
ops::Role role_of(const ir::Node& node);

// A linear operator with float weights: a "layer" in the sense of the strategies.
bool is_layer(const ir::Graph& graph, const ir::Node& node);

// What the operator claims to show; opaque for one that is not known.
ops::Form form_of(const ir::Node& node);

// A layer whose weights a rewrite can take apart: an unfused convolution or product with a matrix.
bool is_splittable(const ir::Graph& graph, const ir::Node& node);

// Cost per image; zero for an operator that is not known.
ops::Cost cost_of(const ir::Graph& graph, const ir::Node& node);

// Whether input `index` of the node is a parameter of the model: a constant, of whatever type, that
// the node computes with. Running statistics of batch normalization are none, nor is what says
// where (OpDef::place_inputs).
bool is_parameter(const ir::Graph& graph, const ir::Node& node, size_t index);

// Input `index`, or kNoValue when the node has none there.
ir::ValueId input_of(const ir::Node& node, size_t index);

}  // namespace taoism::partition
