#include "partition/split_layer.h"

#include <algorithm>
#include <limits>

#include "partition/facts.h"

namespace taoism::partition {
namespace {

// A new constant named after the layer's weights, as private as they are and of their origin, and
// its memory.
std::pair<ir::ValueId, std::byte*> add_constant_like(ir::Graph& graph, const LayerWeights& layer,
                                                     const char* suffix, ir::TensorDesc desc) {
  const std::string name = graph.value(layer.value).name + suffix;
  const bool is_private = graph.value(layer.value).is_private;
  const ir::OriginId origin = graph.value(layer.value).origin;
  auto [constant, bytes] = ir::make_constant(desc);
  const ir::ValueId id = graph.add_constant(name, std::move(constant), origin);
  graph.value(id).is_private = is_private;
  return {id, bytes};
}

// The same, of the weights' own shape.
std::pair<ir::ValueId, float*> add_weights_like(ir::Graph& graph, const LayerWeights& layer,
                                                const char* suffix) {
  const auto [id, bytes] = add_constant_like(graph, layer, suffix, graph.value(layer.value).desc);
  return {id, reinterpret_cast<float*>(bytes)};
}

// Makes `node` compute a partial result on `weights`, without bias, on the device. Returns what the
// TEE node that completes it starts from: the name, the origin and the output that readers know.
ir::Node split_off(ir::Graph& graph, ir::NodeId id, ir::ValueId weights, const char* op,
                   const char* suffix) {
  const ir::ValueId whole = graph.node(id).outputs[0];
  const ir::ValueId partial =
      graph.add_value(graph.value(whole).name + ".partial", graph.value(whole).desc);
  ir::Node inside;
  inside.op = op;
  inside.name = graph.node(id).name + suffix;
  inside.inputs = {partial};
  inside.outputs = {whole};
  inside.placement = ir::Placement::tee;
  ir::Node& node = graph.node(id);
  inside.origin = node.origin.empty() ? node.name : node.origin;
  node.origin = inside.origin;
  node.inputs = {node.inputs[0], weights};
  node.outputs = {partial};
  node.placement = ir::Placement::device;
  graph.value(partial).producer = id;
  return inside;
}

// Whether taoism.Restore adds a bias along the layer's output channels: it takes dimension 1, a
// linear layer the last one.
bool restores_bias(const ir::Graph& graph, const ir::Node& node) {
  return node.op == "Conv" || graph.value(node.outputs[0]).desc.shape.rank() <= 2;
}

}  // namespace

Result<LayerWeights> layer_weights(const ir::Graph& graph, ir::NodeId id) {
  const ir::Node& node = graph.node(id);
  if (!is_splittable(graph, node)) {
    return unsupported("only a convolution or a product with a constant matrix can be split");
  }
  const ir::Value& weights = graph.value(node.inputs[1]);
  const ir::Shape& shape = weights.desc.shape;
  LayerWeights layer;
  layer.value = node.inputs[1];
  const auto elems = static_cast<size_t>(shape.elements());
  layer.values = {weights.constant->f32(), elems};
  layer.row_major = node.op == "Conv" || node.attrs.i("trans_w", 1) != 0;
  layer.rows = static_cast<size_t>(shape[layer.row_major ? 0 : 1]);
  layer.row_elems = layer.rows == 0 ? 0 : elems / layer.rows;
  return layer;
}

Status split_sparse(ir::Graph& graph, ir::NodeId id, const LayerWeights& layer,
                    const std::vector<bool>& kept) {
  TAOISM_CHECK(kept.size() == layer.values.size());
  const auto count = static_cast<int64_t>(std::count(kept.begin(), kept.end(), true));
  TAOISM_CHECK(count > 0);
  if (count > std::numeric_limits<int32_t>::max()) {
    return unsupported("more than 2^31 weights in one layer cannot be kept apart");
  }
  const auto [remainder, outside] = add_weights_like(graph, layer, ".remainder");
  const auto [values, values_out] =
      add_constant_like(graph, layer, ".kept", {ir::DType::f32, {count}});
  const auto [index, index_out] =
      add_constant_like(graph, layer, ".kept_index", {ir::DType::i32, {count}});
  const auto [starts, starts_out] = add_constant_like(
      graph, layer, ".kept_rows", {ir::DType::i32, {static_cast<int64_t>(layer.rows) + 1}});
  auto* kept_values = reinterpret_cast<float*>(values_out);
  auto* kept_index = reinterpret_cast<int32_t*>(index_out);
  auto* row_starts = reinterpret_cast<int32_t*>(starts_out);
  int32_t next = 0;
  for (size_t row = 0; row < layer.rows; ++row) {
    row_starts[row] = next;
    for (size_t column = 0; column < layer.row_elems; ++column) {
      const size_t i = layer.row_major ? row * layer.row_elems + column : column * layer.rows + row;
      outside[i] = kept[i] ? 0.0F : layer.values[i];
      if (!kept[i]) continue;
      kept_values[next] = layer.values[i];
      kept_index[next++] = static_cast<int32_t>(column);
    }
  }
  row_starts[layer.rows] = next;

  const ir::Node before = graph.node(id);
  ir::Node inside = split_off(graph, id, remainder, "taoism.SparseResidual", ".residual");
  inside.inputs.insert(inside.inputs.end(), {before.inputs[0], values, index, starts});
  if (const ir::ValueId bias = input_of(before, 2); bias != ir::kNoValue)
    inside.inputs.push_back(bias);
  inside.why = "adds the weights kept inside and the bias";
  if (before.op == "Conv") inside.attrs = before.attrs;
  inside.attrs.set("out_channels", static_cast<int64_t>(layer.rows));
  if (before.op == "Conv") {
    if (!inside.attrs.has("kernel_shape")) {
      const ir::Shape& shape = graph.value(layer.value).desc.shape;
      inside.attrs.set("kernel_shape", std::vector<int64_t>(shape.begin() + 2, shape.end()));
    }
  } else {
    inside.attrs.set("kind", std::string("linear"));
  }
  graph.add_node(std::move(inside));
  return {};
}

Status split_restore(ir::Graph& graph, ir::NodeId id, const LayerWeights& layer, float scale,
                     const char* why) {
  const ir::ValueId bias = input_of(graph.node(id), 2);
  ir::ValueId weights = layer.value;
  if (scale != 1.0F) {
    const auto [scaled, outside] = add_weights_like(graph, layer, ".scaled");
    for (size_t i = 0; i < layer.values.size(); ++i) outside[i] = layer.values[i] * scale;
    weights = scaled;
  } else if (bias == ir::kNoValue) {
    return {};
  }
  const bool bias_apart = bias != ir::kNoValue && !restores_bias(graph, graph.node(id));
  const bool add_alone = bias_apart && scale == 1.0F;
  ir::Node inside = split_off(graph, id, weights, add_alone ? "Add" : "taoism.Restore", ".restore");
  inside.why = why;
  if (!add_alone) inside.attrs.set("scale", 1.0F / scale);
  if (bias != ir::kNoValue && (add_alone || !bias_apart)) inside.inputs.push_back(bias);
  if (bias_apart && !add_alone) {
    const ir::ValueId whole = inside.outputs[0];
    const ir::ValueId restored =
        graph.add_value(graph.value(whole).name + ".restored", graph.value(whole).desc);
    ir::Node add = inside;
    add.op = "Add";
    add.attrs = {};
    add.name = graph.node(id).name + ".bias";
    add.inputs = {restored, bias};
    inside.outputs = {restored};
    graph.add_node(std::move(inside));
    graph.add_node(std::move(add));
    return {};
  }
  graph.add_node(std::move(inside));
  return {};
}

}  // namespace taoism::partition
