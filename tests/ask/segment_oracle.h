// A TEE as its untrusted runtime has it: the segments of a package's program answer whatever they
// are asked, and the host sees what crosses. No key, no model: the key file is named to the worker,
// unread. Thread-safety: one thread at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/machine.h"
#include "runtime/prepare.h"

namespace taoism::ask {

// What crosses, float32 of [batch, ...]; `row` has the shape of one row.
struct Crossing {
  std::string name;
  ir::Shape row;
  size_t elements = 0;  // of a row
};

// One row of every input, or of every output.
using Row = std::vector<std::vector<float>>;

class SegmentOracle {
 public:
  // `prepared` is of a package at `batch`. Errors: those of runtime::open_sealed().
  static Result<std::unique_ptr<SegmentOracle>> open(const runtime::Prepared& prepared,
                                                     int64_t batch,
                                                     const runtime::Machine& machine);

  // Of the TEE's, in the order in which they run.
  size_t segments() const { return tee_segments_.size(); }
  // Why segment `s` cannot be asked row by row, or empty.
  std::string obstacle(size_t s) const;
  std::vector<Crossing> inputs(size_t s) const { return crossings(inputs_of(s)); }
  std::vector<Crossing> outputs(size_t s) const { return crossings(outputs_of(s)); }

  // The answers of segment `s` to `rows`; the segments before it are given zeros. Errors: the
  // TEE's.
  Result<std::vector<Row>> ask(size_t s, const std::vector<Row>& rows);

  // Rows asked and runs of the asked segment since the start.
  uint64_t rows_asked() const { return rows_asked_; }
  uint64_t calls() const { return calls_; }

 private:
  SegmentOracle() = default;
  const std::vector<ir::ValueId>& inputs_of(size_t s) const;
  const std::vector<ir::ValueId>& outputs_of(size_t s) const;
  std::vector<Crossing> crossings(const std::vector<ir::ValueId>& values) const;
  Status run(size_t s, const std::vector<Row>& rows, size_t first, std::vector<Row>& answers);

  ir::PartitionedGraph partitioned_;
  std::vector<size_t> tee_segments_;  // in partitioned_.segments
  size_t batch_ = 1;
  std::unique_ptr<device::Executable> tee_;
  uint64_t rows_asked_ = 0;
  uint64_t calls_ = 0;
};

}  // namespace taoism::ask
