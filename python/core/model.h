// The handles that Python holds. Thread-safety: const functions from several threads.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "onnx/model.h"
#include "package/package.h"
#include "partition/plan.h"
#include "runtime/prepare.h"

namespace taoism::python {

using InputShapes = std::map<std::string, std::vector<int64_t>>;

// An ONNX model with the shapes that its inputs are given where the file leaves more than the
// batch open. All functions throw StatusError.
struct ModelHandle {
  onnx::Model model;
  std::string hash;
  std::vector<std::pair<std::string, ir::Shape>> shapes;

  static ModelHandle load(const std::string& path, const InputShapes& shapes);
  // `batch` 0: the batch that the file declares.
  ir::Graph bind(int64_t batch) const;
  // With these shapes in place of those of the same inputs.
  ir::Graph bind_shapes(const InputShapes& given) const;
  partition::Plan plan(const std::string& json, const ir::Graph& graph) const;
};

// Name, element type ("float32") and shape.
using Spec = std::tuple<std::string, std::string, std::vector<int64_t>>;
std::vector<Spec> specs_of(const std::vector<runtime::TensorSpec>& tensors);

struct PackageHandle {
  std::shared_ptr<const package::Package> package;
};

}  // namespace taoism::python
