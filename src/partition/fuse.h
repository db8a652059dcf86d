// Fusion: what makes a placed graph fast without changing what it computes or where. Runs after the
// report was made on the unfused graph, so that the accounting is of the model as it was given.
#pragma once

#include "ir/graph.h"

namespace taoism::partition {

// Rewrites `graph`, whose placements are resolved, joining neighbours of the same placement only:
// activations that are written out (written_out.h), Conv or Linear with the BatchNormalization after
// it (weights folded in float64), then an Add whose operand is a Conv (it becomes the convolution's
// residual input), then the activation after any operator that takes a fused one. Norms and
// activations are found behind what only moves elements too, such as a pixel shuffle. A value that
// is a graph output or read elsewhere is left alone.
Status fuse(ir::Graph& graph);

}  // namespace taoism::partition
