// Where import says that constants come from.
#include "onnx/test_model.h"

namespace taoism::onnx {
namespace {

std::vector<float> numbers(int64_t count, float step = 1) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(static_cast<float>(i) * step);
  return values;
}

ir::Graph bound(const TestModel& model) {
  const auto loaded = model.load();
  EXPECT_TRUE(loaded.ok()) << loaded.status().message();
  auto graph = loaded->bind(ImportOptions{.batch = 2});
  EXPECT_TRUE(graph.ok()) << graph.status().message();
  return std::move(*graph);
}

const ir::Value& operand(const ir::Graph& graph, size_t node, size_t input) {
  return graph.value(graph.nodes()[node].inputs[input]);
}

// A table that is looked up and, in some form, multiplied by.
TestModel looked_up() {
  TestModel m;
  m.input("ids", {-1}, ::onnx::TensorProto::INT64).output("y");
  m.weight("table", {20, 16}, numbers(320));
  m.node("Gather", {"table", "ids"}, {"h"}, "look");
  return m;
}

TEST(Origins, OfWhatIsFolded) {
  const auto folded = [](const std::function<void(TestModel&)>& fold) {
    TestModel m = looked_up();
    fold(m);
    m.node("MatMul", {"h", "w"}, {"y"}, "head");
    const ir::Graph graph = bound(m);
    const ir::Value& table = operand(graph, 0, 0);
    const ir::Value& weights = operand(graph, graph.node_count() - 1, 1);
    EXPECT_TRUE(weights.is_private);
    EXPECT_NE(weights.origin, table.origin);
    // All that it was computed from, but what only says how.
    std::vector<ir::OriginId> open{weights.origin};
    std::vector<uint64_t> tensors;
    bool has_table = false;
    while (!open.empty()) {
      const ir::OriginId id = open.back();
      const ir::Origin& origin = graph.origins()[static_cast<size_t>(id)];
      open.pop_back();
      has_table = has_table || id == table.origin;
      if (origin.from.empty()) tensors.push_back(origin.elems);
      open.insert(open.end(), origin.from.begin(), origin.from.end());
    }
    EXPECT_TRUE(has_table);
    std::sort(tensors.begin(), tensors.end());
    return tensors;
  };
  using Sizes = std::vector<uint64_t>;
  EXPECT_EQ(folded([](TestModel& m) { m.node("Transpose", {"table"}, {"w"}); }), Sizes{320});
  EXPECT_EQ(folded([](TestModel& m) {
              m.weight("half", {}, {0.5F});
              m.node("Transpose", {"table"}, {"t"});
              m.node("Mul", {"t", "half"}, {"w"});
            }),
            (Sizes{1, 320}));
  EXPECT_EQ(folded([](TestModel& m) {
              m.ints("shape", {16, 20});
              m.node("Neg", {"table"}, {"n"});
              m.node("Reshape", {"n", "shape"}, {"w"});
            }),
            Sizes{320});
  EXPECT_EQ(folded([](TestModel& m) {
              m.ints("starts", {1}).ints("ends", {9}).ints("axes", {0});
              m.node("Slice", {"table", "starts", "ends", "axes"}, {"s"});
              m.node("Transpose", {"s"}, {"w"});
            }),
            Sizes{320});
  EXPECT_EQ(folded([](TestModel& m) {
              m.weight("shift", {20, 16}, numbers(320, 2));
              m.node("Add", {"table", "shift"}, {"s"});
              m.node("Transpose", {"s"}, {"w"});
            }),
            (Sizes{320, 320}));
}

TEST(Origins, OfAScaledProduct) {
  TestModel m = looked_up();
  auto& gemm = m.node("Gemm", {"h", "table"}, {"y"}, "head");
  set_int(gemm, "transB", 1);
  set_float(gemm, "alpha", 0.25F);
  const ir::Graph graph = bound(m);
  const ir::Value& weights = operand(graph, 1, 1);
  const ir::Origin& origin = graph.origins()[static_cast<size_t>(weights.origin)];
  EXPECT_EQ(origin.from, std::vector<ir::OriginId>{operand(graph, 0, 0).origin});
}

TEST(Origins, EqualTensorsAreOne) {
  for (const float step : {1.0F, 2.0F, 0.0F}) {
    TestModel m = looked_up();
    std::vector<float> same = numbers(320);
    if (step == 0) same.assign(320, 1.0F);  // of one number, equal by chance
    m.weight("again", {16, 20}, step == 0 ? same : numbers(320, step));
    m.weight("more", {20, 16}, step == 0 ? same : numbers(320, 3));
    m.node("MatMul", {"h", "again"}, {"g"}, "head");
    m.node("MatMul", {"g", "more"}, {"y"}, "tail");
    const ir::Graph graph = bound(m);
    EXPECT_EQ(operand(graph, 0, 0).origin == operand(graph, 1, 1).origin, step == 1);
    EXPECT_NE(operand(graph, 1, 1).origin, operand(graph, 2, 1).origin);
  }
}

// Which part of a tensor a slice is.
TEST(Origins, OfPartsOfATensor) {
  const auto part = [](const std::function<void(TestModel&)>& cut) {
    TestModel m = looked_up();
    cut(m);
    m.node("MatMul", {"h", "w"}, {"y"}, "head");
    const ir::Graph graph = bound(m);
    ir::OriginId id = operand(graph, graph.node_count() - 1, 1).origin;
    const auto& origins = graph.origins();
    // The head's weight is the part transposed.
    id = origins[static_cast<size_t>(id)].from.front();
    const ir::Box& box = origins[static_cast<size_t>(id)].box;
    return std::pair(box.begin, box.end);
  };
  using Ints = std::vector<int64_t>;
  EXPECT_EQ(part([](TestModel& m) {
              m.ints("from", {4}).ints("to", {12}).ints("axes", {0});
              m.node("Slice", {"table", "from", "to", "axes"}, {"s"});
              m.node("Transpose", {"s"}, {"w"});
            }),
            std::pair(Ints({4, 0}), Ints({12, 16})));
  EXPECT_EQ(part([](TestModel& m) {
              m.ints("from", {-2}).ints("to", {1}).ints("axes", {0}).ints("back", {-3});
              m.node("Slice", {"table", "from", "to", "axes", "back"}, {"s"});
              m.node("Transpose", {"s"}, {"w"});
            }),
            std::pair(Ints({3, 0}), Ints({19, 16})));
  EXPECT_EQ(part([](TestModel& m) {
              m.ints("lengths", {5, 8, 7});
              set_int(m.node("Split", {"table", "lengths"}, {"a", "s", "c"}), "axis", 0);
              m.node("Transpose", {"s"}, {"w"});
            }),
            std::pair(Ints({5, 0}), Ints({13, 16})));
}

// As an exporter writes what it has folded itself.
TEST(Origins, OfATensorThatIsThereTransposed) {
  for (const bool is_transposed : {true, false}) {
    TestModel m = looked_up();
    std::vector<float> values(320);
    for (size_t i = 0; i < 20; ++i) {
      for (size_t j = 0; j < 16; ++j) values[j * 20 + i] = static_cast<float>(i * 16 + j);
    }
    if (!is_transposed) values[123] += 1;
    m.weight("again", {16, 20}, values);
    m.node("MatMul", {"h", "again"}, {"y"}, "head");
    const ir::Graph graph = bound(m);
    const ir::OriginId table = operand(graph, 0, 0).origin, head = operand(graph, 1, 1).origin;
    const auto from = [&](ir::OriginId id) {
      return graph.origins()[static_cast<size_t>(id)].from;
    };
    using Ids = std::vector<ir::OriginId>;
    EXPECT_NE(table, head);
    EXPECT_EQ(from(table) == Ids{head} || from(head) == Ids{table}, is_transposed);
    EXPECT_EQ(from(table).size() + from(head).size(), is_transposed ? 1U : 0U);
  }
}

TEST(Origins, WhatFollowsFromPublicTensorsIsPublic) {
  for (const char* public_tensors : {"table", "table\nhalf", "again"}) {
    TestModel m = looked_up();
    m.weight("half", {}, {0.5F});
    m.weight("again", {20, 16}, numbers(320));
    m.node("Transpose", {"again"}, {"t"});
    m.node("Mul", {"t", "half"}, {"w"});
    m.node("MatMul", {"h", "w"}, {"g"}, "head");
    m.node("MatMul", {"g", "again"}, {"y"}, "tail");
    auto& entry = *m.proto.add_metadata_props();
    entry.set_key(kPublicTensors);
    entry.set_value(public_tensors);
    const ir::Graph graph = bound(m);
    EXPECT_FALSE(operand(graph, 0, 0).is_private) << public_tensors;
    EXPECT_FALSE(operand(graph, 2, 1).is_private) << public_tensors;
    EXPECT_EQ(operand(graph, 1, 1).is_private, std::string(public_tensors) != "table\nhalf");
  }
}

// Half of a mean, an epsilon, what fills a tensor: the graph says them, and they hide nothing.
TEST(Origins, WhatTheGraphSaysIsPublic) {
  TestModel m;
  m.input("x", {-1, 4}).input("z", {-1, 4}).output("y").weight("w", {4, 4}, numbers(16));
  m.node("Mean", {"x", "z"}, {"mean"});
  m.node("MatMul", {"mean", "w"}, {"y"}, "layer");
  const ir::Graph graph = bound(m);
  size_t secrets = 0, constants = 0;
  for (size_t v = 0; v < graph.value_count(); ++v) {
    const ir::Value& value = graph.value(static_cast<ir::ValueId>(v));
    constants += value.is_constant() ? 1 : 0;
    secrets += value.is_constant() && value.is_private ? 1 : 0;
  }
  EXPECT_GT(constants, 1U);
  EXPECT_EQ(secrets, 1U);
}

// The weight of a 1x1 convolution is a matrix too.
TEST(Origins, OfAConvolutionThatIsThereTransposed) {
  TestModel m;
  m.input("x", {-1, 20, 4, 4}).output("y").output("z");
  std::vector<float> turned(320);
  for (size_t i = 0; i < 20; ++i) {
    for (size_t j = 0; j < 16; ++j) turned[j * 20 + i] = static_cast<float>(i * 16 + j);
  }
  m.weight("w", {16, 20, 1, 1}, turned);
  m.weight("again", {20, 16}, numbers(320));
  m.node("Conv", {"x", "w"}, {"y"}, "conv");
  m.node("GlobalAveragePool", {"x"}, {"g"}, "pool");
  m.node("Flatten", {"g"}, {"f"}, "flat");
  m.node("MatMul", {"f", "again"}, {"z"}, "head");
  const ir::Graph graph = bound(m);
  ir::OriginId conv = ir::kNoOrigin, head = ir::kNoOrigin;
  for (const ir::Node& node : graph.nodes()) {
    if (node.name == "conv") conv = graph.value(node.inputs[1]).origin;
    if (node.name == "head") head = graph.value(node.inputs[1]).origin;
  }
  const auto from = [&](ir::OriginId id) { return graph.origins()[static_cast<size_t>(id)].from; };
  EXPECT_TRUE(from(conv) == std::vector{head} || from(head) == std::vector{conv});
}

}  // namespace
}  // namespace taoism::onnx
