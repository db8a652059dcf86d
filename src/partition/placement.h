// From a source graph and its annotations to a graph that can be cut into segments: placements set,
// protocol nodes inserted, `automatic` resolved. Host only. Thread-safety: pure functions.
#pragma once

#include "partition/strategy.h"

namespace taoism::partition {

// A copy of `source` with placements, reasons and rewrites applied, tidied, and no placement left
// automatic. Every rewritten node has the source node's name as its `origin`. Errors:
// invalid_argument for a transform that does not exist or that sits on a node not placed on the
// device; whatever a rewrite refuses.
Result<ir::Graph> apply(const ir::Graph& source, const Annotations& annotations);

// Replaces `automatic`: the TEE if an input was made there, else the device.
void resolve_automatic(ir::Graph& graph);

}  // namespace taoism::partition
