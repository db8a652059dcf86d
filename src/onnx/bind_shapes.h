// What the shapes of a model's inputs become: from shapes that are given, from the batch, and from
// names that the file gives to dimensions, of which each stands for one size. Internal to this
// folder.
#pragma once

#include "onnx/model_file.h"

namespace taoism::onnx {

// One shape an input; an input that is no tensor gets none. Errors: invalid_argument, naming both
// places of a contradiction, or the dimensions that nothing says.
Result<std::vector<ir::Shape>> bind_shapes(const Model::File& file, const ImportOptions& options);

// What bind_shapes() would name as open. Errors: its others.
Result<std::vector<OpenInput>> find_open_inputs(const Model::File& file,
                                                const ImportOptions& options);

}  // namespace taoism::onnx
