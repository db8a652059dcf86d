// float64 and uint64, which no kernel computes with: what they give in constants, each in its own
// arithmetic. Internal to this folder.
#pragma once

#include "onnx/fold.h"

namespace taoism::onnx {

// Of a node that reads constants alone, some of them float64 or uint64, or a power of mixed types.
// Null when there is none for this operator.
Fold find_evaluation(std::string_view op);

}  // namespace taoism::onnx
