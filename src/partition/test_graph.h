// Small models for tests, built in code, and a plain evaluator for them. Tests only.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "ops/graph_view.h"
#include "partition/random.h"

namespace taoism::partition::test {

class GraphBuilder {
 public:
  explicit GraphBuilder(uint64_t seed = 1) : random_(seed) {}

  ir::ValueId input(ir::Shape shape, std::string name = "x") {
    return graph_.add_input(std::move(name), {ir::DType::f32, shape});
  }
  // Any operator with one output; the type comes from its own shape rule.
  ir::ValueId node(const std::string& op, std::vector<ir::ValueId> inputs, ir::Attrs attrs = {},
                   std::string name = "") {
    ir::Node node;
    node.op = op;
    node.name = name.empty() ? op + "_" + std::to_string(graph_.node_count()) : std::move(name);
    node.inputs = std::move(inputs);
    node.attrs = std::move(attrs);
    const ops::OpDef* def = ops::find_op(op);
    EXPECT_NE(def, nullptr) << op;
    if (def == nullptr) std::abort();
    const ops::GraphNodeView holder(graph_, node);
    ir::TensorDesc desc;
    const Status status = ops::check_and_infer(*def, holder.view(), std::span(&desc, 1));
    EXPECT_TRUE(status.ok()) << status.message();
    const ir::ValueId output = graph_.add_value(node.name + ":0", desc);
    node.outputs = {output};
    graph_.add_node(std::move(node));
    return output;
  }
  // Values in [lowest, lowest + range); all zero when the range is 0.
  ir::ValueId weight(ir::Shape shape, float lowest = -0.5F, float range = 1.0F) {
    auto [constant, bytes] = ir::make_constant({ir::DType::f32, shape});
    auto* values = reinterpret_cast<float*>(bytes);
    if (range > 0 && !zero_weights_) {
      for (int64_t i = 0; i < shape.elements(); ++i) values[i] = lowest + range * random_.unit();
    }
    return graph_.add_constant("w" + std::to_string(graph_.value_count()), std::move(constant));
  }
  const ir::Shape& shape(ir::ValueId id) const { return graph_.value(id).desc.shape; }

  ir::ValueId conv(ir::ValueId x, int64_t out, int64_t kernel, int64_t stride = 1,
                   bool bias = false, int64_t groups = 1) {
    ir::Attrs attrs = window(kernel, stride, kernel / 2);
    attrs.set("group", groups);
    std::vector<ir::ValueId> inputs{x, weight({out, shape(x)[1] / groups, kernel, kernel})};
    if (bias) inputs.push_back(weight({out}));
    return node("Conv", inputs, attrs);
  }
  ir::ValueId batch_norm(ir::ValueId x) {
    const ir::Shape channels{shape(x)[1]};
    return node("BatchNormalization", {x, weight(channels, 0.5F), weight(channels),
                                       weight(channels), weight(channels, 0.5F)});
  }
  ir::ValueId relu(ir::ValueId x) { return node("Relu", {x}); }
  ir::ValueId conv_bn_relu(ir::ValueId x, int64_t out, int64_t kernel, int64_t stride = 1,
                           int64_t groups = 1) {
    return relu(batch_norm(conv(x, out, kernel, stride, false, groups)));
  }
  ir::ValueId max_pool(ir::ValueId x, int64_t kernel, int64_t stride, int64_t pad) {
    return node("MaxPool", {x}, window(kernel, stride, pad));
  }
  ir::ValueId flatten(ir::ValueId x) {
    ir::Attrs attrs;
    const ir::Shape& s = shape(x);
    attrs.set("shape", std::vector<int64_t>{s[0], s.product(1, s.rank())});
    return node("Reshape", {x}, attrs);
  }
  ir::ValueId linear(ir::ValueId x, int64_t out, bool bias = true, bool trans_w = true) {
    const ir::Shape& s = shape(x);
    const int64_t in = s[s.rank() - 1];
    ir::Attrs attrs;
    if (!trans_w) attrs.set("trans_w", int64_t{0});
    std::vector<ir::ValueId> inputs{x, weight(trans_w ? ir::Shape{out, in} : ir::Shape{in, out})};
    if (bias) inputs.push_back(weight({out}));
    return node("Linear", inputs, attrs);
  }
  // A residual block of two 3x3 convolutions, with a shortcut convolution where shapes differ.
  ir::ValueId basic_block(ir::ValueId x, int64_t out, int64_t stride) {
    const ir::ValueId main = batch_norm(conv(conv_bn_relu(x, out, 3, stride), out, 3));
    const bool same = stride == 1 && shape(x)[1] == out;
    const ir::ValueId shortcut = same ? x : batch_norm(conv(x, out, 1, stride));
    return relu(node("Add", {main, shortcut}));
  }
  ir::ValueId classifier(ir::ValueId x, int64_t classes) {
    return linear(flatten(node("GlobalAveragePool", {x})), classes);
  }

  // Skips filling weights, which takes time for large models.
  void use_zero_weights() { zero_weights_ = true; }
  ir::Graph finish(std::vector<ir::ValueId> outputs, std::string name = "test") {
    graph_.name = std::move(name);
    graph_.set_outputs(std::move(outputs));
    const Status status = graph_.verify();
    EXPECT_TRUE(status.ok()) << status.message();
    return std::move(graph_);
  }

 private:
  static ir::Attrs window(int64_t kernel, int64_t stride, int64_t pad) {
    ir::Attrs attrs;
    attrs.set("kernel_shape", std::vector<int64_t>{kernel, kernel});
    attrs.set("strides", std::vector<int64_t>{stride, stride});
    attrs.set("pads", std::vector<int64_t>{pad, pad, pad, pad});
    return attrs;
  }

  ir::Graph graph_;
  Random random_;
  bool zero_weights_ = false;
};

// torchvision's definition at 224, the one for CIFAR at 32; weights are zero.
inline ir::Graph resnet18(int64_t image, int64_t classes, int64_t batch = 1) {
  GraphBuilder b;
  b.use_zero_weights();
  ir::ValueId x = b.input({batch, 3, image, image});
  x = image == 32 ? b.conv_bn_relu(x, 64, 3) : b.max_pool(b.conv_bn_relu(x, 64, 7, 2), 3, 2, 1);
  for (int64_t stage = 0; stage < 4; ++stage) {
    x = b.basic_block(x, 64 << stage, stage == 0 ? 1 : 2);
    x = b.basic_block(x, 64 << stage, 1);
  }
  return b.finish({b.classifier(x, classes)}, "resnet18");
}

// A residual network that a plain evaluator runs at once: stem, two blocks, classifier.
inline ir::Graph small_resnet(int64_t batch = 2, uint64_t seed = 1) {
  GraphBuilder b(seed);
  ir::ValueId x = b.conv_bn_relu(b.input({batch, 3, 8, 8}), 8, 3);
  x = b.basic_block(x, 8, 1);
  x = b.basic_block(x, 12, 2);
  return b.finish({b.classifier(x, 5)}, "small_resnet");
}

// Every node's reference kernel, in order. Returns the outputs, one after the other.
inline std::vector<float> evaluate(const ir::Graph& graph, uint64_t input_seed = 7) {
  std::map<ir::ValueId, AlignedBuffer> memory;
  Random random(input_seed);
  for (ir::ValueId id : graph.inputs()) {
    AlignedBuffer buffer(graph.value(id).desc.bytes());
    for (size_t i = 0; i < buffer.size() / sizeof(float); ++i)
      buffer.as<float>()[i] = 2 * random.unit() - 1;
    memory.emplace(id, std::move(buffer));
  }
  SerialParallel serial;
  for (const ir::Node& node : graph.nodes()) {
    const ops::OpDef* def = ops::find_op(node.op);
    const ops::GraphNodeView holder(graph, node);
    const ops::NodeView view = holder.view();
    std::vector<ir::TensorDesc> inferred(node.outputs.size());
    const Status status = ops::check_and_infer(*def, view, inferred);
    EXPECT_TRUE(status.ok()) << status.message();
    std::vector<const std::byte*> inputs;
    for (ir::ValueId id : node.inputs) {
      if (id == ir::kNoValue) {
        inputs.push_back(nullptr);
      } else {
        const ir::Value& value = graph.value(id);
        inputs.push_back(value.is_constant() ? value.constant->data : memory.at(id).data());
      }
    }
    std::vector<std::byte*> outputs;
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const ir::TensorDesc& desc = graph.value(node.outputs[i]).desc;
      EXPECT_EQ(inferred[i], desc) << node.name;
      outputs.push_back(
          memory.emplace(node.outputs[i], AlignedBuffer(desc.bytes())).first->second.data());
    }
    const bool runs = def->reference == nullptr && def->scratch_bytes != nullptr;
    AlignedBuffer scratch(runs ? def->scratch_bytes(view, 1) : 0);
    const ops::RunContext context{view, inputs, outputs, scratch.span(), serial};
    EXPECT_TRUE((def->reference != nullptr ? def->reference : def->run)(context).ok());
  }
  std::vector<float> result;
  for (ir::ValueId id : graph.outputs()) {
    const auto& buffer = memory.at(id);
    result.insert(result.end(), buffer.as<float>(),
                  buffer.as<float>() + buffer.size() / sizeof(float));
  }
  return result;
}

// The largest difference, relative to the largest expected magnitude.
inline double relative_error(const std::vector<float>& got, const std::vector<float>& expected) {
  EXPECT_EQ(got.size(), expected.size());
  double error = 0;
  double largest = 0;
  for (size_t i = 0; i < std::min(got.size(), expected.size()); ++i) {
    const double difference = std::fabs(static_cast<double>(got[i]) - expected[i]);
    if (!(difference <= error)) error = difference;  // NaN counts
    largest = std::max(largest, std::fabs(static_cast<double>(expected[i])));
  }
  return largest == 0 ? error : error / largest;
}

}  // namespace taoism::partition::test
