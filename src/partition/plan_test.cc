#include "partition/plan.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "partition/explain.h"
#include "partition/test_graph.h"

namespace taoism::partition {
namespace {

using nlohmann::json;
using testing::HasSubstr;

Plan plan_of(const ir::Graph& graph, const char* strategy) {
  auto plan = make_plan(graph, *StrategySpec::parse(strategy), "abc");
  EXPECT_TRUE(plan.ok()) << plan.status().message();
  return std::move(plan).value();
}

TEST(Plan, ReadsWhatItWrites) {
  const ir::Graph graph = test::small_resnet();
  for (const char* strategy : {"deep:k=2", "magnitude", "intermediate:theta=0.5", "nonlinear"}) {
    const Plan plan = plan_of(graph, strategy);
    const auto read = read_plan(write_plan(plan, graph), graph, "abc");
    ASSERT_TRUE(read.ok()) << read.status().message();
    EXPECT_EQ(read->strategy, plan.strategy);
    EXPECT_EQ(read->model_hash, "abc");
    for (size_t n = 0; n < graph.node_count(); ++n) {
      EXPECT_EQ(read->annotations.nodes[n].placement, plan.annotations.nodes[n].placement);
      EXPECT_EQ(read->annotations.nodes[n].why, plan.annotations.nodes[n].why);
      EXPECT_EQ(read->annotations.nodes[n].transform, plan.annotations.nodes[n].transform);
    }
    EXPECT_EQ(plan_hash(*read, graph), plan_hash(plan, graph));
  }
}

TEST(Plan, DoesNotDependOnTheBatch) {
  const ir::Graph one = test::small_resnet(1);
  const ir::Graph eight = test::small_resnet(8);
  const std::string text = write_plan(plan_of(one, "deep:k=2"), one);
  EXPECT_EQ(text, write_plan(plan_of(eight, "deep:k=2"), eight));
  EXPECT_TRUE(read_plan(text, eight, "abc").ok());
}

TEST(Plan, HashFollowsWhatThePlanDoes) {
  const ir::Graph graph = test::small_resnet();
  const Plan plan = plan_of(graph, "intermediate");
  const std::string hash = plan_hash(plan, graph);
  EXPECT_EQ(hash.size(), 64u);
  Plan changed = plan;
  changed.annotations.nodes[0].why = "another reason";
  EXPECT_EQ(plan_hash(changed, graph), hash);
  changed.model_hash = "abd";
  EXPECT_NE(plan_hash(changed, graph), hash);
  changed = plan;
  changed.annotations.nodes[1].placement = ir::Placement::device;
  EXPECT_NE(plan_hash(changed, graph), hash);
  for (NodeAnnotation& mark : (changed = plan).annotations.nodes) {
    if (!mark.transform.empty()) mark.transform = "intermediate:mu=1.5";
  }
  EXPECT_EQ(plan_hash(changed, graph), hash);  // a secret
  for (NodeAnnotation& mark : changed.annotations.nodes) {
    if (!mark.transform.empty()) mark.transform = "magnitude:p=0.5";
  }
  EXPECT_NE(plan_hash(changed, graph), hash);
}

struct Damage {
  const char* what;
  void (*damage)(json& plan);
  const char* message;
};

TEST(Plan, ErrorsNameWhatIsWrongAndWhatIsNear) {
  const ir::Graph graph = test::small_resnet();
  const json good = json::parse(write_plan(plan_of(graph, "deep"), graph));
  const Damage cases[] = {
      {"schema", [](json& p) { p["schema"] = 2; }, "schema 2 is not known"},
      {"no schema", [](json& p) { p.erase("schema"); }, "'schema' is missing"},
      {"hash", [](json& p) { p["model_hash"] = "xyz"; },
       "made for another model (hash xyz, this one is abc)"},
      {"key", [](json& p) { p["node"] = 1; }, "unknown key 'node', did you mean 'nodes'"},
      {"strategy", [](json& p) { p["strategy"] = "dep"; },
       "unknown strategy 'dep', did you mean 'deep'"},
      {"nodes", [](json& p) { p["nodes"] = 1; }, "'nodes' must hold a list"},
      {"no node", [](json& p) { p["nodes"].erase(0); }, "node 'Conv_0' is missing"},
      {"twice", [](json& p) { p["nodes"].push_back(p["nodes"][0]); },
       "node 'Conv_0' is there twice"},
      {"name", [](json& p) { p["nodes"][0]["name"] = "Conv_99"; },
       "no node 'Conv_99', did you mean 'Conv_"},
      {"control", [](json& p) { p["nodes"][0]["name"] = "a\nb\u001b"; }, "no node 'a?b?'"},
      {"op", [](json& p) { p["nodes"][0]["op"] = "Relu"; }, "is a Conv in this model, not a Relu"},
      {"node key", [](json& p) { p["nodes"][0]["place"] = "tee"; }, "unknown key 'place'"},
      {"placement", [](json& p) { p["nodes"][0]["placement"] = "devise"; },
       "unknown placement 'devise', did you mean 'device'?; known are tee, device, auto"},
      {"no placement", [](json& p) { p["nodes"][0].erase("placement"); }, "'placement' is missing"},
      {"type", [](json& p) { p["nodes"][0]["why"] = 3; }, "'why' must be a text"},
      {"entry", [](json& p) { p["nodes"][0] = "Conv_0"; }, "nodes[0]: not an object"},
      {"transform", [](json& p) { p["nodes"][0]["transform"] = "magnitud:p=0.1"; },
       "did you mean 'magnitude'"},
      {"no transform", [](json& p) { p["nodes"][0]["transform"] = "deep"; }, "only places nodes"},
      {"argument", [](json& p) { p["nodes"][0]["transform"] = "magnitude:p=2"; }, "out of range"},
      {"inside",
       [](json& p) {
         p["nodes"][0]["placement"] = "tee";
         p["nodes"][0]["transform"] = "magnitude:p=0.1";
       },
       "a transform is for a node placed on the 'device'"},
  };
  for (const Damage& c : cases) {
    json bad = good;
    c.damage(bad);
    const auto read = read_plan(bad.dump(), graph, "abc");
    EXPECT_EQ(read.code(), Code::invalid_argument) << c.what;
    EXPECT_THAT(read.status().message(), HasSubstr(c.message)) << c.what;
    EXPECT_THAT(read.status().message(), testing::Not(HasSubstr("\n"))) << c.what;
  }
}

TEST(Plan, RefusesWhatIsNoPlan) {
  const ir::Graph graph = test::small_resnet();
  const std::string good = write_plan(plan_of(graph, "deep"), graph);
  std::string twice = good;
  twice.insert(twice.find("\"op\""), "\"placement\": \"tee\", ");
  std::string deep(100000, '[');
  for (const std::string& bad : {std::string(), std::string("[]"), std::string("null"), deep, twice,
                                 good.substr(0, good.size() / 2), good + "x", "\xff" + good,
                                 std::string("{\"schema\": 1e400}")}) {
    EXPECT_EQ(read_plan(bad, graph, "abc").code(), Code::invalid_argument) << bad.substr(0, 40);
  }
  for (size_t i = 0; i < good.size(); i += 7) {  // no byte may bring it down
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x15);
    (void)read_plan(bad, graph, "abc").ok();
  }
}

TEST(Plan, AnEditedPlanIsCarriedOutAndSaysSo) {
  const ir::Graph graph = test::small_resnet();
  json edited = json::parse(write_plan(plan_of(graph, "deep"), graph));
  edited["nodes"][0]["placement"] = "tee";
  edited["nodes"][1]["placement"] = "auto";
  const auto plan = read_plan(edited.dump(), graph, "abc");
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  const auto partition = carry_out(graph, *plan);
  ASSERT_TRUE(partition.ok()) << partition.status().message();
  EXPECT_EQ(partition->report.strategy, "deep:k=1 (edited)");
  EXPECT_EQ(partition->graph.node(1).placement, ir::Placement::tee);  // follows its input
  EXPECT_LT(test::relative_error(test::evaluate(partition->graph), test::evaluate(graph)), 1e-6);
}

TEST(Plan, TransformsMayBeMixedByHand) {
  const ir::Graph graph = test::small_resnet();
  json edited = json::parse(write_plan(plan_of(graph, "full"), graph));
  edited.erase("strategy");
  const char* transforms[] = {"magnitude:p=0.3", "intermediate:mu=0.75", "magnitude:p=0"};
  int next = 0;
  for (json& node : edited["nodes"]) {
    if (node["op"] != "Conv") continue;
    node["placement"] = "device";
    node["transform"] = transforms[next++ % 3];
  }
  const auto plan = read_plan(edited.dump(), graph, "abc");
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  const auto partition = carry_out(graph, *plan);
  ASSERT_TRUE(partition.ok()) << partition.status().message();
  EXPECT_EQ(partition->report.strategy, "custom");
  // Each transform's, once; then what asking gives.
  ASSERT_GE(partition->report.warnings.size(), 3u);
  EXPECT_NE(partition->report.warnings[2].find("by asking"), std::string::npos);
  EXPECT_LT(test::relative_error(test::evaluate(partition->graph), test::evaluate(graph)), 1e-5);
}

TEST(Explain, TextAndJsonSayTheSame) {
  const ir::Graph graph = test::small_resnet();
  const auto partition = carry_out(graph, plan_of(graph, "magnitude:p=0.1"));
  ASSERT_TRUE(partition.ok());
  const Report& report = partition->report;
  const std::string text = report_text(report);
  const json out = report_json(report);
  EXPECT_EQ(out["nodes"].size(), report.nodes.size());
  for (const ReportNode& node : report.nodes) EXPECT_THAT(text, HasSubstr(node.name));
  EXPECT_THAT(text, HasSubstr(std::to_string(out["macs_tee"].get<uint64_t>()) + " of " +
                              std::to_string(out["macs_total"].get<uint64_t>()) + " MACs"));
  EXPECT_THAT(text, HasSubstr(std::to_string(out["private_params_exposed"].get<uint64_t>())));
  EXPECT_THAT(text, HasSubstr("warning: magnitude offloads"));
  EXPECT_EQ(out["warnings"][0], report.warnings[0]);
  const Report reports[] = {report, report};
  EXPECT_EQ(sweep_json(reports)["points"].size(), 2u);
  EXPECT_THAT(sweep_text(reports), HasSubstr("magnitude:p=0.1"));
}

}  // namespace
}  // namespace taoism::partition
