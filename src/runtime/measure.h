// measure: several strategies on one model and batch, against each other. Their sessions are open
// at the same time; which runs next is decided by a seeded random order spread over the whole
// measurement, so that a drift of the machine hits all alike.
// Thread-safety: one measurement at a time per process, or the numbers mean nothing.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "files/tensor_file.h"
#include "onnx/model.h"
#include "runtime/machine.h"
#include "runtime/profile.h"
#include "runtime/source.h"

namespace taoism::runtime {

// What one strategy gave on one model and batch.
struct RunRecord {
  std::string model;
  std::string model_hash;
  std::string plan_hash;
  std::string strategy;                                         // the name alone
  std::vector<std::pair<std::string, std::string>> parameters;  // every one, defaults too
  std::string tee;                                              // of the machine, used or not
  bool simulated = true;
  std::string device;
  size_t batch = 1;
  size_t tee_threads = 0;
  size_t device_threads = 0;
  double cold_start_ms = 0;        // model load, plan, TEE start, compilation, first answer
  std::vector<double> samples_ms;  // in the order in which they were taken
  RunProfile total;                // summed over the samples
  double tee_macs_share = 0;
  double private_params_exposed_share = 0;
  uint64_t crossings = 0;
  uint64_t bytes_to_device = 0;
  uint64_t bytes_to_tee = 0;
  uint64_t tee_memory_budget = 0;
  uint64_t tee_memory_peak = 0;
  uint64_t tee_sealed_bytes = 0;  // opened or sealed in a run because they are not kept inside
  bool has_reference = true;  // false: a package without its model; its answers are not compared
  double max_abs_error =
      0;  // against the unpartitioned run; NaN when either has NaN where the other has none
  double max_relative_error = 0;  // the same over the range of the unpartitioned output
  // max_relative_error <= kMaxRelativeError (of 16-bit floats: 4 units in the last place), or no
  // reference.
  bool valid = true;
  std::vector<std::string> warnings;
};

inline constexpr double kMaxRelativeError = 1e-4;

struct Subject {
  std::string text;               // a strategy, "deep:k=2"
  std::string plan_json;          // not empty: this plan instead, and `text` is what it is called
  uint64_t tee_memory_bytes = 0;  // 0: what the plan needs
};

struct MeasureOptions {
  std::string model_path;  // what answers are compared with; of a package it may be empty
  // Not empty: opens the package that is measured. Subjects are its budgets then.
  std::function<Result<std::unique_ptr<Source>>()> open_package;
  std::string package_path;
  onnx::ImportOptions import;  // batch and input shapes; of a package, batch 0 is its least
  // What the inputs hold, in their order; where there is nothing, random values.
  std::vector<std::optional<files::Tensor>> inputs;
  std::vector<Subject> subjects;
  Machine machine;  // resolved; its memory is each subject's own
  size_t min_iterations = 10;
  double min_seconds = 3;  // of samples, per subject
  uint64_t seed = 1;       // of the order and of the input
  // Asked between two runs; true ends the measurement with `unavailable`. May be empty.
  std::function<bool()> is_cancelled;
};

// Called now and then with the share that is done, 0 to 1, and what is going on.
using Progress = std::function<void(double done, const std::string& what)>;

// One record per subject, in order.
Result<std::vector<RunRecord>> measure(const MeasureOptions& options, const Progress& progress);

}  // namespace taoism::runtime
