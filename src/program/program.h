// A program: what a device or the TEE executes. It is a partition's segments lowered to a flat list
// of instructions over slots, and says nothing of memory: where things lie, and what is done in
// parts because it does not fit, is a Schedule (schedule.h), made by whoever executes. Trusted.
// Thread-safety: a value.
#pragma once

#include <string>
#include <vector>

#include "ir/attrs.h"
#include "ir/types.h"
#include "ops/op.h"

namespace taoism::program {

using SlotId = uint32_t;
using WeightId = uint32_t;

// A tensor that instructions make or read. Written once in a run: by a segment's input or by one
// instruction.
struct Slot {
  ir::TensorDesc desc;
};

// A weight as the kernel of the one instruction that reads it wants it (packed).
struct Weight {
  ir::TensorDesc desc;  // before packing
  uint64_t packed_bytes = 0;
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

// One entry of the program. Between segments of the same program slots keep their contents; only
// `inputs` and `outputs` cross the boundary.
struct Segment {
  std::vector<Instruction> instructions;
  std::vector<SlotId> inputs;
  std::vector<SlotId> outputs;
};

struct Program {
  // The kernels' target for which weights were packed (kernels/target.h): must be the executor's.
  std::string target;
  std::vector<Slot> slots;
  std::vector<Weight> weights;
  std::vector<Segment> segments;
};

// Everything that scheduling and execution rely on, checked from nothing but the program itself:
// indices, types recomputed by each operator's shape rule, packed sizes, every slot written exactly
// once and before it is read, every weight read exactly once. Errors: integrity naming what;
// unsupported for weights that are packed in a way that this build does not compute.
Status verify(const Program& program);

// An instruction as its operator's rules see it, at its full size. The program must outlive it and
// keep the instruction where it is.
class InstructionView {
 public:
  InstructionView(const Program& program, const Instruction& instruction);
  ops::NodeView view() const {
    return {instruction_->name, instruction_->attrs, inputs_, outputs_};
  }

 private:
  const Instruction* instruction_;
  std::vector<ops::Input> inputs_;
  std::vector<ir::TensorDesc> outputs_;
};

}  // namespace taoism::program
