#include "partition/written_out.h"

#include <algorithm>
#include <cmath>

namespace taoism::partition {
namespace {

using ir::Graph;
using ir::kNoNode;
using ir::kNoValue;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

class Search {
 public:
  explicit Search(Graph& graph) : graph_(graph), readers_(graph.consumers()) {}

  void join(NodeId id) {
    Node& node = graph_.node(id);
    if (!plain(node, "Mul", 2)) return;
    const ValueId gated = swish_of(node);
    const ValueId x = gated != kNoValue ? gated : gelu_of(node);
    if (x == kNoValue || graph_.value(x).desc != graph_.value(node.outputs[0]).desc) return;
    node.op = gated != kNoValue ? "Swish" : "Gelu";
    node.inputs = {x};
  }

 private:
  static bool plain(const Node& node, std::string_view op, size_t inputs) {
    return node.op == op && node.inputs.size() == inputs && !node.attrs.has("activation");
  }

  // The producer of `value`, an `op`, when nobody but `reader`, once and on the same side, reads
  // it.
  const Node* producer(ValueId value, const Node& reader, std::string_view op,
                       size_t inputs) const {
    if (value == kNoValue || graph_.is_output(value)) return nullptr;
    const NodeId id = graph_.value(value).producer;
    if (id == kNoNode || readers_[static_cast<size_t>(value)].size() != 1) return nullptr;
    const Node& node = graph_.node(id);
    return node.placement == reader.placement && plain(node, op, inputs) ? &node : nullptr;
  }

  // The one number that `value` is, NaN for what is none.
  float number(ValueId value) const {
    const auto& constant = graph_.value(value).constant;
    const bool one = constant != nullptr && constant->desc.dtype == ir::DType::f32 &&
                     constant->desc.shape.elements() == 1;
    return one ? constant->f32()[0] : NAN;
  }
  bool is(ValueId value, double wanted) const {
    return std::fabs(number(value) - wanted) <= 1e-3 * wanted;
  }
  // The other input of a node of two, one of which is about `wanted`.
  ValueId beside(const Node& node, double wanted) const {
    if (is(node.inputs[1], wanted)) return node.inputs[0];
    return is(node.inputs[0], wanted) ? node.inputs[1] : kNoValue;
  }

  ValueId swish_of(const Node& product) const {
    for (size_t side = 0; side < 2; ++side) {
      const Node* gate = producer(product.inputs[side], product, "Sigmoid", 1);
      const ValueId x = product.inputs[1 - side];
      if (gate != nullptr && gate->inputs[0] == x) return x;
    }
    return kNoValue;
  }

  // x of 1 + erf(x / sqrt(2)).
  ValueId in_erf(ValueId value, const Node& reader) const {
    const Node* sum = producer(value, reader, "Add", 2);
    if (sum == nullptr) return kNoValue;
    const Node* erf = producer(beside(*sum, 1.0), *sum, "Erf", 1);
    if (erf == nullptr) return kNoValue;
    const Node* quotient = producer(erf->inputs[0], *erf, "Div", 2);
    if (quotient != nullptr) {
      return is(quotient->inputs[1], std::sqrt(2.0)) ? quotient->inputs[0] : kNoValue;
    }
    const Node* scaled = producer(erf->inputs[0], *erf, "Mul", 2);
    return scaled != nullptr ? beside(*scaled, std::sqrt(0.5)) : kNoValue;
  }

  // Of (x * (1 + erf)) * 0.5, (x * 0.5) * (1 + erf) and x * (0.5 * (1 + erf)).
  ValueId gelu_of(const Node& product) const {
    const ValueId halved = beside(product, 0.5);
    const Node* inner = halved != kNoValue ? producer(halved, product, "Mul", 2) : nullptr;
    if (inner != nullptr) {
      for (size_t side = 0; side < 2; ++side) {
        const ValueId x = inner->inputs[1 - side];
        if (in_erf(inner->inputs[side], *inner) == x) return x;
      }
      return kNoValue;
    }
    for (size_t side = 0; side < 2; ++side) {
      const Node* half = producer(product.inputs[side], product, "Mul", 2);
      if (half == nullptr) continue;
      const ValueId other = product.inputs[1 - side];
      const ValueId rest = beside(*half, 0.5);
      if (rest == kNoValue) continue;
      if (in_erf(other, product) == rest) return rest;
      if (in_erf(rest, *half) == other) return other;
    }
    return kNoValue;
  }

  Graph& graph_;
  std::vector<std::vector<NodeId>> readers_;  // by value
};

}  // namespace

Status join_written_out(Graph& graph) {
  Search search(graph);
  for (NodeId id = 0; id < static_cast<NodeId>(graph.node_count()); ++id) search.join(id);
  return graph.tidy();
}

}  // namespace taoism::partition
