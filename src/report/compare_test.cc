#include "report/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

namespace taoism::report {
namespace {

using testing::HasSubstr;

nlohmann::json file(const std::vector<std::pair<std::string, double>>& runs, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> noise(0, 0.01);
  nlohmann::json json = {{"schema", 1},
                         {"environment", {{"machine", {{"cpu", "c"}, {"cores", "2"}}}}}};
  for (const auto& [strategy, ms] : runs) {
    nlohmann::json samples = nlohmann::json::array();
    for (int i = 0; i < 40; ++i) samples.push_back(ms * (1 + noise(random)));
    json["runs"].push_back({{"model", "m"},
                            {"model_hash", "h"},
                            {"strategy", strategy},
                            {"parameters", {{"k", 2}}},
                            {"tee", "process"},
                            {"device", "cpu"},
                            {"batch", 1},
                            {"valid", true},
                            {"latency_ms", {{"samples", samples}}}});
  }
  return json;
}

TEST(Compare, TellsNoiseFromRegression) {
  std::string before = file({{"none", 10}, {"deep", 20}, {"full", 30}}, 1).dump();
  Result<Comparison> same =
      compare(before, file({{"none", 10}, {"deep", 20}, {"full", 30}}, 1).dump(), 0);
  ASSERT_TRUE(same.ok()) << same.status().message();
  EXPECT_FALSE(same->regressed());
  Result<Comparison> worse =
      compare(before, file({{"none", 10}, {"deep", 24}, {"full", 24}}, 2).dump(), 0.05);
  ASSERT_TRUE(worse.ok());
  EXPECT_TRUE(worse->regressed());
  EXPECT_EQ(worse->runs[0].verdict, ComparedRun::same);
  EXPECT_EQ(worse->runs[1].verdict, ComparedRun::slower);
  EXPECT_EQ(worse->runs[2].verdict, ComparedRun::faster);
  EXPECT_NEAR(worse->runs[1].ratio.value, 1.2, 0.02);
  EXPECT_THAT(comparison_text(*worse), HasSubstr("SLOWER"));
  EXPECT_EQ(worse->runs[1].strategy, "deep:k=2");
}

TEST(Compare, WrongAnswersAreARegression) {
  nlohmann::json after = file({{"none", 5}}, 1);
  after["runs"][0]["valid"] = false;
  Result<Comparison> comparison = compare(file({{"none", 10}}, 1).dump(), after.dump(), 0);
  ASSERT_TRUE(comparison.ok());
  EXPECT_TRUE(comparison->regressed());
}

TEST(Compare, NotesWhatHasNoPartner) {
  Result<Comparison> comparison = compare(file({{"none", 10}, {"deep", 1}}, 1).dump(),
                                          file({{"none", 10}, {"full", 1}}, 1).dump(), 0);
  ASSERT_TRUE(comparison.ok());
  EXPECT_THAT(comparison->notes, testing::SizeIs(2));
  EXPECT_FALSE(compare(file({{"deep", 1}}, 1).dump(), file({{"full", 1}}, 1).dump(), 0).ok());
}

TEST(Compare, RefusesWhatIsNoBenchFile) {
  std::string good = file({{"none", 10}}, 1).dump();
  std::vector<std::string> bad = {"",
                                  "{",
                                  "[]",
                                  "1",
                                  R"({"schema":2,"runs":[]})",
                                  R"({"schema":1,"runs":[{}]})",
                                  R"({"schema":1,"runs":{}})"};
  for (const char* edit : {"samples", "batch", "valid"}) {
    nlohmann::json json = file({{"none", 10}}, 1);
    auto& run = json["runs"][0];
    (std::string(edit) == "samples" ? run["latency_ms"]["samples"] : run[edit]) = "x";
    bad.push_back(json.dump());
  }
  for (const std::string& text : bad) {
    EXPECT_EQ(compare(text, good, 0).code(), Code::invalid_argument) << text;
    EXPECT_EQ(compare(good, text, 0).code(), Code::invalid_argument) << text;
  }
  for (size_t n = 0; n < good.size(); n += 13)
    EXPECT_FALSE(compare(good.substr(0, n), good, 0).ok());
}

}  // namespace
}  // namespace taoism::report
