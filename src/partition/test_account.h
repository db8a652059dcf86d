// The account of graphs whose nodes' sides are given. Tests only.
#pragma once

#include <gtest/gtest.h>

#include <functional>

#include "partition/accounting.h"
#include "partition/segments.h"

namespace taoism::partition::test {

// Nodes that are `inside` are in the TEE, all others on the device.
inline Report placed(ir::Graph graph, const std::function<bool(const ir::Node&)>& inside) {
  const ir::Graph source = graph;
  for (ir::Node& node : graph.nodes()) {
    node.placement = inside(node) ? ir::Placement::tee : ir::Placement::device;
  }
  auto partitioned = make_segments(std::move(graph));
  EXPECT_TRUE(partitioned.ok());
  return *account(source, *partitioned);
}

}  // namespace taoism::partition::test
