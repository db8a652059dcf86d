// Blocks: the units by which strategies count layers, found from the graph's structure and never
// from names. Host only. Thread-safety: pure function.
#pragma once

#include <vector>

#include "ir/graph.h"

namespace taoism::partition {

struct Block {
  enum Kind : uint8_t {
    residual,     // all between a fork and the Add that joins it, shortcut and activation included
    convolution,  // a convolution (or matrix product) and what follows: batch-norm, activation,
                  // pool
    linear,       // a fully connected layer with the pool and the reshape before it
    other,        // a graph without any layer that has weights
  };
  Kind kind;
  std::vector<ir::NodeId> nodes;  // in topological order
};
const char* block_kind_name(Block::Kind kind);

// Every node is in exactly one block, and no node reads from a later block. ResNet-18 has 10 (stem,
// 8 residual, classifier). `graph` must be sorted topologically.
std::vector<Block> find_blocks(const ir::Graph& graph);

}  // namespace taoism::partition
