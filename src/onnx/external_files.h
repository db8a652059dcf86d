// Which files a model's tensors lie in, beside the model. Host only. Thread-safety: free functions.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"

namespace taoism::onnx {

// The paths of all files that the ONNX file at `path` names as external data, as far as they can be
// opened, each once; of every tensor, whether Model::load reads it or not. Parses the file and
// reads nothing of the others' weights. Errors: not_found, invalid_argument (no ONNX file),
// resource_exhausted.
Result<std::vector<std::string>> external_files(const std::string& path);

}  // namespace taoism::onnx
