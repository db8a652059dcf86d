#include "runtime/prepare.h"

#include "partition/fuse.h"
#include "partition/segments.h"
#include "program/codec.h"
#include "program/lower.h"
#include "program/schedule.h"

namespace taoism::runtime {

namespace {

// What a TEE would refuse, before one is started.
Status check_program(const program::Lowered& lowered) {
  const uint64_t bytes = program::encode(lowered.program).size();
  if (bytes <= program::kMaxEncodedBytes) return {};
  size_t nodes = 0;
  for (const program::Segment& segment : lowered.program.segments) {
    nodes += segment.instructions.size();
  }
  return unsupported("the TEE's part has " + std::to_string(nodes) + " nodes, a program of " +
                     std::to_string(bytes >> 20) + " MiB; a TEE takes at most " +
                     std::to_string(program::kMaxEncodedBytes >> 20) +
                     " MiB: keep fewer nodes there, --strategy or --plan");
}

// What the TEE will do: the schedule that it will make itself.
Status predict_memory(const ir::PartitionedGraph& partitioned, const Machine& machine,
                      partition::Report& report) {
  TAOISM_ASSIGN_OR_RETURN(const program::Lowered lowered,
                          program::lower(partitioned, ir::Placement::tee));
  TAOISM_RETURN_IF_ERROR(check_program(lowered));
  program::Limits limits{.threads = machine.tee_threads};
  if (machine.tee_memory_bytes != 0) limits.memory_bytes = machine.tee_memory_bytes;
  Result<program::Schedule> made = program::make_schedule(lowered.program, limits);
  if (made.code() == Code::resource_exhausted) {
    report.warnings.push_back(
        "--tee-memory is too small for this plan: the least that would do is " +
        std::to_string(program::smallest_memory(lowered.program, limits.threads) >> 10) +
        "KiB; the memory shown is what holds everything");
    made = program::make_schedule(lowered.program, {.threads = machine.tee_threads});
  }
  TAOISM_RETURN_IF_ERROR(made.status());
  const program::Schedule& schedule = *made;
  partition::TeeMemory& memory = report.tee_memory;
  memory.peak_bytes = schedule.arena_bytes();
  memory.weight_bytes = schedule.weight_bytes;
  memory.ring_bytes = schedule.ring_bytes;
  memory.scratch_bytes = schedule.scratch_bytes;
  memory.activation_bytes = schedule.activation_bytes;
  memory.weights = schedule.weights.size();
  for (const program::WeightPlan& weight : schedule.weights) {
    memory.streamed_weights += weight.is_resident ? 0 : 1;
  }
  memory.streamed_bytes = schedule.streamed_bytes;
  memory.spilled_bytes = schedule.spilled_bytes;
  memory.repeated_macs = schedule.repeated_macs;
  memory.most_bands = schedule.bands;
  for (const auto& groups : schedule.segments) {
    for (const program::Group& group : groups) {
      if (memory.least_images == 0 || group.full.images < memory.least_images) {
        memory.least_images = group.full.images;
      }
    }
  }
  return {};
}

}  // namespace

Result<Prepared> prepare(const ir::Graph& source, const partition::Plan& plan,
                         const Machine& machine) {
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
  if (prepared.uses_device) {
    TAOISM_RETURN_IF_ERROR(check_device(machine, prepared.partitioned.graph));
  }
  if (prepared.uses_tee) {
    TAOISM_RETURN_IF_ERROR(predict_memory(prepared.partitioned, machine, prepared.report));
  }
  return prepared;
}

}  // namespace taoism::runtime
