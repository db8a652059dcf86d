// Hostile plan.json against a small model: what is accepted can be written, read again as the same
// plan, and carried out or refused with a reason.
#include "partition/plan.h"
#include "plan_graph.h"

namespace taoism::fuzz {

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const ir::Graph graph = fuzz::plan_graph();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto plan = partition::read_plan(text, graph, fuzz::kModelHash);
  if (!plan.ok()) {
    TAOISM_CHECK(plan.code() == Code::invalid_argument || plan.code() == Code::unsupported);
    TAOISM_CHECK(plan.status().message().find('\n') == std::string::npos);
    return 0;
  }
  const auto again =
      partition::read_plan(partition::write_plan(*plan, graph), graph, fuzz::kModelHash);
  TAOISM_CHECK(again.ok() && again->strategy == plan->strategy);
  TAOISM_CHECK(plan_hash(*again, graph) == plan_hash(*plan, graph));
  const auto partition = partition::carry_out(graph, *plan);
  TAOISM_CHECK(partition.ok() || partition.code() != Code::internal);
  if (partition.ok()) TAOISM_CHECK(partition->graph.verify().ok());
  return 0;
}

}  // namespace taoism::fuzz
