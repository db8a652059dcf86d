#include "zoo/zoo.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "base/test_folder.h"
#include "onnx/model.h"
#include "ops/graph_view.h"
#include "zoo/random.h"

namespace taoism::zoo {
namespace {

struct Totals {
  uint64_t macs = 0;
  uint64_t params = 0;
};

class ZooTest : public ::testing::Test {
 protected:
  std::string path(const std::string& name = "m.onnx") const { return folder_.file(name); }

  Totals totals(const std::string& name, const ZooOptions& options) {
    const Status written = write_zoo(name, options, path());
    EXPECT_TRUE(written.ok()) << written.message();
    const auto model = onnx::Model::load(path());
    EXPECT_TRUE(model.ok()) << model.status().message();
    const auto graph = model->bind({.batch = 2});
    EXPECT_TRUE(graph.ok()) << graph.status().message();
    EXPECT_EQ(onnx::count_nonfinite(*graph), 0U);
    const ir::Shape expected{2, options.classes};
    EXPECT_EQ(graph->value(graph->outputs()[0]).desc.shape, expected);
    Totals sum;
    for (const ir::Node& node : graph->nodes()) {
      const ops::GraphNodeView view(*graph, node);
      const auto* def = ops::find_op(node.op);
      const ops::Cost cost = def->cost ? def->cost(view.view()) : ops::Cost{};
      sum.macs += cost.macs;
      sum.params += cost.params;
    }
    return sum;
  }

  std::string bytes(const std::string& name) const {
    std::ifstream file(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  const TestFolder folder_;
};

struct Published {
  const char* name;
  int64_t image, classes;
  uint64_t macs, params;
};

// MACs: the field's published totals. Parameters: torchvision's, whose stem normalisation (128) the
// published 11,220,004 leaves out.
TEST_F(ZooTest, CountsArePublishedOnes) {
  const Published published[] = {
      {"resnet18", 32, 100, 556'697'700, 11'220'132},
      {"resnet18", 224, 10, 1'818'533'898, 11'181'642},
      {"mobilenet_v2", 224, 1000, 314'131'496, 3'504'872},
      {"resnet50", 224, 1000, 4'111'413'224, 25'557'032},
  };
  for (const Published& p : published) {
    const Totals t = totals(p.name, {.image = p.image, .classes = p.classes});
    EXPECT_EQ(t.macs, p.macs) << p.name << " at " << p.image;
    EXPECT_EQ(t.params, p.params) << p.name << " at " << p.image;
  }
}

TEST_F(ZooTest, EveryNameImportsAtTheSmallSize) {
  for (const char* name : zoo_names()) {
    EXPECT_GT(totals(name, {.image = 32, .classes = 10}).macs, 0U) << name;
  }
}

TEST_F(ZooTest, NodesAndWeightsAreNamedAsInTorchvision) {
  ASSERT_TRUE(write_zoo("resnet18", {.image = 32, .classes = 10}, path()).ok());
  const auto graph = onnx::Model::load(path())->bind();
  std::vector<std::string> names;
  for (const ir::Node& node : graph->nodes()) names.push_back(node.name);
  for (const char* name : {"/conv1", "/layer1/0/bn1", "/layer2/0/downsample/0", "/fc"}) {
    EXPECT_NE(std::find(names.begin(), names.end(), name), names.end()) << name;
  }
  EXPECT_EQ(graph->value(graph->node(0).inputs[1]).name, "conv1.weight");
}

TEST_F(ZooTest, TheSeedDecidesTheBytes) {
  for (const auto& [name, seed] : {std::pair<const char*, uint64_t>{"a", 1}, {"b", 1}, {"c", 2}}) {
    ASSERT_TRUE(write_zoo("alexnet", {.image = 32, .classes = 3, .seed = seed}, path(name)).ok());
  }
  EXPECT_EQ(bytes("a"), bytes("b"));
  EXPECT_NE(bytes("a"), bytes("c"));
}

TEST_F(ZooTest, BadArgumentsWriteNothing) {
  EXPECT_EQ(write_zoo("resnet9", {}, path()).code(), Code::invalid_argument);
  EXPECT_EQ(write_zoo("resnet18", {.image = 64}, path()).code(), Code::invalid_argument);
  EXPECT_EQ(write_zoo("resnet18", {.classes = 0}, path()).code(), Code::invalid_argument);
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
  const ZooOptions small{.image = 32, .classes = 2};
  EXPECT_EQ(write_zoo("alexnet", small, path("none/m.onnx")).code(), Code::not_found);
  EXPECT_EQ(write_zoo("alexnet", small, folder_.path()).code(), Code::invalid_argument);
}

TEST_F(ZooTest, AFullDiskIsResourceExhausted) {
  const Status status = write_zoo("alexnet", {.image = 32, .classes = 2}, "/dev/full");
  EXPECT_EQ(status.code(), Code::resource_exhausted) << status.message();
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/full"));
}

TEST(RandomTest, IsTheSameEverywhereAndCloseToNormal) {
  EXPECT_EQ(Random(0, "w").next(), Random(0, "w").next());
  EXPECT_NE(Random(0, "w").next(), Random(1, "w").next());
  EXPECT_NE(Random(0, "w").next(), Random(0, "v").next());
  std::vector<float> values(100'000);
  Random(7, "w").fill_normal(values, 3);
  double sum = 0, squares = 0, beyond = 0;
  for (const float v : values) {
    sum += v;
    squares += static_cast<double>(v) * v;
    beyond += std::abs(v) > 6 ? 1 : 0;  // two deviations: 4.55 % of a normal distribution
  }
  const auto count = static_cast<double>(values.size());
  EXPECT_NEAR(sum / count, 0, 0.05);
  EXPECT_NEAR(squares / count, 9, 0.2);
  EXPECT_NEAR(beyond / count, 0.0455, 0.005);
}

}  // namespace
}  // namespace taoism::zoo
