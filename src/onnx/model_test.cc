#include "onnx/model.h"

#include <cmath>

#include "onnx/test_model.h"

namespace taoism::onnx {
namespace {

using ::testing::Test;

TestModel linear_model() {
  TestModel model;
  model.input("x", {-1, 2}).output("y");
  model.weight("w", {2, 3}, {1, 2, 3, 4, 5, 6});
  model.node("MatMul", {"x", "w"}, {"y"}, "fc");
  return model;
}

TEST(ModelTest, DescribesWhatTheFileDeclares) {
  TestModel source = linear_model();
  source.proto.set_producer_name("somebody");
  source.proto.set_producer_version("1.2");
  auto& entry = *source.proto.add_metadata_props();
  entry.set_key("key");
  entry.set_value("two\nlines");
  const auto model = source.load();
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(model->opset(), 17);
  EXPECT_EQ(model->producer(), "somebody 1.2");
  EXPECT_EQ(model->metadata()[0].second, "two?lines");
  EXPECT_TRUE(model->batch_is_dynamic());
  ASSERT_EQ(model->inputs().size(), 1U);
  EXPECT_EQ(model->inputs()[0].dtype, "float32");
  EXPECT_EQ(model->inputs()[0].dim_names[0], "N");
}

TEST(ModelTest, BindsOneFileToSeveralBatchesThatShareWeights) {
  const auto model = linear_model().load();
  ASSERT_TRUE(model.ok());
  const auto one = model->bind({.batch = 1}), eight = model->bind({.batch = 8});
  ASSERT_TRUE(one.ok() && eight.ok());
  EXPECT_EQ(one->value(one->outputs()[0]).desc.shape, (ir::Shape{1, 3}));
  EXPECT_EQ(eight->value(eight->outputs()[0]).desc.shape, (ir::Shape{8, 3}));
  const auto weight = [](const ir::Graph& graph) {
    return graph.value(graph.node(0).inputs[1]).constant->data;
  };
  EXPECT_EQ(weight(*one), weight(*eight));
  EXPECT_EQ(one->value(one->node(0).inputs[1]).name, "w");
  EXPECT_EQ(one->value(one->outputs()[0]).name, "y");
}

TEST(ModelTest, WeightsAreAligned) {
  const auto model = linear_model().load();
  const auto graph = model->bind();
  const auto* data = graph->value(graph->node(0).inputs[1]).constant->data;
  EXPECT_EQ(reinterpret_cast<uintptr_t>(data) % kAlignment, 0U);
}

TEST(ModelTest, FixedBatchIsKept) {
  TestModel source;
  source.input("x", {4, 2}).output("y");
  source.node("Relu", {"x"}, {"y"});
  const auto model = source.load();
  ASSERT_TRUE(model.ok());
  EXPECT_FALSE(model->batch_is_dynamic());
  EXPECT_TRUE(model->bind({.batch = 4}).ok());
  EXPECT_TRUE(model->bind({.batch = 0}).ok());
  const auto other = model->bind({.batch = 8});
  EXPECT_EQ(other.code(), Code::invalid_argument);
  EXPECT_NE(other.status().message().find("fixed batch of 4"), std::string::npos);
}

TEST(ModelTest, OtherDynamicDimensionsNeedAShape) {
  TestModel source;
  source.input("x", {-1, 3, 5, 5}).output("y");
  source.graph()
      .mutable_input(0)
      ->mutable_type()
      ->mutable_tensor_type()
      ->mutable_shape()
      ->mutable_dim(2)
      ->set_dim_param("H");
  source.node("Relu", {"x"}, {"y"});
  const auto model = source.load();
  EXPECT_EQ(model->bind().code(), Code::invalid_argument);
  const auto graph = model->bind({.input_shapes = {{"x", {2, 3, 7, 5}}}});
  ASSERT_TRUE(graph.ok()) << graph.status().message();
  EXPECT_EQ(graph->value(graph->outputs()[0]).desc.shape, (ir::Shape{2, 3, 7, 5}));
  EXPECT_EQ(model->bind({.input_shapes = {{"x", {2, 4, 7, 5}}}}).code(), Code::invalid_argument);
  EXPECT_EQ(model->bind({.input_shapes = {{"z", {2}}}}).code(), Code::invalid_argument);
  EXPECT_EQ(model->bind({.batch = -3}).code(), Code::invalid_argument);
}

TEST(ModelTest, InitialisersListedAsInputsAreConstants) {
  TestModel source = linear_model();
  source.input("w", {2, 3});
  const auto model = source.load();
  ASSERT_TRUE(model.ok());
  EXPECT_EQ(model->inputs().size(), 1U);
  EXPECT_TRUE(model->bind().ok());
}

TEST(ModelTest, SeveralInputsAndOutputs) {
  TestModel source;
  source.input("a", {-1, 2}).input("b", {-1, 2}).output("sum").output("a_again").output("sum2");
  source.node("Add", {"a", "b"}, {"sum"});
  source.node("Identity", {"a"}, {"a_again"});
  source.node("Identity", {"sum"}, {"sum2"});
  const auto graph = source.load()->bind({.batch = 3});
  ASSERT_TRUE(graph.ok()) << graph.status().message();
  ASSERT_EQ(graph->outputs().size(), 3U);
  const char* const names[] = {"sum", "a_again", "sum2"};
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(graph->value(graph->outputs()[i]).name, names[i]);
  EXPECT_EQ(op_names(*graph), (std::vector<std::string>{"Add", "Reshape", "Reshape"}));
}

TEST(ModelTest, NodeNamesAreKeptAndUnique) {
  TestModel source;
  source.input("x", {-1, 2}).output("y");
  source.node("Relu", {"x"}, {"a"}, "Relu_1");
  source.node("Relu", {"a"}, {"b"});
  source.node("Relu", {"b"}, {"c"}, "Relu_1");
  source.node("Relu", {"c"}, {"y"}, "bad\nname");
  const auto graph = source.load()->bind();
  ASSERT_TRUE(graph.ok()) << graph.status().message();
  std::vector<std::string> names;
  for (const ir::Node& node : graph->nodes()) names.push_back(node.name);
  EXPECT_EQ(names, (std::vector<std::string>{"Relu_1", "Relu_1_", "Relu_2", "bad?name"}));
}

TEST(ModelTest, ListsEverythingUnsupportedAtOnce) {
  TestModel source;
  source.input("x", {-1, 3, 8, 8}).input("i", {-1}, ::onnx::TensorProto::UINT64).output("y");
  source.weight("w", {4, 3, 1, 1}, std::vector<float>(12, 1));
  source.node("Hardmax", {"x"}, {"a"}, "first");
  source.node("Det", {"a"}, {"b"}, "second");
  source.node("Relu", {"b"}, {"c"}, "fine");
  set_int(source.node("Relu", {"x"}, {"d"}, "third"), "novelty", 1);
  source.node("Mish", {"x"}, {"e"}, "fourth").set_domain("com.example");
  source.node("Conv", {"c", "w"}, {"f"}, "fine too");
  source.node("Compress", {"f", "d", "e", "i"}, {"y"}, "fifth");
  source.node("Det", {"x"}, {"unused"}, "nobody reads it");
  const auto model = source.load();
  ASSERT_TRUE(model.ok()) << model.status().message();
  const auto list = model->unsupported();
  ASSERT_TRUE(list.ok()) << list.status().message();
  std::vector<std::string> nodes;
  for (const Unsupported& entry : *list) nodes.push_back(entry.node);
  EXPECT_EQ(nodes, (std::vector<std::string>{"i", "first", "second", "third", "fourth", "fifth"}));
  EXPECT_EQ((*list)[3].attribute, "novelty");
  const auto graph = model->bind();
  EXPECT_EQ(graph.code(), Code::unsupported);
  EXPECT_TRUE(is_one_line(graph.status().message()));
  EXPECT_NE(graph.status().message().find("6 things"), std::string::npos);
}

TEST(ModelTest, CountsNonfiniteWeights) {
  TestModel source;
  source.input("x", {-1, 2}).output("y");
  source.weight("w", {2, 2}, {1, NAN, INFINITY, -INFINITY});
  source.node("MatMul", {"x", "w"}, {"y"});
  const auto graph = source.load()->bind();
  ASSERT_TRUE(graph.ok());
  EXPECT_EQ(count_nonfinite(*graph), 3U);
}

class ExternalDataTest : public Test {
 protected:
  // A model whose weight lies in `location`.
  Result<Model> load(const std::string& location, const std::string& offset = "4",
                     const std::string& length = "24") {
    TestModel source = linear_model();
    auto& tensor = *source.graph().mutable_initializer(0);
    tensor.clear_float_data();
    tensor.set_data_location(::onnx::TensorProto::EXTERNAL);
    const std::pair<const char*, std::string> entries[] = {
        {"location", location}, {"offset", offset}, {"length", length}};
    for (const auto& [key, value] : entries) {
      if (value.empty()) continue;
      auto& entry = *tensor.add_external_data();
      entry.set_key(key);
      entry.set_value(value);
    }
    return Model::load(folder_.write("m.onnx", source.bytes()));
  }

  std::string data_bytes(float first = 1) const {
    const float values[] = {0, first, 2, 3, 4, 5, 6};
    return {reinterpret_cast<const char*>(values), sizeof(values)};
  }

  TestFolder folder_;
};

TEST_F(ExternalDataTest, IsReadFromTheModelsFolder) {
  folder_.write("w.bin", data_bytes());
  const auto model = load("w.bin");
  ASSERT_TRUE(model.ok()) << model.status().message();
  const auto graph = model->bind();
  ASSERT_TRUE(graph.ok());
  const ir::Constant& w = *graph->value(graph->node(0).inputs[1]).constant;
  EXPECT_EQ(std::vector<float>(w.f32(), w.f32() + 6), (std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_TRUE(load("w.bin", "4", "").ok());  // the length may be left out
}

TEST_F(ExternalDataTest, CountsInTheHash) {
  folder_.write("w.bin", data_bytes(1));
  const auto first = load("w.bin")->hash();
  folder_.write("w.bin", data_bytes(2));
  const auto second = load("w.bin")->hash();
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->size(), 64U);
  EXPECT_NE(*first, *second);
}

TEST_F(ExternalDataTest, AFileThatChangedHasNoHash) {
  folder_.write("w.bin", data_bytes());
  const auto model = load("w.bin");
  ASSERT_TRUE(model.ok());
  std::ofstream(folder_.file("w.bin"), std::ios::app) << "more";
  EXPECT_EQ(model->hash().code(), Code::invalid_argument);
}

TEST_F(ExternalDataTest, MissingFileIsNotFound) {
  const auto model = load("w.bin");
  EXPECT_EQ(model.code(), Code::not_found);
  EXPECT_TRUE(is_one_line(model.status().message()));
  EXPECT_NE(model.status().message().find("w.bin"), std::string::npos);
}

TEST_F(ExternalDataTest, MayNotLeaveTheModelsFolder) {
  const TestFolder other;
  const std::string outside = other.write("w.bin", data_bytes());
  std::filesystem::create_symlink(outside, folder_.file("link"));
  const std::string relative =
      std::filesystem::relative(outside, std::filesystem::path(folder_.file("x")).parent_path());
  for (const std::string& location :
       {outside, relative, std::string("link"), std::string("a/../../w.bin"), std::string(),
        std::string("w.bin\0x", 7)}) {
    const auto model = load(location);
    EXPECT_EQ(model.code(), Code::invalid_argument) << location;
    EXPECT_NE(model.status().message().find("outside"), std::string::npos)
        << model.status().message();
  }
}

TEST_F(ExternalDataTest, RangesAreChecked) {
  folder_.write("w.bin", data_bytes());
  std::filesystem::create_directory(folder_.file("folder"));
  const std::pair<const char*, const char*> ranges[] = {
      {"8", "24"},  {"18446744073709551612", "24"},
      {"-4", "24"}, {"4", "20"},
      {"4", "24x"}, {"29", "24"},
      {"", "1e9"}};
  for (const auto& [offset, length] : ranges) {
    EXPECT_EQ(load("w.bin", offset, length).code(), Code::invalid_argument) << offset << length;
  }
  EXPECT_EQ(load("folder").code(), Code::invalid_argument);
}

}  // namespace
}  // namespace taoism::onnx
