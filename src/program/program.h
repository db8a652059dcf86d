// A program: what a device or the TEE executes. It is a partition's segments lowered to a flat list
// of instructions over slots of one arena whose offsets were planned ahead, so that running
// allocates nothing and the memory needed is known before anything starts. Trusted. Thread-safety:
// a value.
#pragma once

#include <string>
#include <vector>

#include "ir/attrs.h"
#include "ir/types.h"
#include "ops/op.h"

namespace taoism::program {

using SlotId = uint32_t;
using WeightId = uint32_t;

// A tensor in the arena, in [offset, offset + bytes) while it is live. Slots whose lives do not
// overlap share memory.
struct Slot {
  ir::TensorDesc desc;
  uint64_t offset = 0;  // from the start of the activation area; a multiple of kAlignment
};

// A weight as the kernel reads it (packed), resident in the weight area.
struct Weight {
  ir::TensorDesc desc;  // before packing
  uint64_t packed_bytes = 0;
  uint64_t offset = 0;  // from the start of the weight area; a multiple of kAlignment
};

// What an instruction reads: a slot, a weight, or nothing (an absent optional input).
struct Operand {
  enum Kind : uint8_t { none, slot, weight };
  Kind kind = none;
  uint32_t index = 0;
  bool operator==(const Operand&) const = default;
};

struct Instruction {
  const ops::OpDef* op = nullptr;
  std::string name;
  ir::Attrs attrs;
  std::vector<Operand> inputs;
  std::vector<SlotId> outputs;
};

// One entry of the program. Between segments of the same program slots keep their contents as the
// plan requires; only `inputs` and `outputs` cross the boundary.
struct Segment {
  std::vector<Instruction> instructions;
  std::vector<SlotId> inputs;
  std::vector<SlotId> outputs;
};

struct Program {
  // The kernels' target for which weights were packed (kernels/target.h): must be the executor's.
  std::string target;
  uint32_t threads = 1;  // scratch was sized for at most so many
  std::vector<Slot> slots;
  std::vector<Weight> weights;
  std::vector<Segment> segments;
  uint64_t activation_bytes = 0;
  uint64_t scratch_bytes = 0;
  uint64_t weight_bytes = 0;

  // Bytes of the arena: weights, activations, scratch. The peak of trusted memory in the TEE.
  uint64_t arena_bytes() const { return weight_bytes + activation_bytes + scratch_bytes; }
};

// Everything that execute() relies on, checked from nothing but the program itself: indices, types
// recomputed by each operator's shape rule, packed sizes, offsets aligned and in range, no write to
// a slot whose memory another live slot holds, every slot written before it is read. Errors:
// integrity naming the instruction.
Status verify(const Program& program);

}  // namespace taoism::program
