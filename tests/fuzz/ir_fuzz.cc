// Hostile bytes of a partitioned graph over the constants of plan_graph.h's: what decode accepts
// encodes to bytes that mean the same, and every node can run where and when its segment says.
#include "ir/codec.h"
#include "plan_graph.h"

namespace taoism::fuzz {
namespace {

// What lower and the devices rely on without asking.
void check_segments(const ir::PartitionedGraph& partition) {
  const ir::Graph& graph = partition.graph;
  TAOISM_CHECK(graph.verify().ok());
  size_t nodes = 0;
  std::vector<bool> outside(graph.value_count(), false);
  std::vector<bool> here[3] = {outside, outside, outside};
  for (const ir::ValueId input : graph.inputs()) outside.at(static_cast<size_t>(input)) = true;
  for (const ir::Segment& segment : partition.segments) {
    std::vector<bool>& side = here[static_cast<size_t>(segment.placement)];
    for (const ir::ValueId input : segment.inputs) {
      TAOISM_CHECK(outside.at(static_cast<size_t>(input)));
      side[static_cast<size_t>(input)] = true;
    }
    for (const ir::NodeId id : segment.nodes) {
      const ir::Node& node = graph.node(id);
      TAOISM_CHECK(node.placement == segment.placement);
      ++nodes;
      for (const ir::ValueId input : node.inputs) {
        TAOISM_CHECK(input == ir::kNoValue || graph.value(input).is_constant() ||
                     side.at(static_cast<size_t>(input)));
      }
      for (const ir::ValueId output : node.outputs) {
        if (output != ir::kNoValue) side.at(static_cast<size_t>(output)) = true;
      }
    }
    for (const ir::ValueId output : segment.outputs) {
      TAOISM_CHECK(side.at(static_cast<size_t>(output)));
      outside[static_cast<size_t>(output)] = true;
    }
  }
  TAOISM_CHECK(nodes == graph.node_count());
  for (const ir::ValueId output : graph.outputs()) {
    TAOISM_CHECK(outside.at(static_cast<size_t>(output)));
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto constants = ir::encode({fuzz::plan_graph(), {}}).constants;
  const auto graph = ir::decode({reinterpret_cast<const std::byte*>(data), size}, constants);
  if (!graph.ok()) {
    TAOISM_CHECK(graph.code() == Code::integrity);
    return 0;
  }
  check_segments(*graph);
  for (size_t v = 0; v < graph->graph.value_count(); ++v) {
    const ir::Value& value = graph->graph.value(static_cast<ir::ValueId>(v));
    TAOISM_CHECK(value.desc.bytes() <= ir::kMaxElements * sizeof(double));
    if (value.is_constant()) TAOISM_CHECK(value.constant->desc == value.desc);
  }
  const ir::EncodedGraph encoded = ir::encode(*graph);
  const auto again = ir::decode(encoded.bytes, encoded.constants);
  TAOISM_CHECK(again.ok());
  const ir::EncodedGraph second = ir::encode(*again);
  TAOISM_CHECK(second.bytes == encoded.bytes && second.constants == encoded.constants);
  return 0;
}

}  // namespace taoism::fuzz
