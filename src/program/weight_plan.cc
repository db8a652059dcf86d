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

// Calls function(segment, step, images) for every compute step; images of all times that it runs.
template <typename Function>
void for_each_compute(const Schedule& schedule, Function&& function) {
  for (uint32_t s = 0; s < schedule.segments.size(); ++s) {
    for (const Group& group : schedule.segments[s]) {
      const auto visit = [&](const Part& part, uint64_t times) {
        for (const Step& step : part.steps) {
          if (step.kind == Step::compute) function(s, step, times * part.images);
        }
      };
      visit(group.full, group.full_parts);
      visit(group.rest, 1);
    }
  }
}

// The scratch of one step: all of it.
Scratch need_of(const Analysis& analysis, const Schedule& schedule, uint32_t segment,
                const Step& step) {
  const Instruction& instruction = analysis.program().segments[segment].instructions[step.index];
  const ops::OpDef& op = *instruction.op;
  bool is_streamed = false;
  for_each_weight(analysis, segment, step, [&](size_t, WeightId w) {
    is_streamed = is_streamed || !schedule.weights[w].is_resident;
  });
  const bool in_parts = is_streamed && op.run_part != nullptr;
  const auto usable = in_parts ? op.part_scratch_bytes : op.scratch_bytes;
  const auto least = in_parts ? op.least_part_scratch_bytes : op.least_scratch_bytes;
  if (usable == nullptr) return {};
  const ops::NodeView view{instruction.name, step.attrs, step.inputs, step.outputs};
  const uint64_t bytes = round_up(usable(view, schedule.threads), kAlignment);
  if (least == nullptr) return {bytes, bytes};
  return {round_up(least(view, schedule.threads), kAlignment), bytes};
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
  for_each_compute(schedule, [&](uint32_t segment, const Step& step, uint64_t) {
    const Scratch need = need_of(analysis, schedule, segment, step);
    const uint64_t beside = schedule.activation_bytes - step.scratch_offset;
    scratch.least_bytes =
        std::max(scratch.least_bytes, need.least_bytes - std::min(beside, need.least_bytes));
    scratch.usable_bytes =
        std::max(scratch.usable_bytes, need.usable_bytes - std::min(beside, need.usable_bytes));
  });
  return scratch;
}

double macs_short_of_scratch(const Analysis& analysis, const Schedule& schedule) {
  double macs = 0;
  for_each_compute(schedule, [&](uint32_t segment, const Step& step, uint64_t images) {
    const auto usable =
        static_cast<double>(need_of(analysis, schedule, segment, step).usable_bytes);
    const auto given = static_cast<double>(schedule.scratch_of(step));
    const Instruction& instruction = analysis.program().segments[segment].instructions[step.index];
    if (given >= usable || instruction.op->cost == nullptr) return;
    const ops::NodeView view{instruction.name, step.attrs, step.inputs, step.outputs};
    macs += static_cast<double>(images) * static_cast<double>(instruction.op->cost(view).macs) *
            (1 - given / usable);
  });
  return macs;
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
