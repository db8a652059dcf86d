// The public part of a package: what is written is read, and nothing that does not hold together.
#include "package/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

namespace taoism::package {
namespace {

using nlohmann::json;

Manifest sample() {
  Manifest manifest;
  manifest.model = "m";
  manifest.model_id = "ab";
  manifest.plan_id = "cd";
  manifest.strategy = "full";
  manifest.kernel_target = "portable";
  manifest.rows = {{}, {0, -1}, {1}};
  manifest.constants.push_back({ir::DType::f32, {4, 2}});
  for (const int64_t batch : {1, 8}) {
    BatchEntry& entry = manifest.batches.emplace_back();
    entry.batch = batch;
    entry.most_spill_bytes = 7;
    entry.whole_memory_bytes = {1, 2};
    entry.summary = R"({"a":1})";
    entry.summary_text = "one\ntwo\n";
  }
  return manifest;
}

TEST(Manifest, IsReadAsItWasWritten) {
  const std::string text = write_manifest(sample());
  const Result<Manifest> read = read_manifest(text);
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(write_manifest(*read), text);
  EXPECT_EQ(read->constants[0].shape, (ir::Shape{4, 2}));
  EXPECT_EQ(read->batches[1].batch, 8);
  EXPECT_TRUE(read->rows.independent.ok());
  EXPECT_EQ(read->rows.inputs, (std::vector<int>{0, -1}));
  EXPECT_EQ(read->rows.outputs, std::vector<int>{1});
}

// What no proof is in, as in packages of old, is not taken for proven.
TEST(Manifest, NoProofOfRowsIsNone) {
  json manifest = json::parse(write_manifest(sample()));
  manifest.erase("rows");
  const Result<Manifest> read = read_manifest(manifest.dump());
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_FALSE(read->rows.independent.ok());
}

TEST(Manifest, EveryFieldIsNeeded) {
  const json whole = json::parse(write_manifest(sample()));
  const auto refused = [](const json& manifest) {
    return read_manifest(manifest.dump()).code() == Code::integrity;
  };
  for (const auto& [key, value] : whole.items()) {
    json less = whole;
    less.erase(key);
    EXPECT_EQ(refused(less), key != "rows") << key;  // which older packages have not
    json other = whole;
    other[key] = -1.5;
    EXPECT_TRUE(refused(other)) << key;
  }
  for (const auto& [key, value] : whole["rows"].items()) {
    json less = whole;
    less["rows"].erase(key);
    EXPECT_TRUE(refused(less)) << key;
    json other = whole;
    other["rows"][key] = -1.5;
    EXPECT_TRUE(refused(other)) << key;
  }
  for (const char* list : {"constants", "batches"}) {
    for (const auto& [key, value] : whole[list][0].items()) {
      json less = whole;
      less[list][0].erase(key);
      EXPECT_TRUE(refused(less)) << list << " " << key;
      json other = whole;
      other[list][0][key] = -1.5;
      EXPECT_TRUE(refused(other)) << list << " " << key;
    }
  }
}

struct Wrong {
  const char* name;
  std::function<void(json&)> change;
};

class WrongManifest : public ::testing::TestWithParam<Wrong> {};

TEST_P(WrongManifest, IsRefused) {
  json manifest = json::parse(write_manifest(sample()));
  GetParam().change(manifest);
  const Result<Manifest> read = read_manifest(manifest.dump());
  EXPECT_EQ(read.code(), Code::integrity);
}

const Wrong kWrong[] = {
    {"ConstantHuge",
     [](json& m) {
       m["constants"][0]["shape"] = {uint64_t{1} << 40, 4};
     }},
    {"UnknownType", [](json& m) { m["constants"][0]["dtype"] = "float8"; }},
    {"NegativeDimension",
     [](json& m) {
       m["constants"][0]["shape"] = {-4, -2};
     }},
    {"TooManyDimensions",
     [](json& m) { m["constants"][0]["shape"] = std::vector<int>(ir::kMaxRank + 1, 1); }},
    {"NoBatch", [](json& m) { m["batches"] = json::array(); }},
    {"BatchZero", [](json& m) { m["batches"][0]["batch"] = 0; }},
    {"BatchesNotRising", [](json& m) { m["batches"][1]["batch"] = 1; }},
    {"SpillHuge", [](json& m) { m["batches"][0]["most_spill_bytes"] = UINT64_MAX; }},
    {"SummaryIsText", [](json& m) { m["batches"][0]["summary"] = "text"; }},
};

INSTANTIATE_TEST_SUITE_P(Cases, WrongManifest, ::testing::ValuesIn(kWrong),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Manifest, WhatIsNoObjectIsRefused) {
  const std::string deep = "{\"model\":" + std::string(100'000, '[') + std::string(100'000, ']');
  for (const std::string& text : {std::string(), std::string("[]"), std::string("{"), deep + "}"}) {
    EXPECT_EQ(read_manifest(text).code(), Code::integrity) << text.substr(0, 20);
  }
}

TEST(Manifest, TextsAreFitToBeShown) {
  Manifest manifest = sample();
  manifest.model = "a\nb\x1b[31m";
  manifest.batches[0].summary_text = "one\r\x07\ntwo\n";
  const Result<Manifest> read = read_manifest(write_manifest(manifest));
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->model, "a?b?[31m");
  EXPECT_EQ(read->batches[0].summary_text, "one??\ntwo\n");
}

}  // namespace
}  // namespace taoism::package
