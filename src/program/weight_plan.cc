#include "program/weight_plan.h"

#include <algorithm>

namespace taoism::program {
namespace {

// Calls function(input, weight) for every weight that a compute step reads.
template <typename Function>
void for_each_weight(const Analysis& analysis, uint32_t segment, const Step& step,
                     Function&& function) {
  const Instruction& instruction = analysis.program().segments[segment].instructions[step.index];
  for (size_t i = 0; i < instruction.inputs.size(); ++i) {
    if (instruction.inputs[i].kind == Operand::weight) function(i, instruction.inputs[i].index);
  }
}

}  // namespace

std::vector<uint64_t> count_reads(const Analysis& analysis, const std::vector<Stretch>& stretches) {
  std::vector<uint64_t> reads(analysis.program().weights.size(), 0);
  for (const Stretch& stretch : stretches) {
    const auto parts =
        static_cast<uint64_t>((analysis.batch() + stretch.images - 1) / stretch.images);
    for (const Item& item : stretch.items) {
      for (uint32_t n = item.nodes.begin; n < item.nodes.end; ++n) {
        for (const Operand& operand : analysis.nodes()[n].instruction->inputs) {
          if (operand.kind == Operand::weight) {
            reads[operand.index] = parts * static_cast<uint64_t>(item.bands);
          }
        }
      }
    }
  }
  return reads;
}

Scratch scratch_of(const Analysis& analysis, const Schedule& schedule) {
  Scratch scratch;
  for (uint32_t s = 0; s < schedule.segments.size(); ++s) {
    const Segment& segment = analysis.program().segments[s];
    for (const Group& group : schedule.segments[s]) {
      for (const Part* part : {&group.full, &group.rest}) {
        for (const Step& step : part->steps) {
          if (step.kind != Step::compute) continue;
          const Instruction& instruction = segment.instructions[step.index];
          const ops::NodeView view{instruction.name, step.attrs, step.inputs, step.outputs};
          const ops::OpDef& op = *instruction.op;
          bool is_streamed = false;
          for_each_weight(analysis, s, step, [&](size_t, WeightId w) {
            is_streamed = is_streamed || !schedule.weights[w].is_resident;
          });
          const bool in_parts = is_streamed && op.run_part != nullptr;
          const auto usable = in_parts ? op.part_scratch_bytes : op.scratch_bytes;
          const auto least = in_parts ? op.least_part_scratch_bytes : op.least_scratch_bytes;
          if (usable == nullptr) continue;
          const uint64_t bytes = usable(view, schedule.threads);
          scratch.usable_bytes = std::max(scratch.usable_bytes, bytes);
          scratch.least_bytes =
              std::max(scratch.least_bytes,
                       least != nullptr ? uint64_t{least(view, schedule.threads)} : bytes);
        }
      }
    }
  }
  return {round_up(scratch.least_bytes, kAlignment), round_up(scratch.usable_bytes, kAlignment)};
}

void plan_calls(const Analysis& analysis, uint64_t call_bytes, Schedule& schedule) {
  const Program& program = analysis.program();
  for (const Segment& segment : program.segments) {
    for (const Instruction& instruction : segment.instructions) {
      for (const Operand& operand : instruction.inputs) {
        if (operand.kind != Operand::weight) continue;
        WeightPlan& weight = schedule.weights[operand.index];
        weight.calls.clear();
        if (weight.is_resident) continue;
        const auto pieces = static_cast<uint32_t>(weight.ends.size());
        for (uint32_t first = 0; first < pieces;) {
          uint32_t last = first + 1;
          if (instruction.op->run_part == nullptr) last = pieces;
          while (last < pieces && weight.ends[last] - weight.begin_of(first) <= call_bytes) ++last;
          weight.calls.push_back({operand.index, first, last});
          first = last;
        }
      }
    }
  }
  for (uint32_t s = 0; s < schedule.segments.size(); ++s) {
    for (Group& group : schedule.segments[s]) {
      for (Part* part : {&group.full, &group.rest}) {
        part->calls.clear();
        for (const Step& step : part->steps) {
          if (step.kind != Step::compute) continue;
          for_each_weight(analysis, s, step, [&](size_t, WeightId w) {
            const WeightPlan& weight = schedule.weights[w];
            part->calls.insert(part->calls.end(), weight.calls.begin(), weight.calls.end());
          });
        }
      }
    }
  }
}

}  // namespace taoism::program
