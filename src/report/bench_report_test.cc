#include "report/bench_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace taoism::report {
namespace {

using testing::HasSubstr;
using testing::Not;

runtime::RunRecord record(const std::string& strategy, double ms, size_t n) {
  runtime::RunRecord r;
  r.model = "m.onnx";
  r.model_hash = "aa";
  r.plan_hash = "bb";
  r.strategy = strategy;
  r.tee = "process";
  r.device = "cpu";
  for (size_t i = 0; i < n; ++i)
    r.samples_ms.push_back(ms * (1 + 1e-3 * static_cast<double>(i % 7)));
  r.total = {1000, 100, 500, 50, 30, 20, 300};
  return r;
}

BenchReport report() {
  BenchReport report;
  report.environment.command = "taoism bench";
  report.settings = {{"seed", 1}};
  report.runs.push_back(interpret(record("none", 2, 30)));
  runtime::RunRecord deep = record("deep", 4, 30);
  deep.parameters = {{"k", "2"}};
  report.runs.push_back(interpret(std::move(deep)));
  return report;
}

TEST(BenchReport, JsonHasTheContractsMembers) {
  nlohmann::ordered_json json = bench_json(report());
  EXPECT_EQ(json["schema"], 1);
  for (const char* key : {"machine", "versions", "command", "time", "warnings"}) {
    EXPECT_TRUE(json["environment"].contains(key)) << key;
  }
  const auto& run = json["runs"][1];
  for (const char* key : {"model",           "model_hash",
                          "plan_hash",       "strategy",
                          "parameters",      "tee",
                          "simulated",       "device",
                          "batch",           "tee_threads",
                          "device_threads",  "cold_start_ms",
                          "latency_ms",      "throughput",
                          "tee_macs_share",  "private_params_exposed_share",
                          "crossings",       "bytes_to_device",
                          "bytes_to_tee",    "tee_memory_budget",
                          "tee_memory_peak", "time_share",
                          "max_abs_error",   "valid",
                          "warnings"}) {
    EXPECT_TRUE(run.contains(key)) << key;
  }
  EXPECT_EQ(run["parameters"]["k"], 2);
  EXPECT_EQ(run["latency_ms"]["samples"].size(), 30U);
  EXPECT_EQ(run["latency_ms"]["n"], 30);
  EXPECT_TRUE(run["latency_ms"]["p99"].is_null());
  double sum = 0;
  for (const auto& [phase, share] : run["time_share"].items()) sum += share.get<double>();
  EXPECT_NEAR(sum, 1, 1e-12);
}

TEST(BenchReport, StreamingIsMeasuredAgainstTheCipher) {
  BenchReport bench = report();
  runtime::RunRecord inside = record("full", 4, 30);
  runtime::RunRecord streamed = record("full", 6, 30);
  streamed.tee_sealed_bytes = 3'000'000;
  bench.runs.push_back(interpret(inside));
  bench.runs.push_back(interpret(streamed));
  EXPECT_FALSE(streaming_share(bench, bench.runs[3]).has_value()) << "nobody measured the cipher";
  bench.aes_gcm_bytes_per_s = 2e9;
  // 1.5 ms at best, and 2 ms more than with everything inside (the spread of samples aside).
  ASSERT_TRUE(streaming_share(bench, bench.runs[3]).has_value());
  EXPECT_NEAR(*streaming_share(bench, bench.runs[3]), 0.75, 0.01);
  EXPECT_FALSE(streaming_share(bench, bench.runs[2]).has_value()) << "it does not stream";
  EXPECT_THAT(bench_text(bench), HasSubstr("of AES-GCM limit"));
  EXPECT_NEAR(bench_json(bench)["runs"][3]["streaming_share"].get<double>(), 0.75, 0.01);
  bench.runs[3].record.batch = 8;
  EXPECT_FALSE(streaming_share(bench, bench.runs[3]).has_value()) << "another batch is no pair";
}

TEST(BenchReport, WrongAnswersAreMarked) {
  BenchReport bad = report();
  bad.runs[1].record.valid = false;
  bad.runs[1].record.max_abs_error = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(bench_text(bad), HasSubstr("INVALID"));
  EXPECT_THAT(bench_markdown(bad), HasSubstr("INVALID"));
  EXPECT_TRUE(bench_json(bad)["runs"][1]["max_abs_error"].is_null());
  EXPECT_THAT(bench_text(report()), Not(HasSubstr("INVALID")));
}

TEST(BenchReport, SaysSimulatedAndWarnsOfNoise) {
  EXPECT_THAT(bench_text(report()), HasSubstr("simulated TEE"));
  EXPECT_THAT(bench_markdown(report()), HasSubstr("simulated TEE"));
  EXPECT_TRUE(interpret(record("none", 2, 30)).record.warnings.empty());
  EXPECT_THAT(interpret(record("none", 2, 3)).record.warnings.at(0), HasSubstr("only 3 samples"));
  runtime::RunRecord noisy = record("none", 2, 12);
  for (size_t i = 0; i < noisy.samples_ms.size(); i += 2) noisy.samples_ms[i] *= 3;
  EXPECT_THAT(interpret(noisy).record.warnings.at(0), HasSubstr("noisy"));
}

TEST(BenchReport, CsvAndJsonlHaveALineARun) {
  std::string csv = bench_csv(report());
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 3);
  EXPECT_THAT(csv, HasSubstr("deep:k=2"));
  std::string jsonl = bench_jsonl(report());
  EXPECT_EQ(std::count(jsonl.begin(), jsonl.end(), '\n'), 2);
  EXPECT_EQ(nlohmann::json::parse(jsonl.substr(0, jsonl.find('\n')))["run"]["strategy"], "none");
}

}  // namespace
}  // namespace taoism::report
