#include "runtime/prepare.h"

#include <algorithm>

#include "partition/fuse.h"
#include "partition/segments.h"
#include "program/lower.h"

namespace taoism::runtime {

Result<ir::Graph> bind_batch(const onnx::Model& model, const onnx::ImportOptions& options) {
  TAOISM_ASSIGN_OR_RETURN(ir::Graph graph, model.bind(options));
  for (ir::ValueId id : graph.inputs()) {
    const ir::Value& input = graph.value(id);
    const bool given = std::any_of(options.input_shapes.begin(), options.input_shapes.end(),
                                   [&](const auto& shape) { return shape.first == input.name; });
    if (given || model.batch_is_dynamic() || options.batch == 0) continue;
    if (input.desc.shape.rank() == 0 || input.desc.shape[0] == options.batch) continue;
    return invalid_argument("the model's batch is fixed: input '" + input.name + "' is " +
                            input.desc.shape.text() + "; give --batch " +
                            std::to_string(input.desc.shape[0]) +
                            " or export the model with a dynamic batch");
  }
  return graph;
}

Result<Prepared> prepare(const ir::Graph& source, const partition::Plan& plan, size_t tee_threads) {
  TAOISM_ASSIGN_OR_RETURN(partition::Partition partition, partition::carry_out(source, plan));
  TAOISM_RETURN_IF_ERROR(partition::fuse(partition.graph));
  Prepared prepared;
  TAOISM_ASSIGN_OR_RETURN(prepared.partitioned,
                          partition::make_segments(std::move(partition.graph)));
  prepared.report = std::move(partition.report);
  prepared.plan_hash = partition::plan_hash(plan, source);
  for (const ir::Segment& segment : prepared.partitioned.segments) {
    (segment.placement == ir::Placement::tee ? prepared.uses_tee : prepared.uses_device) = true;
  }
  if (prepared.uses_tee) {
    TAOISM_ASSIGN_OR_RETURN(program::Lowered lowered,
                            program::lower(prepared.partitioned, ir::Placement::tee, tee_threads));
    prepared.report.tee_memory_peak_bytes = lowered.program.arena_bytes();
  }
  return prepared;
}

}  // namespace taoism::runtime
