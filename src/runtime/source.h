// Source: what can be prepared to run at one batch size or another: an ONNX file under a plan, or a
// package. Thread-safety: const functions from several threads.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/prepare.h"

namespace taoism::runtime {

struct TensorSpec {
  std::string name;
  ir::TensorDesc desc;
};

class Source {
 public:
  virtual ~Source() = default;

  // As they are at one of the batches.
  virtual const std::vector<TensorSpec>& inputs() const = 0;
  virtual const std::vector<TensorSpec>& outputs() const = 0;
  virtual const std::string& strategy() const = 0;
  // SHA-256 of the model file, in hex.
  virtual const std::string& model_hash() const = 0;
  // Whether rows may be run apart, in batches, and where inputs and outputs have them. If not, all
  // that belong together are one batch.
  virtual const onnx::RowProof& rows() const = 0;
  // The largest batch that is possible and at most `most`; 0: none is.
  virtual int64_t batch_at_most(int64_t most) const = 0;
  // Why there is no batch for so many rows.
  virtual Status no_batch_for(size_t rows) const = 0;
  // Errors: invalid_argument for a batch that batch_at_most() does not give.
  virtual Result<Prepared> prepare(int64_t batch, const Machine& machine) const = 0;
};

// How many rows all inputs have in their first dimension. None: they differ, or one has no
// dimension; such inputs are not cut by rows.
std::optional<int64_t> rows_of(std::span<const TensorSpec> inputs);

// The inputs or outputs of a graph.
std::vector<TensorSpec> tensor_specs(const ir::Graph& graph, const std::vector<ir::ValueId>& ids);

// What is proven of the rows of the model as the plan carries it out. Errors: those of bind().
Result<onnx::RowProof> prove_rows(const onnx::Model& model, const partition::Plan& plan,
                                  const onnx::ImportOptions& import);

// `import` says what the inputs are beside the batch. Errors: those of bind().
Result<std::unique_ptr<Source>> open_source(onnx::Model model, partition::Plan plan,
                                            onnx::ImportOptions import);

}  // namespace taoism::runtime
