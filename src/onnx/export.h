// Writes ONNX files: opset 17, IR version 8. What `zoo` and the tests make models with. No
// exception leaves. Thread-safety: one thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ir/attrs.h"
#include "ir/types.h"

namespace taoism::onnx {

class ModelWriter {
 public:
  explicit ModelWriter(const std::string& graph_name);
  ModelWriter(ModelWriter&&) noexcept;
  ~ModelWriter();

  void set_metadata(const std::string& key, const std::string& value);
  // float32; a dimension of ir::Shape::kDynamic becomes the name N.
  void add_input(const std::string& name, const ir::Shape& shape);
  void add_output(const std::string& name, const ir::Shape& shape);
  // A float32 initialiser. `fill` gets its zeroed elements.
  void add_weight(const std::string& name, const ir::Shape& shape,
                  const std::function<void(std::span<float>)>& fill);
  void add_ints(const std::string& name, std::span<const int64_t> values);
  void add_node(const std::string& op, const std::string& name,
                const std::vector<std::string>& inputs, const std::vector<std::string>& outputs,
                const ir::Attrs& attrs = {});

  // The file appears whole or not at all. Errors: invalid_argument (cannot be created),
  // resource_exhausted (the disk, or over 2 GiB).
  Status write(const std::string& path) const;

 private:
  struct Proto;
  std::unique_ptr<Proto> proto_;
};

}  // namespace taoism::onnx
