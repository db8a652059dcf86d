// A package as its user sees it: something to run. What is private stays sealed here; the TEE opens
// it, with a key that this process never has. Host only. Thread-safety: const functions from
// several threads.
#pragma once

#include <memory>
#include <mutex>

#include "package/package_file.h"
#include "runtime/source.h"

namespace taoism::package {

class Package final : public runtime::Source {
 public:
  // Errors: those of PackageFile::open().
  static Result<std::unique_ptr<Package>> open(const std::string& path,
                                               const store::Owners* owners = nullptr);
  // The same, signed by one of those whom the file `owner_file` names (owner_key.h); empty: by
  // anybody. Errors: those of read_owners() as well.
  static Result<std::unique_ptr<Package>> open_owned(const std::string& path,
                                                     const std::string& owner_file);

  const PackageFile& file() const { return *file_; }
  const Manifest& manifest() const { return file_->manifest(); }
  // Errors: invalid_argument for a batch that it was not sealed for.
  Result<const BatchEntry*> entry_of(int64_t batch) const;

  const std::vector<runtime::TensorSpec>& inputs() const override { return inputs_; }
  const std::vector<runtime::TensorSpec>& outputs() const override { return outputs_; }
  const std::string& strategy() const override { return manifest().strategy; }
  // A name that only its owner can tell the model by.
  const std::string& model_hash() const override { return manifest().model_id; }
  const onnx::RowProof& rows() const override { return rows_; }
  int64_t batch_at_most(int64_t most) const override;
  Status no_batch_for(size_t rows) const override;
  // Errors: integrity when a part of the package is not what its public part says.
  Result<runtime::Prepared> prepare(int64_t batch, const runtime::Machine& machine) const override;

 private:
  explicit Package(std::shared_ptr<const PackageFile> file) : file_(std::move(file)) {}
  Result<ir::PartitionedGraph> graph(uint32_t index) const;
  Status check_constants() const;
  Status check_rows(const ir::Graph& graph, int64_t batch) const;
  std::string batches_text() const;
  Result<onnx::RowProof> proven_rows() const;

  std::shared_ptr<const PackageFile> file_;
  std::vector<std::shared_ptr<const ir::Constant>> constants_;
  // Whether they are what was sealed: found out when a batch is first prepared.
  mutable std::once_flag constants_checked_;
  mutable Status constants_status_;
  std::vector<runtime::TensorSpec> inputs_, outputs_;
  onnx::RowProof rows_;
};

// The plan that is sealed in a package, as plan.json: for its owner. Errors: integrity (another
// key, signed by nobody whom the key knows, a damaged package), policy (older than the key
// accepts).
Result<std::string> open_plan(const PackageFile& file, const store::PackageKey& key);

}  // namespace taoism::package
