#include "partition/fuse.h"

#include <algorithm>
#include <cmath>

#include "ops/fused.h"
#include "ops/op.h"
#include "partition/written_out.h"

namespace taoism::partition {
namespace {

using ir::Graph;
using ir::kNoNode;
using ir::kNoValue;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

constexpr size_t kConvBias = 2, kConvResidual = 3;

bool takes_activation(const Node& node) {
  const ops::OpDef* op = ops::find_op(node.op);
  return op != nullptr && !node.attrs.has("activation") &&
         std::any_of(op->attrs.begin(), op->attrs.end(), [](const ops::AttrSpec& spec) {
           return std::string_view(spec.name) == "activation";
         });
}

class Fusion {
 public:
  explicit Fusion(Graph& graph) : graph_(graph) {}

  Status run() {
    for (auto pass : {&Fusion::fold_batch_norm, &Fusion::fuse_residual, &Fusion::fuse_activation}) {
      readers_ = graph_.consumers();
      for (NodeId id = 0; id < static_cast<NodeId>(graph_.node_count()); ++id) (this->*pass)(id);
      TAOISM_RETURN_IF_ERROR(graph_.tidy());
    }
    return {};
  }

 private:
  // The producer of `value` when `reader` is all that ever looks at it, on the same side.
  NodeId sole_producer(ValueId value, const Node& reader) const {
    if (value == kNoValue || graph_.is_output(value)) return kNoNode;
    const NodeId producer = graph_.value(value).producer;
    if (producer == kNoNode || readers_[static_cast<size_t>(value)].size() != 1) return kNoNode;
    const Node& node = graph_.node(producer);
    const auto uses = std::count(reader.inputs.begin(), reader.inputs.end(), value);
    return node.placement == reader.placement && node.outputs.size() == 1 && uses == 1 ? producer
                                                                                       : kNoNode;
  }

  // What computes `value`, seen through operators that only move elements and that nobody else
  // looks at, where they keep images and channels apart: at most one of them joins several channels
  // (of its input [N, C * spread, ...]) to one. `last` is the one next to `reader`.
  struct Source {
    NodeId node = kNoNode, last = kNoNode;
    int64_t spread = 1;
  };
  Source source_of(ValueId value, const Node& reader) const {
    Source source;
    source.last = source.node = sole_producer(value, reader);
    while (source.node != kNoNode) {
      const Node& node = graph_.node(source.node);
      const bool moves = node.op == "Reshape" || node.op == "Transpose" || node.op == "Slice";
      if (!moves) return source;
      const ir::Shape& to = graph_.value(node.outputs[0]).desc.shape;
      const ir::Shape& from = graph_.value(node.inputs[0]).desc.shape;
      if (to.rank() < 2 || from.rank() < 2 || from[0] != to[0] || to[1] == 0) return {};
      if (node.op == "Transpose") {
        const auto perm = node.attrs.ints("perm");
        if (perm.size() < 2 || perm[0] != 0 || perm[1] != 1) return {};
      } else if (node.op == "Slice" ? from[1] != to[1] : from[1] % to[1] != 0) {
        return {};
      }
      source.spread *= from[1] / to[1];
      source.node = sole_producer(node.inputs[0], node);
    }
    return source;
  }

  // `into` takes over `absorbed`'s output; `absorbed` is left without readers for tidy() to drop.
  void absorb(Node& into, Node& absorbed) {
    std::swap(into.outputs[0], absorbed.outputs[0]);
    graph_.value(into.outputs[0]).producer = static_cast<NodeId>(&into - graph_.nodes().data());
    graph_.value(absorbed.outputs[0]).producer =
        static_cast<NodeId>(&absorbed - graph_.nodes().data());
    absorbed.inputs.clear();
    readers_[static_cast<size_t>(absorbed.outputs[0])].clear();
  }

  void fold_batch_norm(NodeId id) {
    Node& norm = graph_.node(id);
    if (norm.op != "BatchNormalization" || norm.inputs.size() != 5) return;
    const Source source = source_of(norm.inputs[0], norm);
    if (source.node == kNoNode) return;
    Node& linear = graph_.node(source.node);
    const bool is_conv = linear.op == "Conv";
    if (!is_conv && source.node != source.last) return;
    if ((!is_conv && linear.op != "Linear") || linear.attrs.has("activation") ||
        (linear.inputs.size() > kConvResidual && linear.inputs[kConvResidual] != kNoValue)) {
      return;
    }
    const ir::Value& out = graph_.value(norm.outputs[0]);
    if (!is_conv && out.desc.shape.rank() != 2) return;
    const bool has_bias = linear.inputs.size() > kConvBias && linear.inputs[kConvBias] != kNoValue;
    const auto& weight = graph_.value(linear.inputs[1]).constant;
    if (weight == nullptr || (has_bias && !graph_.value(linear.inputs[kConvBias]).is_constant()))
      return;
    const float* parameter[4];  // scale, shift, mean, variance
    for (size_t i = 0; i < 4; ++i) {
      const auto& constant = graph_.value(norm.inputs[i + 1]).constant;
      if (constant == nullptr) return;
      parameter[i] = constant->f32();
    }
    const bool rows_are_outputs = is_conv || linear.attrs.i("trans_w", 1) == 1;
    const auto spread = static_cast<size_t>(source.spread);
    const size_t channels = static_cast<size_t>(out.desc.shape[1]) * spread;
    const double epsilon = norm.attrs.f("epsilon", 1e-5F);
    auto [folded, folded_bytes] = ir::make_constant(weight->desc);
    auto [bias, bias_bytes] = ir::make_constant({ir::DType::f32, {static_cast<int64_t>(channels)}});
    auto* w = reinterpret_cast<float*>(folded_bytes);
    auto* b = reinterpret_cast<float*>(bias_bytes);
    const float* old_bias =
        has_bias ? graph_.value(linear.inputs[kConvBias]).constant->f32() : nullptr;
    const size_t count = static_cast<size_t>(weight->desc.shape.elements());
    const size_t row = count / channels;
    std::vector<double> scale(channels);
    for (size_t c = 0; c < channels; ++c) {
      const size_t p = c / spread;
      scale[c] = parameter[0][p] / std::sqrt(static_cast<double>(parameter[3][p]) + epsilon);
      const double before = old_bias != nullptr ? old_bias[c] : 0.0;
      b[c] = static_cast<float>((before - parameter[2][p]) * scale[c] + parameter[1][p]);
    }
    for (size_t i = 0; i < count; ++i) {
      w[i] =
          static_cast<float>(weight->f32()[i] * scale[rows_are_outputs ? i / row : i % channels]);
    }
    const std::string base = linear.name;
    const ValueId new_weight = graph_.add_constant(base + ".weight.folded", std::move(folded));
    const ValueId new_bias = graph_.add_constant(base + ".bias.folded", std::move(bias));
    readers_.resize(graph_.value_count());
    linear.inputs[1] = new_weight;
    if (linear.inputs.size() <= kConvBias) linear.inputs.resize(kConvBias + 1, kNoValue);
    linear.inputs[kConvBias] = new_bias;
    absorb(graph_.node(source.last), norm);
  }

  void fuse_residual(NodeId id) {
    Node& add = graph_.node(id);
    if (add.op != "Add" || add.inputs.size() != 2 || add.attrs.has("activation")) return;
    const ir::TensorDesc& out = graph_.value(add.outputs[0]).desc;
    // The operand that is computed later saves the longer wait.
    NodeId best = kNoNode;
    size_t best_side = 0;
    for (size_t side = 0; side < 2; ++side) {
      const NodeId producer = sole_producer(add.inputs[side], add);
      if (producer == kNoNode || producer < best) continue;
      const Node& conv = graph_.node(producer);
      const ir::Value& other = graph_.value(add.inputs[1 - side]);
      if (conv.op != "Conv" || conv.attrs.has("activation") || other.is_constant() ||
          other.desc != out || graph_.value(add.inputs[side]).desc != out ||
          (conv.inputs.size() > kConvResidual && conv.inputs[kConvResidual] != kNoValue)) {
        continue;
      }
      best = producer;
      best_side = side;
    }
    if (best == kNoNode) return;
    Node& conv = graph_.node(best);
    conv.inputs.resize(kConvResidual + 1, kNoValue);
    const ValueId residual = add.inputs[1 - best_side];
    conv.inputs[kConvResidual] = residual;
    std::replace(readers_[static_cast<size_t>(residual)].begin(),
                 readers_[static_cast<size_t>(residual)].end(), id, best);
    absorb(conv, add);
  }

  void fuse_activation(NodeId id) {
    Node& node = graph_.node(id);
    const auto activation = ops::activation_of(node.op, node.attrs);
    if (!activation || node.inputs.size() != 1) return;
    const Source source = source_of(node.inputs[0], node);
    if (source.node == kNoNode) return;
    Node& into = graph_.node(source.node);
    if (!takes_activation(into)) return;
    ops::set_fused_activation(into.attrs, *activation);
    absorb(graph_.node(source.last), node);
  }

  Graph& graph_;
  std::vector<std::vector<NodeId>> readers_;  // by value
};

}  // namespace

Status fuse(Graph& graph) {
  TAOISM_RETURN_IF_ERROR(join_written_out(graph));
  return Fusion(graph).run();
}

}  // namespace taoism::partition
