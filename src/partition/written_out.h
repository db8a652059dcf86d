// Activations that exporters write out in simple operators, found again.
#pragma once

#include "ir/graph.h"

namespace taoism::partition {

// Within one placement, x * sigmoid(x) becomes Swish and x / 2 * (1 + erf(x / sqrt(2))), in either
// order, becomes Gelu. What is read elsewhere, or is a graph output, stays as it is.
Status join_written_out(ir::Graph& graph);

}  // namespace taoism::partition
