#include "program/schedule.h"

#include <algorithm>
#include <numeric>

#include "program/bands.h"
#include "program/schedule_builder.h"
#include "program/weight_plan.h"

namespace taoism::program {
namespace {

// Weights below this stay: they are the biases and scales that every kernel starts with.
constexpr uint64_t kSmallWeightBytes = 16 << 10;
// The ring takes this part of the budget, within these bounds.
constexpr uint64_t kRingShare = 6;
constexpr uint64_t kLeastRingBytes = 6 * kPieceBytes;
constexpr uint64_t kMostRingBytes = uint64_t{6} << 20;
// Sizes for activations that are tried: eight an octave, the same for every budget, so that what
// has a schedule in one budget has it in every larger one. Once there is a schedule, only down to
// this part of the budget: less is not cheaper.
constexpr uint64_t kOctave[] = {1024, 1117, 1218, 1328, 1448, 1579, 1722, 1878};
constexpr uint64_t kLeastTried = 4096, kShareTried = 32;

// What a kernel does again when it has no scratch of what it could use, in parts of its work.
constexpr double kLost = 0.2;

class Planner {
 public:
  Planner(const Program& program, size_t threads)
      : analysis_(program), band_costs_(analysis_), program_(program), limits_{0, threads} {
    reader_.resize(program.weights.size());
    for (const Node& node : analysis_.nodes()) {
      for (const Operand& operand : node.instruction->inputs) {
        if (operand.kind == Operand::weight) reader_[operand.index] = node.instruction;
      }
    }
  }

  Result<Schedule> run(uint64_t memory_bytes) {
    limits_.memory_bytes = memory_bytes;
    known_.clear();
    best_.reset();
    Schedule schedule = held(cached_stretches(analysis_));
    if (schedule.arena_bytes() <= limits_.memory_bytes) return schedule;

    const std::vector<Stretch> whole = whole_stretches(analysis_);
    consider(whole, held(whole));
    for (const uint64_t bytes : tried_sizes()) {
      if (best_.has_value() && bytes < limits_.memory_bytes / kShareTried) break;
      const std::vector<Stretch> stretches = choose_stretches(analysis_, band_costs_, bytes);
      if (stretches.empty()) break;
      if (is_known(stretches)) continue;
      consider(stretches, build_steps(analysis_, stretches, Between::spilled, limits_.threads));
      known_.push_back(stretches);
    }
    if (!best_.has_value()) {
      return resource_exhausted("no schedule keeps to so little trusted memory");
    }
    return *std::move(best_);
  }

 private:
  // With everything in memory.
  Schedule held(const std::vector<Stretch>& stretches) const {
    Schedule schedule = build_steps(analysis_, stretches, Between::held, limits_.threads);
    place_weights(schedule);
    schedule.scratch_bytes = scratch_of(analysis_, schedule).usable_bytes;
    return schedule;
  }

  // Downwards from the budget.
  std::vector<uint64_t> tried_sizes() const {
    std::vector<uint64_t> sizes;
    for (uint64_t octave = kLeastTried; octave <= limits_.memory_bytes / 2; octave *= 2) {
      for (const uint64_t part : kOctave) sizes.push_back(octave / kOctave[0] * part);
    }
    std::reverse(sizes.begin(), sizes.end());
    return sizes;
  }

  bool is_known(const std::vector<Stretch>& stretches) const {
    const auto same_item = [](const Item& a, const Item& b) {
      return a.bands == b.bands && a.nodes.begin == b.nodes.begin && a.nodes.end == b.nodes.end;
    };
    const auto same = [&](const Stretch& a, const Stretch& b) {
      return a.segment == b.segment && a.images == b.images &&
             std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(), same_item);
    };
    return std::any_of(known_.begin(), known_.end(), [&](const std::vector<Stretch>& other) {
      return std::equal(stretches.begin(), stretches.end(), other.begin(), other.end(), same);
    });
  }

  // Decides which weights stay, and keeps the schedule if it is the cheapest so far.
  void consider(const std::vector<Stretch>& stretches, Schedule schedule) {
    const std::vector<uint64_t> reads = count_reads(analysis_, stretches);
    if (!choose_residents(reads, schedule)) return;
    count_costs(stretches, reads, schedule);
    const double cost = cost_of(schedule);
    if (best_.has_value() && cost >= best_cost_) return;
    best_ = std::move(schedule);
    best_cost_ = cost;
  }

  // Of each instruction the largest weight may be streamed, unless its kernel takes another one in
  // pieces.
  std::vector<WeightId> streamable() const {
    std::vector<WeightId> weights;
    for (const Node& node : analysis_.nodes()) {
      const Instruction& instruction = *node.instruction;
      size_t largest = SIZE_MAX;
      uint64_t most = kSmallWeightBytes;
      for (size_t i = 0; i < instruction.inputs.size(); ++i) {
        if (instruction.inputs[i].kind != Operand::weight) continue;
        const uint64_t bytes = program_.weights[instruction.inputs[i].index].packed_bytes;
        if (bytes <= most) continue;
        largest = i;
        most = bytes;
      }
      if (largest == SIZE_MAX) continue;
      const InstructionView holder(program_, instruction);
      if (instruction.op->run_part == nullptr ||
          instruction.op->packed_bytes(holder.view(), largest) != 0) {
        weights.push_back(instruction.inputs[largest].index);
      }
    }
    return weights;
  }

  // The largest piece that a call of this weight's kernel must have at once.
  uint64_t least_call_bytes(const Schedule& schedule, WeightId w) const {
    if (op_of(w).run_part == nullptr) return program_.weights[w].packed_bytes;
    const WeightPlan& weight = schedule.weights[w];
    uint64_t most = 0;
    for (uint32_t p = 0; p < weight.ends.size(); ++p) {
      most = std::max(most, weight.ends[p] - weight.begin_of(p));
    }
    return most;
  }

  const ops::OpDef& op_of(WeightId weight) const {
    TAOISM_CHECK(reader_[weight] != nullptr);  // verified programs read every weight
    return *reader_[weight]->op;
  }

  bool choose_residents(const std::vector<uint64_t>& reads, Schedule& schedule) {
    std::vector<WeightId> candidates = streamable();
    // What is read most often stays first; among equals what comes first, which the first answer
    // then need not wait for twice.
    std::stable_sort(candidates.begin(), candidates.end(),
                     [&](WeightId a, WeightId b) { return reads[a] > reads[b]; });
    for (const WeightId w : candidates) schedule.weights[w].is_resident = false;
    schedule.ring_bytes = least_ring_bytes(candidates, schedule);
    const Scratch scratch = scratch_of(analysis_, schedule);
    schedule.scratch_bytes = scratch.least_bytes;
    place_weights(schedule);
    if (schedule.arena_bytes() > limits_.memory_bytes) return false;
    const uint64_t wanted_ring = std::min(limits_.memory_bytes / kRingShare, kMostRingBytes);
    schedule.ring_bytes = grown(schedule, schedule.ring_bytes, wanted_ring);
    schedule.scratch_bytes = grown(schedule, schedule.scratch_bytes, scratch.usable_bytes);
    uint64_t left = limits_.memory_bytes - schedule.arena_bytes();
    // Every candidate may not be one in the end: then the ring is too large, never too small.
    for (const WeightId w : candidates) {
      const uint64_t bytes = round_up(program_.weights[w].packed_bytes, kAlignment);
      if (bytes > left) continue;
      schedule.weights[w].is_resident = true;
      left -= bytes;
    }
    // A weight that stays may want other scratch than one that is streamed.
    place_weights(schedule);
    fit_scratch(schedule);
    for (auto w = candidates.rbegin();
         schedule.arena_bytes() > limits_.memory_bytes && w != candidates.rend(); ++w) {
      schedule.weights[*w].is_resident = false;
      place_weights(schedule);
      fit_scratch(schedule);
    }
    if (schedule.arena_bytes() > limits_.memory_bytes) return false;
    plan_calls(analysis_, schedule.ring_bytes / 2, schedule);
    return true;
  }

  uint64_t least_ring_bytes(const std::vector<WeightId>& streamed, const Schedule& schedule) const {
    uint64_t least = kLeastRingBytes;
    for (const WeightId w : streamed) {
      least = std::max(least, 2 * round_up(least_call_bytes(schedule, w), kAlignment));
    }
    return least;
  }

  // `bytes` of the arena, enlarged towards `wanted` by what is left of the budget.
  uint64_t grown(const Schedule& schedule, uint64_t bytes, uint64_t wanted) const {
    const uint64_t left = limits_.memory_bytes - schedule.arena_bytes();
    const uint64_t most = (bytes + left) / kAlignment * kAlignment;
    return std::max(bytes, std::min(most, wanted / kAlignment * kAlignment));
  }

  void fit_scratch(Schedule& schedule) const {
    const Scratch scratch = scratch_of(analysis_, schedule);
    schedule.scratch_bytes = scratch.least_bytes;
    if (schedule.arena_bytes() > limits_.memory_bytes) return;
    schedule.scratch_bytes = grown(schedule, scratch.least_bytes, scratch.usable_bytes);
  }

  void place_weights(Schedule& schedule) const {
    uint64_t offset = 0;
    for (WeightId w = 0; w < schedule.weights.size(); ++w) {
      WeightPlan& weight = schedule.weights[w];
      weight.offset = offset;
      if (!weight.is_resident) continue;
      offset = round_up(offset + program_.weights[w].packed_bytes, kAlignment);
    }
    schedule.weight_bytes = offset;
  }

  void count_costs(const std::vector<Stretch>& stretches, const std::vector<uint64_t>& reads,
                   Schedule& schedule) {
    for (WeightId w = 0; w < schedule.weights.size(); ++w) {
      if (!schedule.weights[w].is_resident) {
        schedule.streamed_bytes += reads[w] * program_.weights[w].packed_bytes;
      }
    }
    steps_ = 0;
    for (const auto& groups : schedule.segments) {
      for (const Group& group : groups) {
        count_part(group.full, group.full_parts, schedule);
        count_part(group.rest, 1, schedule);
      }
    }
    for (const Stretch& stretch : stretches) {
      for (const Item& item : stretch.items) {
        if (item.bands == 1) continue;
        schedule.bands = std::max(schedule.bands, static_cast<uint32_t>(item.bands));
        schedule.repeated_macs += band_costs_.of(item.nodes, item.bands).repeated_macs;
      }
    }
  }

  void count_part(const Part& part, uint64_t times, Schedule& schedule) const {
    for (const Step& step : part.steps) {
      if (step.kind == Step::spill || step.kind == Step::fetch) {
        schedule.spilled_bytes += times * step.bytes;
      }
    }
    steps_ += times * part.steps.size();
  }

  double cost_of(const Schedule& schedule) const {
    return static_cast<double>(schedule.streamed_bytes + schedule.spilled_bytes) +
           kBytesPerMac * kLost * macs_short_of_scratch(analysis_, schedule) +
           kBytesPerMac * static_cast<double>(schedule.repeated_macs) *
               static_cast<double>(analysis_.batch()) +
           kBytesPerStep * static_cast<double>(steps_);
  }

  const Analysis analysis_;
  BandCosts band_costs_;
  const Program& program_;
  Limits limits_;
  std::vector<const Instruction*> reader_;  // by weight
  std::vector<std::vector<Stretch>> known_;
  std::optional<Schedule> best_;
  double best_cost_ = 0;
  mutable uint64_t steps_ = 0;
};

}  // namespace

Result<Schedule> make_schedule(const Program& program, const Limits& limits) {
  return Planner(program, limits.threads).run(limits.memory_bytes);
}

uint64_t smallest_memory(const Program& program, size_t threads) {
  constexpr uint64_t kStep = 64 << 10;
  Planner planner(program, threads);
  const Result<Schedule> whole = planner.run(UINT64_MAX);
  uint64_t enough = (whole->arena_bytes() + kStep - 1) / kStep;
  uint64_t too_little = 0;
  while (enough - too_little > 1) {
    const uint64_t middle = too_little + (enough - too_little) / 2;
    if (planner.run(middle * kStep).ok()) {
      enough = middle;
    } else {
      too_little = middle;
    }
  }
  return std::min<uint64_t>(enough * kStep, round_up(whole->arena_bytes(), 1024));
}

std::vector<uint64_t> piece_ends(const ops::OpDef& op, const ops::NodeView& node, size_t input,
                                 uint64_t packed_bytes) {
  // Without cuts of its own a weight is still sealed in pieces, but always read whole.
  const bool has_cuts =
      op.piece_end != nullptr && op.packed_bytes != nullptr && op.packed_bytes(node, input) != 0;
  std::vector<uint64_t> ends;
  for (uint64_t begin = 0; begin < packed_bytes;) {
    const uint64_t end = has_cuts ? op.piece_end(node, input, begin, kPieceBytes)
                                  : std::min<uint64_t>(begin + kPieceBytes, packed_bytes);
    TAOISM_CHECK(end > begin && end <= packed_bytes);
    ends.push_back(end);
    begin = end;
  }
  return ends;
}

}  // namespace taoism::program
