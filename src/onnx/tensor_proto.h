// From a TensorProto, whatever it keeps its elements in, to a constant of ours. Internal to this
// folder. Every number read here is the file's: it is checked before it is used.
#pragma once

#include <onnx/onnx_pb.h>

#include <map>
#include <memory>
#include <string>

#include "base/text.h"
#include "onnx/element_types.h"
#include "onnx/model_folder.h"

namespace taoism::onnx {

// The files beside a model that hold the data of its large tensors. The folder must outlive it.
class ExternalFiles {
 public:
  explicit ExternalFiles(const ModelFolder& folder) : folder_(folder) {}

  // Only files inside the model's folder, and not the model itself. Errors: invalid_argument,
  // not_found.
  Result<const SourceFile*> open(const std::string& location);
  // What was opened, by location; nothing can be opened afterwards through pointers from before.
  std::map<std::string, SourceFile> take() { return std::move(files_); }

 private:
  const ModelFolder& folder_;
  std::map<std::string, SourceFile> files_;
};

// A constant of the type that the file says, every bool 0 or 1. `files` null: the tensor must hold
// its data itself. Errors: unsupported for types that are no numbers of ours, invalid_argument
// where the data contradicts the dimensions, resource_exhausted before memory is taken that is not
// there.
Result<ConstantPtr> read_tensor(const ::onnx::TensorProto& tensor, ExternalFiles* files);

}  // namespace taoism::onnx
