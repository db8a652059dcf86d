#include "ir/graph.h"

#include <gtest/gtest.h>

namespace taoism::ir {
namespace {

const TensorDesc kDesc{DType::f32, {1, 4}};

struct Chain {
  Graph graph;
  ValueId x, a, b, c;
};

// x -> first -> second -> third, written in another order.
Chain shuffled_chain() {
  Chain chain;
  Graph& g = chain.graph;
  chain.x = g.add_input("x", kDesc);
  chain.a = g.add_value("a", kDesc);
  chain.b = g.add_value("b", kDesc);
  chain.c = g.add_value("c", kDesc);
  g.add_node({"Relu", "third", {chain.b}, {chain.c}, {}, Placement::automatic, "", ""});
  g.add_node({"Relu", "first", {chain.x}, {chain.a}, {}, Placement::automatic, "", ""});
  g.add_node({"Relu", "second", {chain.a}, {chain.b}, {}, Placement::automatic, "", ""});
  g.set_outputs({chain.c});
  return chain;
}

TEST(Graph, TidySortsTopologically) {
  Chain chain = shuffled_chain();
  EXPECT_EQ(chain.graph.verify().code(), Code::invalid_argument);
  ASSERT_TRUE(chain.graph.tidy().ok());
  EXPECT_TRUE(chain.graph.verify().ok());
  EXPECT_EQ(chain.graph.node(0).name, "first");
  EXPECT_EQ(chain.graph.node(2).name, "third");
  EXPECT_EQ(chain.graph.value(chain.b).producer, 1);
}

TEST(Graph, TidyDropsWhatNobodyReads) {
  Chain chain = shuffled_chain();
  const ValueId dead = chain.graph.add_value("dead", kDesc);
  chain.graph.add_node({"Relu", "unused", {chain.a}, {dead}, {}, Placement::automatic, "", ""});
  ASSERT_TRUE(chain.graph.tidy().ok());
  EXPECT_EQ(chain.graph.node_count(), 3U);
  EXPECT_EQ(chain.graph.value(dead).producer, kNoNode);
}

TEST(Graph, TidyNamesANodeOnACycle) {
  Chain chain = shuffled_chain();
  chain.graph.node(1).inputs = {chain.c};
  const Status status = chain.graph.tidy();
  EXPECT_EQ(status.code(), Code::invalid_argument);
  EXPECT_NE(status.message().find("cycle"), std::string::npos);
}

TEST(Graph, VerifyFindsBrokenStructure) {
  struct Case {
    const char* what;
    void (*spoil)(Chain&);
  };
  const Case cases[] = {
      {"name twice", [](Chain& c) { c.graph.node(1).name = "first"; }},
      {"input out of range", [](Chain& c) { c.graph.node(1).inputs = {99}; }},
      {"output out of range", [](Chain& c) { c.graph.node(1).outputs = {-7}; }},
      {"produced twice", [](Chain& c) { c.graph.node(1).outputs = {c.a}; }},
      {"output never produced",
       [](Chain& c) { c.graph.set_outputs({c.graph.add_value("z", kDesc)}); }},
  };
  for (const Case& test : cases) {
    Chain chain = shuffled_chain();
    ASSERT_TRUE(chain.graph.tidy().ok());
    ASSERT_TRUE(chain.graph.verify().ok());
    test.spoil(chain);
    EXPECT_EQ(chain.graph.verify().code(), Code::invalid_argument) << test.what;
  }
}

TEST(Graph, ConsumersListEachReaderOnce) {
  Chain chain = shuffled_chain();
  chain.graph.node(2).inputs = {chain.a, chain.a};
  const auto readers = chain.graph.consumers();
  EXPECT_EQ(readers[static_cast<size_t>(chain.a)], std::vector<NodeId>{2});
}

TEST(Shape, BoundsAndText) {
  EXPECT_EQ((Shape{1, 3, 224, 224}).text(), "1x3x224x224");
  EXPECT_EQ(Shape{}.text(), "scalar");
  EXPECT_EQ(Shape{}.elements(), 1);
  EXPECT_TRUE((Shape{1024, 1024, 1024}).is_bounded());
  EXPECT_FALSE((Shape{int64_t{1} << 40, 2}).is_bounded());
  EXPECT_FALSE((Shape{int64_t{1} << 62, int64_t{1} << 62}).is_bounded());
  EXPECT_FALSE((Shape{Shape::kDynamic, 2}).is_bounded());
  EXPECT_TRUE((Shape{0, int64_t{1} << 39}).is_bounded());
  EXPECT_FALSE((Shape{0, int64_t{1} << 40, 2}).is_bounded());
}

TEST(Attrs, KindsAndDefaults) {
  Attrs attrs;
  attrs.set("axis", int64_t{3});
  attrs.set("axis", int64_t{4});
  attrs.set("alpha", 0.5F);
  attrs.set("pads", std::vector<int64_t>{1, 2});
  EXPECT_EQ(attrs.i("axis"), 4);
  EXPECT_EQ(attrs.i("alpha", 9), 9);
  EXPECT_EQ(attrs.f("alpha"), 0.5F);
  EXPECT_EQ(attrs.ints("pads").size(), 2U);
  EXPECT_TRUE(attrs.ints("none").empty());
  EXPECT_EQ(attrs.entries().size(), 3U);
}

}  // namespace
}  // namespace taoism::ir
