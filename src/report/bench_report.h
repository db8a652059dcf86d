// A benchmark's records with what follows from them, and its renderings. The JSON follows
// docs/formats/bench.schema.json, schema 1. Thread-safety: pure functions over values.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "report/statistics.h"
#include "runtime/environment.h"
#include "runtime/measure.h"

namespace taoism::report {

// Shares of the end-to-end time; they add up to 1.
struct TimeShare {
  double tee_compute = 0;
  double device_compute = 0;
  double crypto = 0;
  double transfer = 0;
  double wait = 0;
  double residual = 0;
};

struct BenchRun {
  runtime::RunRecord record;
  Summary latency_ms;
  TimeShare time_share;
  double throughput = 0;  // images per second at the median
};

struct BenchReport {
  runtime::Environment environment;
  std::vector<std::pair<std::string, double>> settings;  // seed, min_iterations, min_seconds
  std::vector<BenchRun> runs;
  // That the TEE's threads together could open at best, measured where a run streams; else 0.
  double aes_gcm_bytes_per_s = 0;
};

// For a run that streams, and the same strategy measured with everything inside: the time that
// AES-GCM needs at least for the bytes of a run, over the time that streaming adds. Nothing where
// there is no such pair, or where streaming adds nothing that can be measured.
std::optional<double> streaming_share(const BenchReport& report, const BenchRun& run);

// Adds what follows from the samples, warnings about their spread among it. `record` has samples.
BenchRun interpret(runtime::RunRecord record);

// "deep:k=2" from the record's name and parameters.
std::string strategy_text(const runtime::RunRecord& record);

nlohmann::ordered_json bench_json(const BenchReport& report);
// One run a line, each with the environment: lines of several files may be put together.
std::string bench_jsonl(const BenchReport& report);
// A header line, then one run a line; without the raw samples.
std::string bench_csv(const BenchReport& report);
std::string bench_markdown(const BenchReport& report);
// For a terminal: one table per model and batch, then warnings.
std::string bench_text(const BenchReport& report);

}  // namespace taoism::report
