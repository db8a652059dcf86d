// Which of our operators an ONNX one becomes, and that it computes the same.
#include "onnx/reference_run.h"
#include "onnx/test_model.h"

namespace taoism::onnx {
namespace {

using Names = std::vector<std::string>;

Result<ir::Graph> bind(const TestModel& model, int64_t batch = 2) {
  TAOISM_ASSIGN_OR_RETURN(const Model loaded, model.load());
  return loaded.bind({.batch = batch});
}

// x of 2x2, w of 2x3.
TestModel with_weights() {
  TestModel m;
  m.input("x", {-1, 2}).output("y");
  m.weight("w", {2, 3}, {1, 2, 3, 4, 5, 6});
  m.weight("wt", {3, 2}, {1, 4, 2, 5, 3, 6});
  m.weight("b", {3}, {10, 20, 30});
  m.weight("row", {1, 3}, {10, 20, 30});
  m.weight("ten", {}, {10});
  m.weight("column", {2, 1}, {10, 20});
  return m;
}

const std::vector<float> kX = {1, 0, 1, 1};

struct GemmCase {
  const char* name;
  void (*build)(TestModel& m);
  Names ops;
  std::vector<float> y;
};

const GemmCase kGemms[] = {
    {"MatMul",
     [](TestModel& m) {
       m.node("MatMul", {"x", "w"}, {"y"});
     },
     {"Linear"},
     {1, 2, 3, 5, 7, 9}},
    {"MatMul and Add",
     [](TestModel& m) {
       m.node("MatMul", {"x", "w"}, {"m"});
       m.node("Add", {"b", "m"}, {"y"});
     },
     {"Linear"},
     {11, 22, 33, 15, 27, 39}},
    {"MatMul and Add of a row",
     [](TestModel& m) {
       m.node("MatMul", {"x", "w"}, {"m"});
       m.node("Add", {"m", "row"}, {"y"});
     },
     {"Linear"},
     {11, 22, 33, 15, 27, 39}},
    {"Add that is no bias",
     [](TestModel& m) {
       m.node("MatMul", {"x", "w"}, {"m"});
       m.node("Add", {"m", "column"}, {"y"});
     },
     {"Linear", "Add"},
     {11, 12, 13, 25, 27, 29}},
    {"product that is read twice",
     [](TestModel& m) {
       m.node("MatMul", {"x", "w"}, {"m"});
       m.node("Add", {"m", "b"}, {"a"});
       m.node("Add", {"a", "m"}, {"y"});
     },
     {"Linear", "Add", "Add"},
     {12, 24, 36, 20, 34, 48}},
    {"Gemm",
     [](TestModel& m) {
       m.node("Gemm", {"x", "w", "b"}, {"y"});
     },
     {"Linear"},
     {11, 22, 33, 15, 27, 39}},
    {"Gemm transB",
     [](TestModel& m) {
       set_int(m.node("Gemm", {"x", "wt", "b"}, {"y"}), "transB", 1);
     },
     {"Linear"},
     {11, 22, 33, 15, 27, 39}},
    {"Gemm alpha beta",
     [](TestModel& m) {
       auto& gemm = m.node("Gemm", {"x", "w", "b"}, {"y"});
       set_float(gemm, "alpha", 2);
       set_float(gemm, "beta", 0.5);
     },
     {"Linear"},
     {7, 14, 21, 15, 24, 33}},
    {"Gemm scalar C",
     [](TestModel& m) {
       m.node("Gemm", {"x", "w", "ten"}, {"y"});
     },
     {"Linear"},
     {11, 12, 13, 15, 17, 19}},
    {"Gemm column C",
     [](TestModel& m) {
       m.node("Gemm", {"x", "w", "column"}, {"y"});
     },
     {"Linear", "Add"},
     {11, 12, 13, 25, 27, 29}},
    {"Gemm transA",
     [](TestModel& m) {
       set_int(m.node("Gemm", {"x", "w"}, {"y"}), "transA", 1);
     },
     {"Transpose", "Linear"},
     {5, 7, 9, 4, 5, 6}},
    {"transposed weight",
     [](TestModel& m) {
       m.node("Transpose", {"wt"}, {"t"});
       m.node("MatMul", {"x", "t"}, {"y"});
     },
     {"Linear"},
     {1, 2, 3, 5, 7, 9}},
};

TEST(CanonicalTest, MatrixProducts) {
  for (const GemmCase& c : kGemms) {
    TestModel model = with_weights();
    c.build(model);
    const auto graph = bind(model);
    ASSERT_TRUE(graph.ok()) << c.name << ": " << graph.status().message();
    EXPECT_EQ(op_names(*graph), c.ops) << c.name;
    EXPECT_EQ(reference_run(*graph, {kX}), c.y) << c.name;
    EXPECT_EQ(graph->value(graph->outputs()[0]).name, "y") << c.name;
  }
}

TEST(CanonicalTest, ConvAndBatchNormalizationStayApart) {
  TestModel m;
  m.input("x", {-1, 1, 3, 3}).output("y");
  m.weight("w", {1, 1, 1, 1}, {2});
  m.weight("s", {1}, {1});
  m.node("Conv", {"x", "w"}, {"c"}, "conv");
  m.node("BatchNormalization", {"c", "s", "s", "s", "s"}, {"b"}, "bn");
  m.node("Relu", {"b"}, {"y"}, "relu");
  const auto graph = bind(m);
  ASSERT_TRUE(graph.ok()) << graph.status().message();
  EXPECT_EQ(op_names(*graph), (Names{"Conv", "BatchNormalization", "Relu"}));
  EXPECT_EQ(graph->node(0).name, "conv");
  for (const ir::Node& node : graph->nodes()) EXPECT_EQ(node.placement, ir::Placement::automatic);
  EXPECT_TRUE(graph->value(graph->node(0).inputs[1]).is_private);
}

TEST(CanonicalTest, WeightsThatTheMetadataNamesArePublic) {
  TestModel m;
  m.input("x", {-1, 2}).output("y");
  m.weight("a", {2, 2}, {1, 2, 3, 4});
  m.weight("b", {2}, {1, 2});
  m.weight("c", {2, 2}, {1, 2, 3, 4});
  m.node("Gemm", {"x", "a", "b"}, {"h"}, "first");
  m.node("MatMul", {"h", "c"}, {"y"}, "second");
  auto& entry = *m.proto.add_metadata_props();
  entry.set_key(kPublicTensors);
  entry.set_value("a\nno such tensor\n\nc");
  const auto graph = bind(m);
  ASSERT_TRUE(graph.ok()) << graph.status().message();
  const ir::Node& first = graph->node(0);
  EXPECT_FALSE(graph->value(first.inputs[1]).is_private);
  EXPECT_TRUE(graph->value(first.inputs[2]).is_private);
  EXPECT_FALSE(graph->value(graph->node(1).inputs[1]).is_private);
}

TEST(CanonicalTest, WhatIsFoldedFromPublicWeightsAndShapesIsPublic) {
  for (const bool is_public : {true, false}) {
    TestModel m;
    m.input("x", {-1, 2}).output("y");
    m.weight("table", {1, 2}, {1, 2});
    set_int(m.node("Shape", {"x"}, {"shape"}, "shape"), "start", 1);
    m.node("Expand", {"table", "shape"}, {"row"}, "expand");
    m.node("Add", {"x", "row"}, {"y"}, "add");
    auto& entry = *m.proto.add_metadata_props();
    entry.set_key(kPublicTensors);
    entry.set_value(is_public ? "table" : "another");
    const auto graph = bind(m, 2);
    ASSERT_TRUE(graph.ok()) << graph.status().message();
    ASSERT_EQ(op_names(*graph), Names{"Add"});
    EXPECT_EQ(graph->value(graph->node(0).inputs[1]).name, "row");
    EXPECT_EQ(graph->value(graph->node(0).inputs[1]).is_private, !is_public);
  }
}

TEST(CanonicalTest, AutoPadIsResolved) {
  for (const bool upper : {true, false}) {
    TestModel m;
    m.input("x", {-1, 1, 5, 6}).output("y");
    m.weight("w", {1, 1, 4, 3}, std::vector<float>(12, 1));
    auto& conv = m.node("Conv", {"x", "w"}, {"y"});
    set_ints(conv, "strides", {1, 2});
    auto& attribute = *conv.add_attribute();
    attribute.set_name("auto_pad");
    attribute.set_type(::onnx::AttributeProto::STRING);
    attribute.set_s(upper ? "SAME_UPPER" : "SAME_LOWER");
    const auto graph = bind(m);
    ASSERT_TRUE(graph.ok()) << graph.status().message();
    const auto pads = graph->node(0).attrs.ints("pads");
    const std::vector<int64_t> expected =
        upper ? std::vector<int64_t>{1, 0, 2, 1} : std::vector<int64_t>{2, 1, 1, 0};
    EXPECT_EQ(std::vector<int64_t>(pads.begin(), pads.end()), expected);
    EXPECT_EQ(graph->value(graph->outputs()[0]).desc.shape, (ir::Shape{2, 1, 5, 3}));
  }
}

TEST(CanonicalTest, ClipTakesItsBoundsFromConstants) {
  TestModel m;
  m.input("x", {-1, 2}).output("y");
  m.weight("six", {}, {6});
  m.node("Clip", {"x", "", "six"}, {"y"});
  const auto graph = bind(m);
  ASSERT_TRUE(graph.ok()) << graph.status().message();
  EXPECT_EQ(graph->node(0).attrs.f("max"), 6.0F);
  EXPECT_FALSE(graph->node(0).attrs.has("min"));
  EXPECT_EQ(graph->node(0).inputs.size(), 1U);
}

TEST(CanonicalTest, WhatChangesNothingGoesAway) {
  TestModel m;
  m.input("x", {-1, 2}).output("y");
  m.ints("zero", {0}).ints("pads", {0, 0, 0, 0}).ints("same", {0, 2});
  m.node("Identity", {"x"}, {"a"});
  m.node("Dropout", {"a"}, {"b", "mask"});
  m.node("Pad", {"b", "pads"}, {"c"});
  m.node("Reshape", {"c", "same"}, {"d"});
  set_ints(m.node("Transpose", {"d"}, {"e"}), "perm", {0, 1});
  set_int(m.node("Concat", {"e"}, {"f"}), "axis", 0);
  m.node("Relu", {"f"}, {"y"});
  const auto graph = bind(m);
  ASSERT_TRUE(graph.ok()) << graph.status().message();
  EXPECT_EQ(op_names(*graph), (Names{"Relu"}));
  EXPECT_EQ(graph->node(0).inputs[0], graph->inputs()[0]);
}

// What a constant makes fail in every run is refused, whether it is computed with or kept.
TEST(CanonicalTest, ConstantsThatAlwaysFailAreRefused) {
  struct Case {
    const char* op;
    std::vector<std::string> inputs;
    const char* says;
  };
  const Case cases[] = {
      {"Gather", {"x", "six"}, "Gather 'bad': index 6 is not in [-3, 2]"},
      {"Gather", {"ints", "six"}, "Gather 'bad': index 6"},
      {"GatherElements", {"row", "six"}, "GatherElements 'bad': index 6 is not in [-4, 3]"},
      {"GatherND", {"x", "pair"}, "GatherND 'bad': index -5 is not in [-4, 3]"},
      {"ScatterND", {"x", "pair", "one"}, "ScatterND 'bad': index -5 is not in [-4, 3]"},
      {"ScatterElements", {"row", "six", "one"}, "ScatterElements 'bad': index 6"},
      {"Div", {"i", "zero"}, "Div 'bad': divides an integer by 0"},
      {"Div", {"ints", "zero"}, "Div 'bad': divides an integer by 0"},
      {"Mod", {"i", "zero"}, "Mod 'bad': divides an integer by 0"},
      {"Mod", {"ints", "zero"}, "Mod 'bad': divides an integer by 0"},
  };
  for (const Case& c : cases) {
    TestModel model;
    model.input("x", {3, 4}).input("row", {4}).input("i", {3}, ::onnx::TensorProto::INT64);
    model.ints("six", {6}).ints("pair", {2, -5}).ints("zero", {0}).ints("ints", {4, 5, 6});
    model.weight("one", {1}, {1});
    if (std::string(c.op) == "ScatterND") model.graph().mutable_initializer(4)->clear_dims();
    model.node(c.op, c.inputs, {"y"}, "bad");
    model.output("y");
    const auto loaded = model.load();
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    const auto graph = loaded->bind({.batch = 0});
    EXPECT_EQ(graph.code(), Code::invalid_argument) << c.op << ": " << graph.status().message();
    EXPECT_EQ(graph.status().message().find(c.says), 0U) << graph.status().message();
  }
}

TEST(CanonicalTest, OldSoftmaxFlattens) {
  for (const int64_t opset : {11, 13}) {
    TestModel m(opset);
    m.input("x", {-1, 2, 2}).output("y");
    set_int(m.node("Softmax", {"x"}, {"y"}), "axis", 1);
    const auto graph = bind(m, 1);
    ASSERT_TRUE(graph.ok()) << graph.status().message();
    const float y = reference_run(*graph, {{1, 1, 1, 1}})[0];
    EXPECT_FLOAT_EQ(y, opset < 13 ? 0.25F : 0.5F);
  }
}

TEST(CanonicalTest, SplitBecomesSlicesOfWhatIsRead) {
  TestModel m;
  m.input("x", {-1, 6}).output("y");
  m.ints("lengths", {1, 2, 3});
  set_int(m.node("Split", {"x", "lengths"}, {"a", "b", "c"}, "split"), "axis", 1);
  m.node("Relu", {"c"}, {"y"});
  const auto graph = bind(m, 1);
  ASSERT_TRUE(graph.ok()) << graph.status().message();
  EXPECT_EQ(op_names(*graph), (Names{"Slice", "Relu"}));
  EXPECT_EQ(graph->node(0).name, "split/2");
  EXPECT_EQ(reference_run(*graph, {{1, 2, 3, 4, 5, 6}}), (std::vector<float>{4, 5, 6}));
}

TEST(CanonicalTest, TrainingModesAreRefused) {
  TestModel m;
  m.input("x", {-1, 2}).output("y");
  m.weight("s", {2}, {1, 1});
  set_int(m.node("BatchNormalization", {"x", "s", "s", "s", "s"}, {"y"}, "bn"), "training_mode", 1);
  const auto graph = bind(m);
  EXPECT_EQ(graph.code(), Code::unsupported);
  EXPECT_NE(graph.status().message().find("attribute training_mode"), std::string::npos);
}

}  // namespace
}  // namespace taoism::onnx
