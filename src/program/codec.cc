#include "program/codec.h"

#include <cstring>

#include <flatbuffers/flatbuffers.h>

#include "program/program_generated.h"

namespace taoism::program {
namespace {

constexpr uint32_t kVersion = 2;
// Bounds for what a decoder will look at; real programs stay far below.
constexpr size_t kMaxBytes = size_t{64} << 20;
constexpr size_t kMaxText = 4096;

using flatbuffers::Offset;
using flatbuffers::Vector;

class Encoder {
 public:
  std::vector<std::byte> run(const Program& program) {
    std::vector<Offset<fbs::Slot>> slots;
    for (const Slot& slot : program.slots) {
      slots.push_back(fbs::CreateSlot(builder_, desc(slot.desc)));
    }
    std::vector<Offset<fbs::Weight>> weights;
    for (const Weight& weight : program.weights) {
      weights.push_back(fbs::CreateWeight(builder_, desc(weight.desc), weight.packed_bytes));
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
    const auto* bytes = reinterpret_cast<const std::byte*>(builder_.GetBufferPointer());
    return {bytes, bytes + builder_.GetSize()};
  }

 private:
  Offset<fbs::TensorDesc> desc(const ir::TensorDesc& d) {
    return fbs::CreateTensorDesc(builder_, static_cast<uint8_t>(d.dtype),
                                 builder_.CreateVector(d.shape.begin(), d.shape.rank()));
  }

  Offset<fbs::Attr> attr(const ir::Attrs::Entry& entry) {
    const auto name = builder_.CreateString(entry.name);
    Offset<flatbuffers::String> text;
    Offset<Vector<int64_t>> integers;
    Offset<Vector<float>> reals;
    if (const auto* v = std::get_if<std::string>(&entry.value)) text = builder_.CreateString(*v);
    if (const auto* v = std::get_if<std::vector<int64_t>>(&entry.value))
      integers = builder_.CreateVector(*v);
    if (const auto* v = std::get_if<std::vector<float>>(&entry.value))
      reals = builder_.CreateVector(*v);
    fbs::AttrBuilder attr(builder_);
    attr.add_name(name);
    attr.add_kind(static_cast<uint8_t>(entry.value.index()));
    if (const auto* v = std::get_if<int64_t>(&entry.value)) attr.add_integer(*v);
    if (const auto* v = std::get_if<float>(&entry.value)) attr.add_real(*v);
    if (!text.IsNull()) attr.add_text(text);
    if (!integers.IsNull()) attr.add_integers(integers);
    if (!reals.IsNull()) attr.add_reals(reals);
    return attr.Finish();
  }

  Offset<fbs::Instruction> instruction(const Instruction& i) {
    std::vector<Offset<fbs::Attr>> attrs;
    for (const ir::Attrs::Entry& entry : i.attrs.entries()) attrs.push_back(attr(entry));
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

bool read_text(const flatbuffers::String* from, std::string& to) {
  if (from == nullptr || from->size() > kMaxText) return false;
  to.assign(from->data(), from->size());
  return true;
}

// By bytes: the verifier does not check that elements wider than a vector's length are aligned.
template <typename T>
T number(const Vector<T>& from, flatbuffers::uoffset_t i) {
  T value;
  std::memcpy(&value, from.Data() + i * sizeof(T), sizeof(T));
  return flatbuffers::EndianScalar(value);
}

template <typename T>
bool read_numbers(const Vector<T>* from, std::vector<T>& to) {
  if (from == nullptr) return false;
  to.resize(from->size());
  for (flatbuffers::uoffset_t i = 0; i < from->size(); ++i) to[i] = number(*from, i);
  return true;
}

bool read_desc(const fbs::TensorDesc* from, ir::TensorDesc& to) {
  if (from == nullptr || from->dims() == nullptr || from->dims()->size() > ir::kMaxRank)
    return false;
  to.dtype = static_cast<ir::DType>(from->dtype());
  to.shape = {};
  for (flatbuffers::uoffset_t i = 0; i < from->dims()->size(); ++i) {
    to.shape.push_back(number(*from->dims(), i));
  }
  return true;
}

bool read_attr(const fbs::Attr* from, ir::Attrs& to) {
  std::string name;
  if (from == nullptr || !read_text(from->name(), name) || to.has(name)) return false;
  switch (from->kind()) {
    case 0: to.set(name, from->integer()); return true;
    case 1: to.set(name, from->real()); return true;
    case 2: {
      std::string text;
      if (!read_text(from->text(), text)) return false;
      to.set(name, std::move(text));
      return true;
    }
    case 3: {
      std::vector<int64_t> integers;
      if (!read_numbers(from->integers(), integers)) return false;
      to.set(name, std::move(integers));
      return true;
    }
    case 4: {
      std::vector<float> reals;
      if (!read_numbers(from->reals(), reals)) return false;
      to.set(name, std::move(reals));
      return true;
    }
    default: return false;
  }
}

bool read_instruction(const fbs::Instruction* from, Instruction& to) {
  std::string op;
  if (from == nullptr || !read_text(from->op(), op) || !read_text(from->name(), to.name) ||
      from->inputs() == nullptr || from->attrs() == nullptr) {
    return false;
  }
  to.op = ops::find_op(op);
  if (to.op == nullptr) return false;
  for (const fbs::Attr* attr : *from->attrs()) {
    if (!read_attr(attr, to.attrs)) return false;
  }
  for (const fbs::Operand* operand : *from->inputs()) {
    if (operand->kind() > Operand::weight) return false;
    to.inputs.push_back({static_cast<Operand::Kind>(operand->kind()), operand->index()});
  }
  return read_numbers(from->outputs(), to.outputs);
}

bool read_segment(const fbs::Segment* from, Segment& to) {
  if (from == nullptr || from->instructions() == nullptr) return false;
  for (const fbs::Instruction* instruction : *from->instructions()) {
    to.instructions.emplace_back();
    if (!read_instruction(instruction, to.instructions.back())) return false;
  }
  return read_numbers(from->inputs(), to.inputs) && read_numbers(from->outputs(), to.outputs);
}

}  // namespace

std::vector<std::byte> encode(const Program& program) { return Encoder().run(program); }

Result<Program> decode(ConstByteSpan bytes) {
  if (bytes.size() > kMaxBytes) return malformed();
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  flatbuffers::Verifier verifier(data, bytes.size(), /*max_depth=*/16, /*max_tables=*/4'000'000);
  if (bytes.size() < 16 || !fbs::VerifyProgramBuffer(verifier)) return malformed();
  const fbs::Program* from = fbs::GetProgram(data);
  Program program;
  if (from->version() != kVersion || !read_text(from->target(), program.target) ||
      from->slots() == nullptr || from->weights() == nullptr || from->segments() == nullptr) {
    return malformed();
  }
  for (const fbs::Slot* slot : *from->slots()) {
    program.slots.emplace_back();
    if (!read_desc(slot->desc(), program.slots.back().desc)) return malformed();
  }
  for (const fbs::Weight* weight : *from->weights()) {
    program.weights.emplace_back();
    if (!read_desc(weight->desc(), program.weights.back().desc)) return malformed();
    program.weights.back().packed_bytes = weight->packed_bytes();
  }
  for (const fbs::Segment* segment : *from->segments()) {
    program.segments.emplace_back();
    if (!read_segment(segment, program.segments.back())) return malformed();
  }
  TAOISM_RETURN_IF_ERROR(verify(program));
  return program;
}

}  // namespace taoism::program
