// The bytes of a partitioned graph, so that it can be kept or sent: FlatBuffers (ir.fbs), read with
// its verifier. Constants are not in them: values refer to a table by number. Trusted: decode may
// be given hostile bytes. Thread-safety: pure functions.
#pragma once

#include <span>
#include <vector>

#include "ir/segment.h"

namespace taoism::ir {

// The constants that an encoding refers to by number; the same memory comes once (once for each
// type that it is read as). What no node reads is not among them: such a value has none when
// decoded.
struct EncodedGraph {
  std::vector<std::byte> bytes;
  std::vector<std::shared_ptr<const Constant>> constants;
};
EncodedGraph encode(const PartitionedGraph& graph);
// Same, but continuing a table of constants that several graphs share.
std::vector<std::byte> encode(const PartitionedGraph& graph,
                              std::vector<std::shared_ptr<const Constant>>& constants);

// Reads nothing outside `bytes` and trusts no count in them. What it accepts has passed
// Graph::verify(); types are known, static and bounded, and a constant has its value's type. Every
// node is on a side, and in one segment of that side. In the order of the segments, a node reads
// constants and what was handed to its side or made there before; a segment is handed graph inputs
// and outputs of earlier segments, and its outputs are made in it, graph outputs among them.
// Operators and their attributes are not looked at: that is for ops. Errors: integrity with a
// static text.
Result<PartitionedGraph> decode(ConstByteSpan bytes,
                                std::span<const std::shared_ptr<const Constant>> constants);

}  // namespace taoism::ir
