// The manifest in a package, as text (JSON, docs/formats/tao.md): what is public of it beside
// graphs and weights. The reader trusts nothing. Host only. Thread-safety: values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "ir/types.h"
#include "onnx/model.h"

namespace taoism::package {

// The model bound to one batch size.
struct BatchEntry {
  int64_t batch = 0;
  uint64_t most_spill_bytes = 0;
  std::vector<uint64_t> whole_memory_bytes;  // with 1, 2, 4, 8... threads
  std::string summary;                       // partition::summary_json()
  std::string summary_text;
};

struct Manifest {
  std::string model;
  // store::keyed_name() of the hashes of model and plan: who has no key can confirm no guess.
  std::string model_id;
  std::string plan_id;
  std::string strategy;
  std::string kernel_target;              // that the sealed weights are packed for
  onnx::RowProof rows;                    // proven when it was sealed
  std::vector<ir::TensorDesc> constants;  // the weights that the device holds
  std::vector<BatchEntry> batches;        // by rising size
};

inline constexpr uint64_t kMaxManifestBytes = uint64_t{64} << 20;
inline constexpr size_t kMaxBatches = 64;  // of one package

std::string write_manifest(const Manifest& manifest);
// Errors: integrity.
Result<Manifest> read_manifest(std::string_view text);

}  // namespace taoism::package
