#include "program/codec.h"

#include "ir/flat.h"
#include "program/program_generated.h"

namespace taoism::program {
namespace {

constexpr uint32_t kVersion = 2;

using flatbuffers::Offset;
using ir::flat::Reader;

class Encoder {
 public:
  std::vector<std::byte> run(const Program& program) {
    std::vector<Offset<fbs::Slot>> slots;
    for (const Slot& slot : program.slots) {
      slots.push_back(fbs::CreateSlot(builder_, ir::flat::write_desc(builder_, slot.desc)));
    }
    std::vector<Offset<fbs::Weight>> weights;
    for (const Weight& weight : program.weights) {
      weights.push_back(fbs::CreateWeight(builder_, ir::flat::write_desc(builder_, weight.desc),
                                          weight.packed_bytes));
    }
    std::vector<Offset<fbs::Segment>> segments;
    for (const Segment& segment : program.segments) {
      std::vector<Offset<fbs::Instruction>> instructions;
      for (const Instruction& i : segment.instructions) instructions.push_back(instruction(i));
      segments.push_back(fbs::CreateSegment(builder_, builder_.CreateVector(instructions),
                                            builder_.CreateVector(segment.inputs),
                                            builder_.CreateVector(segment.outputs)));
    }
    builder_.Finish(fbs::CreateProgram(builder_, kVersion, builder_.CreateString(program.target),
                                       builder_.CreateVector(slots), builder_.CreateVector(weights),
                                       builder_.CreateVector(segments)),
                    fbs::ProgramIdentifier());
    return ir::flat::finished_bytes(builder_);
  }

 private:
  Offset<fbs::Instruction> instruction(const Instruction& i) {
    const auto attrs = ir::flat::write_attrs(builder_, i.attrs);
    std::vector<fbs::Operand> inputs;
    for (const Operand& operand : i.inputs) {
      inputs.emplace_back(static_cast<uint8_t>(operand.kind), operand.index);
    }
    return fbs::CreateInstruction(builder_, builder_.CreateString(i.op->name),
                                  builder_.CreateString(i.name), builder_.CreateVector(attrs),
                                  builder_.CreateVectorOfStructs(inputs),
                                  builder_.CreateVector(i.outputs));
  }

  flatbuffers::FlatBufferBuilder builder_;
};

Status malformed() { return integrity_error("program: malformed encoding"); }

bool read_instruction(Reader& reader, const fbs::Instruction& from, Instruction& to) {
  std::string op;
  if (!reader.text(from.op(), op) || !reader.text(from.name(), to.name) ||
      !reader.attrs(from.attrs(), to.attrs) || !reader.list(from.inputs())) {
    return false;
  }
  to.op = ops::find_op(op);
  if (to.op == nullptr) return false;
  for (const fbs::Operand* operand : *from.inputs()) {
    if (operand->kind() > Operand::weight) return false;
    to.inputs.push_back({static_cast<Operand::Kind>(operand->kind()), operand->index()});
  }
  return reader.numbers(from.outputs(), to.outputs);
}

bool read_segment(Reader& reader, const fbs::Segment& from, Segment& to) {
  if (!reader.list(from.instructions())) return false;
  for (const fbs::Instruction* instruction : *from.instructions()) {
    to.instructions.emplace_back();
    if (!read_instruction(reader, *instruction, to.instructions.back())) return false;
  }
  return reader.numbers(from.inputs(), to.inputs) && reader.numbers(from.outputs(), to.outputs);
}

}  // namespace

std::vector<std::byte> encode(const Program& program) { return Encoder().run(program); }

Result<Program> decode(ConstByteSpan bytes) {
  const auto* from = ir::flat::verified_root<fbs::Program>(bytes, fbs::ProgramIdentifier());
  if (from == nullptr || from->version() != kVersion) return malformed();
  Reader reader(bytes);
  Program program;
  if (!reader.text(from->target(), program.target) || !reader.list(from->slots()) ||
      !reader.list(from->weights()) || !reader.list(from->segments())) {
    return malformed();
  }
  for (const fbs::Slot* slot : *from->slots()) {
    program.slots.emplace_back();
    if (!reader.desc(slot->desc(), program.slots.back().desc)) return malformed();
  }
  for (const fbs::Weight* weight : *from->weights()) {
    program.weights.emplace_back();
    if (!reader.desc(weight->desc(), program.weights.back().desc)) return malformed();
    program.weights.back().packed_bytes = weight->packed_bytes();
  }
  for (const fbs::Segment* segment : *from->segments()) {
    program.segments.emplace_back();
    if (!read_segment(reader, *segment, program.segments.back())) return malformed();
  }
  TAOISM_RETURN_IF_ERROR(verify(program));
  return program;
}

}  // namespace taoism::program
