// From a parsed file to a graph at fixed shapes. Internal to this folder.
#pragma once

#include "onnx/model_file.h"

namespace taoism::onnx {

// Goes through all nodes; what cannot be run is appended to `refused`, and the graph is whole only
// when that stays empty. Errors: invalid_argument. May throw what the standard library throws.
// In `proof`, where it is given, what is proven of the rows that the graph is bound to.
Result<ir::Graph> bind_file(const Model::File& file, const ImportOptions& options,
                            std::vector<Unsupported>& refused, RowProof* proof = nullptr);

// Whether the import has a rule for an operator of ONNX's own domain.
bool is_known_operator(std::string_view op);

// Gives a Linear without bias the constant that an Add behind it adds to every row.
Status fuse_bias(ir::Graph& graph);

}  // namespace taoism::onnx
