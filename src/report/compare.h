// Two benchmark files against each other: what got slower, beyond what their noise explains.
// Thread-safety: pure functions.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "report/statistics.h"

namespace taoism::report {

struct ComparedRun {
  std::string model;
  std::string strategy;
  size_t batch = 0;
  double before_ms = 0;
  double after_ms = 0;
  Ratio ratio;  // after / before
  enum Verdict : uint8_t { same, faster, slower, invalid } verdict = same;
};

struct Comparison {
  std::vector<ComparedRun> runs;
  std::vector<std::string> notes;  // runs in one file alone, other machines, other models
  bool regressed() const;          // any run slower or invalid
};

// Runs are matched by model, strategy with parameters, batch, TEE and device. A run is slower when
// the whole interval of its ratio is above 1 + tolerance. The texts are hostile. Errors:
// invalid_argument (no schema-1 bench file, or no run in common).
Result<Comparison> compare(const std::string& before_json, const std::string& after_json,
                           double tolerance);

std::string comparison_text(const Comparison& comparison);

}  // namespace taoism::report
