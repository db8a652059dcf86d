// run_rows: all rows of an input through one source, a batch at a time where the source has proven
// that they may be run apart, else all at once.
// Thread-safety: free functions; one run at a time per machine, or timings mean nothing.
#pragma once

#include <functional>
#include <vector>

#include "files/tensor_file.h"
#include "runtime/machine.h"
#include "runtime/profile.h"
#include "runtime/source.h"

namespace taoism::runtime {

struct BatchRunOptions {
  Machine machine;     // resolved
  int64_t batch = 64;  // rows at a time, at most
  // Whether somebody asked for it: rows that have to be run together are an error then.
  bool batch_is_given = false;
  std::function<void(double done)> progress;
};

struct RowTensor {
  std::string name;
  ir::TensorDesc desc;  // of all rows
  AlignedBuffer data;
};

struct BatchRunResult {
  std::vector<RowTensor> outputs;
  size_t rows = 0;
  size_t batch = 0;
  RunProfile total;  // of the inferences, without opening sessions
  bool uses_tee = false;
  uint64_t tee_memory_budget = 0;
  std::vector<std::string> warnings;
};

// `inputs` in the model's order, with the same number of rows where they have rows. IDX images take
// the model's shape when the elements of a row agree; other inputs must have it. Rows that do not
// fill a batch are run as smaller ones, where the source has them. Errors: invalid_argument (also
// when rows that belong together cannot be one batch), those of prepare and Session.
Result<BatchRunResult> run_rows(const Source& source, std::span<const files::Tensor> inputs,
                                const BatchRunOptions& options);

struct Accuracy {
  size_t right = 0;
  size_t rows = 0;
  double share() const {
    return rows == 0 ? 0 : static_cast<double>(right) / static_cast<double>(rows);
  }
};

// The class with the largest value of each row (the first of equals; NaN is never the largest).
std::vector<int64_t> arg_max(const RowTensor& output);
// Errors: invalid_argument when `output` is neither [rows, classes] nor a label a row, or the
// labels are not as many.
Result<Accuracy> accuracy(const RowTensor& output, std::span<const int64_t> labels);

}  // namespace taoism::runtime
