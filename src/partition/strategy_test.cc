#include "partition/strategy.h"

#include <gmock/gmock.h>

#include "partition/plan.h"
#include "partition/test_graph.h"

namespace taoism::partition {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(StrategySpec, ParsesAndPrints) {
  EXPECT_EQ(StrategySpec::parse("full")->text(), "full");
  EXPECT_EQ(StrategySpec::parse("intermediate:theta=0.5,seed=3")->text(),
            "intermediate:seed=3,theta=0.5");
  for (const char* bad :
       {"", ":", "deep:", "deep:k", "deep:k=", "deep:=2", "deep:k=1,", "deep:k=1,k=2", "a b"}) {
    EXPECT_EQ(StrategySpec::parse(bad).code(), Code::invalid_argument) << bad;
  }
}

TEST(Strategy, AllAreListed) {
  std::vector<std::string> names;
  for (const Strategy* strategy : all_strategies()) names.emplace_back(strategy->name);
  EXPECT_THAT(names, ElementsAre("deep", "full", "intermediate", "magnitude", "none", "nonlinear",
                                 "shallow"));
}

struct ErrorCase {
  const char* strategy;
  Code code;
  const char* text;
};

TEST(Strategy, ErrorsSayWhatWouldDo) {
  const ir::Graph graph = test::resnet18(32, 10);
  const ErrorCase cases[] = {
      {"dep", Code::invalid_argument,
       "unknown strategy 'dep', did you mean 'deep'?; there are deep, full"},
      {"teeslice", Code::unsupported, "not yet available"},
      {"deep:j=1", Code::invalid_argument, "deep: unknown parameter 'j': it takes k"},
      {"full:k=1", Code::invalid_argument, "full: unknown parameter 'k': it takes none"},
      {"deep:k=11", Code::invalid_argument,
       "deep: k=11 is out of range: this model has 10 blocks, so k is 0..10"},
      {"shallow:k=-1", Code::invalid_argument, "shallow: k=-1 is out of range: k is at least 0"},
      {"deep:k=1.5", Code::invalid_argument, "deep: k=1.5 is not a whole number"},
      {"deep:k=99999999999999999999", Code::invalid_argument, "is not a whole number"},
      {"deep:k=9999999999999999", Code::invalid_argument, "is too large"},
      {"magnitude:p=1.01", Code::invalid_argument, "magnitude: p=1.01 is out of range: p is 0..1"},
      {"magnitude:p=nan", Code::invalid_argument, "magnitude: p=nan is not a number"},
      {"intermediate:theta=half", Code::invalid_argument,
       "intermediate: theta=half is not a number"},
  };
  for (const ErrorCase& c : cases) {
    const Result<Annotations> result = annotate(graph, *StrategySpec::parse(c.strategy));
    EXPECT_EQ(result.code(), c.code) << c.strategy;
    EXPECT_THAT(result.status().message(), HasSubstr(c.text));
    EXPECT_THAT(result.status().message(), testing::Not(HasSubstr("\n")));
  }
}

TEST(Strategy, DefaultsAreWrittenOut) {
  const auto text = [](const char* spec) { return canonical(*StrategySpec::parse(spec))->text(); };
  EXPECT_EQ(text("deep"), "deep:k=1");
  EXPECT_EQ(text("magnitude"), "magnitude:p=0.01");
  EXPECT_EQ(text("magnitude:p=0.500"), "magnitude:p=0.5");
  EXPECT_EQ(text("intermediate:seed=4"), "intermediate:seed=4,theta=0.9");
  EXPECT_EQ(text("nonlinear"), "nonlinear:first=1");
  EXPECT_EQ(text("none"), "none");
}

TEST(Strategy, SweepsKeepOtherParameters) {
  const ir::Graph graph = test::small_resnet();
  EXPECT_EQ(sweep(graph, {"deep", {}})->size(), 5u);
  EXPECT_EQ(sweep(graph, {"magnitude", {}})->size(), 7u);
  EXPECT_EQ(sweep(graph, {"full", {}})->size(), 1u);
  const auto points = sweep(graph, {"intermediate", {{"seed", "9"}}});
  ASSERT_EQ(points->size(), 11u);
  EXPECT_EQ((*points)[3].text(), "intermediate:seed=9,theta=0.3");
}

// What every strategy promises: the answer does not change.
TEST(Strategy, EveryPointComputesTheSame) {
  const ir::Graph graph = test::small_resnet();
  const std::vector<float> expected = test::evaluate(graph);
  for (const Strategy* strategy : all_strategies()) {
    const auto points = sweep(graph, {strategy->name, {}});
    for (const StrategySpec& point : *points) {
      const auto plan = make_plan(graph, point, "hash");
      ASSERT_TRUE(plan.ok()) << plan.status().message();
      const auto partition = carry_out(graph, *plan);
      ASSERT_TRUE(partition.ok()) << partition.status().message();
      EXPECT_TRUE(partition->graph.verify().ok());
      EXPECT_LT(test::relative_error(test::evaluate(partition->graph), expected), 1e-5)
          << point.text();
      for (const ir::Node& node : partition->graph.nodes()) {
        EXPECT_NE(node.placement, ir::Placement::automatic) << node.name;
        EXPECT_FALSE(node.why.empty()) << node.name;
      }
    }
  }
}

TEST(Strategy, ThoseThatOffloadUnprotectedWeightsWarn) {
  for (const Strategy* strategy : all_strategies()) {
    const std::string name = strategy->name;
    const bool warns = name == "magnitude" || name == "intermediate" || name == "nonlinear";
    EXPECT_EQ(strategy->warning != nullptr, warns) << name;
  }
}

}  // namespace
}  // namespace taoism::partition
