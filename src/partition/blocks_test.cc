#include "partition/blocks.h"

#include <gmock/gmock.h>

#include "partition/test_graph.h"

namespace taoism::partition {
namespace {

using testing::ElementsAre;

std::vector<Block::Kind> kinds(const std::vector<Block>& blocks) {
  std::vector<Block::Kind> result;
  result.reserve(blocks.size());
  for (const Block& block : blocks) result.push_back(block.kind);
  return result;
}

std::vector<std::string> ops_of(const ir::Graph& graph, const Block& block) {
  std::vector<std::string> result;
  for (ir::NodeId node : block.nodes) result.push_back(graph.node(node).op);
  return result;
}

// Every node once, and none reads from a later block.
void expect_sound(const ir::Graph& graph, const std::vector<Block>& blocks) {
  std::vector<int> of_node(graph.node_count(), -1);
  for (size_t b = 0; b < blocks.size(); ++b) {
    for (ir::NodeId node : blocks[b].nodes) {
      EXPECT_EQ(of_node[static_cast<size_t>(node)], -1);
      of_node[static_cast<size_t>(node)] = static_cast<int>(b);
    }
  }
  for (size_t n = 0; n < graph.node_count(); ++n) {
    EXPECT_NE(of_node[n], -1) << graph.node(static_cast<ir::NodeId>(n)).name;
    for (ir::ValueId input : graph.node(static_cast<ir::NodeId>(n)).inputs) {
      if (input == ir::kNoValue || graph.value(input).producer == ir::kNoNode) continue;
      EXPECT_LE(of_node[static_cast<size_t>(graph.value(input).producer)], of_node[n]);
    }
  }
}

TEST(Blocks, Resnet18HasTen) {
  for (int64_t image : {32, 224}) {
    const ir::Graph graph = test::resnet18(image, 10);
    const std::vector<Block> blocks = find_blocks(graph);
    expect_sound(graph, blocks);
    ASSERT_EQ(blocks.size(), 10u);
    EXPECT_EQ(blocks.front().kind, Block::convolution);
    EXPECT_EQ(blocks.back().kind, Block::linear);
    for (size_t b = 1; b < 9; ++b) EXPECT_EQ(blocks[b].kind, Block::residual);
    EXPECT_THAT(ops_of(graph, blocks[9]), ElementsAre("GlobalAveragePool", "Reshape", "Linear"));
    EXPECT_THAT(ops_of(graph, blocks[1]), ElementsAre("Conv", "BatchNormalization", "Relu", "Conv",
                                                      "BatchNormalization", "Add", "Relu"));
    EXPECT_EQ(blocks[3].nodes.size(), 9u);  // with the shortcut's convolution and batch-norm
  }
}

TEST(Blocks, PlainConvolutionalNetwork) {
  test::GraphBuilder b;
  ir::ValueId x = b.input({1, 3, 8, 8});
  x = b.conv_bn_relu(x, 4, 3);
  x = b.max_pool(b.conv_bn_relu(x, 4, 3), 2, 2, 0);
  x = b.relu(b.linear(b.flatten(x), 6));
  x = b.linear(x, 5);
  const ir::Graph graph = b.finish({b.node("Softmax", {x})});
  const std::vector<Block> blocks = find_blocks(graph);
  expect_sound(graph, blocks);
  ASSERT_THAT(kinds(blocks),
              ElementsAre(Block::convolution, Block::convolution, Block::linear, Block::linear));
  EXPECT_THAT(ops_of(graph, blocks[1]),
              ElementsAre("Conv", "BatchNormalization", "Relu", "MaxPool"));
  EXPECT_THAT(ops_of(graph, blocks[2]), ElementsAre("Reshape", "Linear", "Relu"));
  EXPECT_THAT(ops_of(graph, blocks[3]), ElementsAre("Linear", "Softmax"));
}

// Joins within joins without a layer in them: walked once, not once a join.
TEST(Blocks, ManyJoinsOfNoLayer) {
  constexpr size_t kJoins = 40'000;
  test::GraphBuilder b;
  std::vector<ir::ValueId> values{b.linear(b.input({1, 4}), 4)};
  for (size_t i = 0; i < kJoins; ++i) values.push_back(b.relu(values.back()));
  ir::ValueId x = values.back();
  for (size_t i = kJoins; i-- > 0;) x = b.node("Add", {x, values[i]});
  const ir::Graph graph = b.finish({b.linear(x, 2)});
  const std::vector<Block> blocks = find_blocks(graph);
  expect_sound(graph, blocks);
  EXPECT_THAT(kinds(blocks), ElementsAre(Block::linear, Block::linear));
}

TEST(Blocks, InvertedResidualsWithoutActivationAfterTheJoin) {
  test::GraphBuilder b;
  ir::ValueId x = b.conv_bn_relu(b.input({1, 3, 8, 8}), 4, 3);
  for (int i = 0; i < 2; ++i) {
    ir::ValueId y = b.conv_bn_relu(x, 8, 1);
    y = b.conv_bn_relu(y, 8, 3, 1, 8);
    x = b.node("Add", {x, b.batch_norm(b.conv(y, 4, 1))});
  }
  const ir::Graph graph = b.finish({b.classifier(x, 3)});
  const std::vector<Block> blocks = find_blocks(graph);
  expect_sound(graph, blocks);
  EXPECT_THAT(kinds(blocks),
              ElementsAre(Block::convolution, Block::residual, Block::residual, Block::linear));
}

// x * sigmoid(x) and x + x^2 join branches, but are activations.
TEST(Blocks, AnActivationWrittenOutIsNoBlock) {
  test::GraphBuilder b;
  ir::ValueId x = b.conv(b.input({1, 3, 8, 8}), 4, 3);
  x = b.node("Mul", {x, b.node("Sigmoid", {x})});
  x = b.node("Add", {x, b.node("Mul", {x, x})});
  const ir::Graph graph = b.finish({b.classifier(x, 3)});
  const std::vector<Block> blocks = find_blocks(graph);
  expect_sound(graph, blocks);
  EXPECT_THAT(kinds(blocks), ElementsAre(Block::convolution, Block::linear));
}

TEST(Blocks, ParallelBranchesAndSeveralOutputs) {
  test::GraphBuilder b;
  const ir::ValueId stem = b.conv_bn_relu(b.input({1, 3, 8, 8}), 4, 3);
  const ir::ValueId left = b.conv_bn_relu(stem, 4, 1);
  const ir::ValueId right = b.conv_bn_relu(b.max_pool(stem, 3, 1, 1), 4, 3);
  ir::Attrs attrs;
  attrs.set("axis", int64_t{1});
  const ir::ValueId joined = b.node("Concat", {left, right}, attrs);
  const ir::ValueId side = b.classifier(left, 2);
  const ir::Graph graph = b.finish({b.classifier(joined, 3), side});
  const std::vector<Block> blocks = find_blocks(graph);
  expect_sound(graph, blocks);
  EXPECT_EQ(blocks.size(), 5u);
}

// Joins whose regions overlap without nesting end in one block.
TEST(Blocks, CrossingSkips) {
  test::GraphBuilder b;
  const ir::ValueId a = b.conv(b.input({1, 4, 8, 8}), 4, 3);
  const ir::ValueId c = b.conv(a, 4, 3);
  const ir::ValueId d = b.node("Add", {b.conv(c, 4, 3), a});
  const ir::ValueId e = b.node("Add", {b.conv(d, 4, 3), c});
  const ir::Graph graph = b.finish({b.node("Add", {e, d})});
  expect_sound(graph, find_blocks(graph));
}

TEST(Blocks, AreSoundOnRandomGraphs) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    test::GraphBuilder b;
    Random random(seed);
    std::vector<ir::ValueId> values = {b.input({1, 2, 4, 4}, "x"), b.input({1, 2, 4, 4}, "y")};
    if (seed % 2 == 0) values.pop_back();
    for (int i = 0; i < 20; ++i) {
      const ir::ValueId a = values[random.below(values.size())];
      const ir::ValueId c = values[random.below(values.size())];
      switch (random.below(4)) {
        case 0: values.push_back(b.node("Add", {a, c})); break;
        case 1: values.push_back(b.relu(a)); break;
        case 2: values.push_back(b.node("GlobalAveragePool", {a})); break;
        default:
          values.push_back(b.shape(a)[2] == 4 ? b.conv(a, 2, 3) : b.linear(a, b.shape(a)[3]));
      }
    }
    const ir::Graph graph = b.finish({values.back(), values[values.size() / 2]});
    expect_sound(graph, find_blocks(graph));
  }
}

TEST(Blocks, WorkBeforeTheFirstLayerBelongsToIt) {
  test::GraphBuilder b;
  ir::ValueId x = b.input({1, 3, 8, 8});
  x = b.node("Mul", {x, b.weight({1, 3, 1, 1})});
  const ir::Graph graph = b.finish({b.classifier(b.conv_bn_relu(x, 4, 3), 3)});
  const std::vector<Block> blocks = find_blocks(graph);
  expect_sound(graph, blocks);
  EXPECT_THAT(kinds(blocks), ElementsAre(Block::convolution, Block::linear));
}

TEST(Blocks, AGraphWithoutLayersIsOneBlock) {
  test::GraphBuilder b;
  const ir::Graph graph = b.finish({b.node("Tanh", {b.relu(b.input({1, 3}))})});
  const std::vector<Block> blocks = find_blocks(graph);
  expect_sound(graph, blocks);
  EXPECT_THAT(kinds(blocks), ElementsAre(Block::other));
  EXPECT_TRUE(find_blocks(ir::Graph()).empty());
}

}  // namespace
}  // namespace taoism::partition
