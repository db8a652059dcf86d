// From a bound graph and a plan to what devices compile, with the account of it: nothing is
// started. Thread-safety: pure functions.
#pragma once

#include <string>

#include "ir/segment.h"
#include "onnx/model.h"
#include "partition/plan.h"
#include "runtime/machine.h"

namespace taoism::runtime {

struct Prepared {
  ir::PartitionedGraph partitioned;  // placed, fused, cut
  partition::Report report;          // of the unfused graph, with the TEE's peak memory filled in
  std::string plan_hash;
  // Of a package: what runs in the TEE. `partitioned` has a node without a kernel for each of its
  // segments then.
  std::shared_ptr<const tee::SealedProgram> sealed;
  bool uses_tee = false;
  bool uses_device = false;
};

// `source` is bound to a batch. The report predicts what the TEE of `machine` (resolved) does with
// its threads and memory; a memory that is too small is a warning there, and an error of
// Session::open. Errors: invalid_argument, unsupported.
Result<Prepared> prepare(const ir::Graph& source, const partition::Plan& plan,
                         const Machine& machine);

}  // namespace taoism::runtime
