// Seals a model under a plan into a package, as its owner: who calls this has the weights in clear.
// Host only. Thread-safety: a free function.
#pragma once

#include <vector>

#include "files/output_file.h"
#include "onnx/model.h"
#include "partition/plan.h"
#include "store/package_head.h"

namespace taoism::package {

struct SealOptions {
  onnx::ImportOptions import;  // the shapes of inputs; its batch does not count
  // The batch sizes that the package can run, each once; of a model whose batch is fixed, that one.
  std::vector<int64_t> batches = {1};
  uint64_t version = 1;
  // Seals although the TEE gives private weights away to who asks (partition/asking.h).
  bool allow_exposed = false;
};

struct SealReport {
  uint64_t file_bytes = 0;
  uint64_t sealed_weight_bytes = 0;
  uint64_t public_weight_bytes = 0;
  std::vector<int64_t> batches;
  std::vector<std::string> warnings;
};

// Writes the whole package, signed by `owner`, to `file`; the caller commits it. Weights are packed
// for the kernels' current target. Errors: invalid_argument (a plan that keeps nothing in the TEE,
// a version that the key does not open), policy (weights that can be had by asking), unsupported,
// resource_exhausted.
Result<SealReport> seal(const onnx::Model& model, const partition::Plan& plan,
                        const SealOptions& options, const store::PackageKey& key,
                        const crypto::SigningKey& owner, files::OutputFile& file);

}  // namespace taoism::package
