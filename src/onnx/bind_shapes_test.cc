#include <gtest/gtest.h>

#include "onnx/test_model.h"

namespace taoism::onnx {
namespace {

using Names = std::vector<std::string>;

// An input whose dimensions are numbers, names, or "?" for one that is open and has none.
void add_input(TestModel& model, const std::string& name, const Names& dims) {
  auto& info = *model.graph().add_input();
  info.set_name(name);
  auto& type = *info.mutable_type()->mutable_tensor_type();
  type.set_elem_type(::onnx::TensorProto::FLOAT);
  auto& shape = *type.mutable_shape();
  for (const std::string& dim : dims) {
    auto& added = *shape.add_dim();
    if (std::isdigit(static_cast<unsigned char>(dim[0])) != 0) {
      added.set_dim_value(std::stoll(dim));
    } else if (dim != "?") {
      added.set_dim_param(dim);
    }
  }
}

// Every input through an operator of its own, to an output of its name in capitals.
Model made_of(const std::vector<std::pair<std::string, Names>>& inputs) {
  TestModel model;
  for (const auto& [name, dims] : inputs) {
    add_input(model, name, dims);
    model.output("out_" + name);
    model.node("Relu", {name}, {"out_" + name});
  }
  Result<Model> loaded = model.load();
  EXPECT_TRUE(loaded.ok()) << loaded.status().message();
  return std::move(*loaded);
}

Names shapes_of(const Model& model, const ImportOptions& options) {
  const Result<ir::Graph> graph = model.bind(options);
  if (!graph.ok()) return {"error: " + graph.status().message()};
  Names shapes;
  for (const ir::ValueId id : graph->inputs()) {
    shapes.push_back(graph->value(id).desc.shape.text());
  }
  return shapes;
}

TEST(BindShapes, ANameStandsForOneSizeInAllInputs) {
  const Model model =
      made_of({{"state", {"2", "N", "8"}}, {"x", {"N", "T"}}, {"mask", {"N", "T"}}});
  EXPECT_EQ(shapes_of(model, {.input_shapes = {{"mask", {3, 5}}}}), (Names{"2x3x8", "3x5", "3x5"}));
  EXPECT_EQ(shapes_of(model, {.batch = 4, .input_shapes = {{"x", {ir::Shape::kDynamic, 7}}}}),
            (Names{"2x4x8", "4x7", "4x7"}));
  EXPECT_EQ(shapes_of(model, {.input_shapes = {{"x", {3, 5}}, {"mask", {3, 6}}}}),
            (Names{"error: dimension 'T' is 5 in input 'x' (dimension 1) and 6 in input 'mask' "
                   "(dimension 1): it is one size"}));
  EXPECT_EQ(shapes_of(model, {.batch = 4, .input_shapes = {{"x", {3, 5}}}}),
            (Names{"error: input 'x' is given as 3x5 and the batch as 4: give one of them"}));
}

TEST(BindShapes, WhatIsNoNameStandsForNoSize) {
  const Model model = made_of({{"x", {"None", "None", "-1?", "-1?"}}});
  EXPECT_EQ(shapes_of(model, {.input_shapes = {{"x", {1, 3, 48, 192}}}}), (Names{"1x3x48x192"}));
}

TEST(BindShapes, WhatIsOpenIsNamed) {
  const Model model = made_of({{"x", {"N", "3", "H", "?"}}, {"y", {"N", "W"}}});
  EXPECT_EQ(shapes_of(model, {.batch = 2}),
            (Names{"error: input 'x' is Nx3xHx?, whose dimensions 2 and 3 are open; input 'y' is "
                   "NxW, whose dimension 1 is open: give the shape"}));
  const Result<std::vector<OpenInput>> open = model.open_inputs();
  ASSERT_TRUE(open.ok());
  ASSERT_EQ(open->size(), 2U);
  EXPECT_EQ(open->front().axes, (std::vector<size_t>{2, 3}));
  EXPECT_TRUE(model.open_inputs({.input_shapes = {{"x", {1, 3, 4, 4}}, {"y", {1, 9}}}})->empty());
}

TEST(BindShapes, FixedFirstDimensionsBesideOpenOnesAreNoBatch) {
  const Model model = made_of({{"x", {"N", "4"}}, {"table", {"2", "4"}}});
  EXPECT_EQ(shapes_of(model, {.batch = 8}), (Names{"8x4", "2x4"}));
  const Model fixed = made_of({{"x", {"1", "4"}}, {"m", {"2", "4"}}});
  EXPECT_EQ(shapes_of(fixed, {}), (Names{"1x4", "2x4"}));
  EXPECT_EQ(shapes_of(fixed, {.batch = 2}), (Names{"1x4", "2x4"}));
  EXPECT_EQ(shapes_of(fixed, {.batch = 3}),
            (Names{"error: input 'x' has a fixed batch of 1: run with that, or export the model "
                   "with a dynamic batch"}));
}

TEST(BindShapes, ZeroIsASize) {
  TestModel source;
  add_input(source, "past", {"1", "8", "0", "4"});
  add_input(source, "x", {"1", "8", "3", "4"});
  source.output("y").node("Concat", {"past", "x"}, {"y"});
  auto& axis = *source.graph().mutable_node(0)->add_attribute();
  axis.set_name("axis");
  axis.set_type(::onnx::AttributeProto::INT);
  axis.set_i(2);
  const Result<Model> model = source.load();
  ASSERT_TRUE(model.ok());
  const Result<ir::Graph> graph = model->bind();
  ASSERT_TRUE(graph.ok()) << graph.status().message();
  EXPECT_EQ(graph->value(graph->inputs()[0]).desc.shape, (ir::Shape{1, 8, 0, 4}));
  EXPECT_EQ(graph->value(graph->outputs()[0]).desc.shape, (ir::Shape{1, 8, 3, 4}));
}

TEST(BindShapes, ScalarsAndInputsOfAnyShape) {
  const Model scalar = made_of({{"x", {}}});
  EXPECT_EQ(shapes_of(scalar, {.batch = 5}), (Names{"scalar"}));
  TestModel source;
  source.graph().add_input()->set_name("x");
  source.graph().mutable_input(0)->mutable_type()->mutable_tensor_type()->set_elem_type(
      ::onnx::TensorProto::FLOAT);
  source.output("y").node("Relu", {"x"}, {"y"});
  const Result<Model> any = source.load();
  ASSERT_TRUE(any.ok());
  EXPECT_EQ(shapes_of(*any, {}), (Names{"error: input 'x' is of any shape: give the shape"}));
  EXPECT_EQ(shapes_of(*any, {.input_shapes = {{"x", {2, 3}}}}), (Names{"2x3"}));
}

TEST(BindShapes, ASequenceIsRefusedAsOne) {
  TestModel source;
  auto& info = *source.graph().add_input();
  info.set_name("s");
  info.mutable_type()->mutable_sequence_type()->mutable_elem_type()->mutable_tensor_type();
  source.output("y").node("Relu", {"s"}, {"y"});
  const Result<Model> model = source.load();
  ASSERT_TRUE(model.ok());
  const Result<ir::Graph> graph = model->bind();
  EXPECT_EQ(graph.code(), Code::unsupported);
  EXPECT_NE(graph.status().message().find("is a sequence, which is not supported; tensors are"),
            std::string::npos);
}

}  // namespace
}  // namespace taoism::onnx
