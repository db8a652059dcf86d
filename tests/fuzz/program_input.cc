#include "program_input.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <random>

#include "kernels/target.h"
#include "program/codec.h"

namespace taoism::fuzz {
namespace {

using program::Instruction;
using program::Operand;
using program::Program;

class Mutator {
 public:
  Mutator(Program& program, unsigned seed) : program_(program), random_(seed) {}

  void run() {
    switch (below(10)) {
      case 0:
      case 1: return change(any(program_.slots).desc);
      case 2:
        if (!program_.weights.empty()) change(any(program_.weights).desc);
        return;
      case 3:
      case 4:
      case 5: return change_attr(instruction());
      case 6: instruction().op = ops::all_ops()[below(ops::all_ops().size())]; return;
      case 7: return change_operand(instruction());
      case 8: return repeat();
      default: return cut_segment();
    }
  }

 private:
  size_t below(size_t count) { return random_() % count; }
  template <typename T>
  T& any(std::vector<T>& list) {
    return list[below(list.size())];
  }
  Instruction& instruction() { return any(any(program_.segments).instructions); }
  int64_t number() {
    constexpr int64_t kNumbers[] = {0,
                                    1,
                                    2,
                                    3,
                                    4,
                                    5,
                                    7,
                                    8,
                                    9,
                                    15,
                                    16,
                                    17,
                                    31,
                                    33,
                                    64,
                                    200,
                                    -1,
                                    -2,
                                    int64_t{1} << 20,
                                    int64_t{1} << 31,
                                    int64_t{1} << 40,
                                    INT64_MAX};
    return kNumbers[below(below(4) == 0 ? std::size(kNumbers) : 16)];
  }

  void change(ir::TensorDesc& desc) {
    const size_t rank = desc.shape.rank();
    if (below(12) == 0) desc.dtype = static_cast<ir::DType>(1 + below(13));
    if (rank < ir::kMaxRank && below(12) == 0) desc.shape.push_back(number());
    if (rank != 0) desc.shape[below(rank)] = number();
  }

  void change_attr(Instruction& i) {
    if (i.op->attrs.empty()) return;
    const ops::AttrSpec& spec = i.op->attrs[below(i.op->attrs.size())];
    if (below(8) == 0) return i.attrs.erase(spec.name);
    const auto old = i.attrs.ints(spec.name);
    std::vector<int64_t> list(old.begin(), old.end());
    if (list.empty() || below(8) == 0) list.resize(1 + below(8), 1);
    list[below(list.size())] = number();
    constexpr const char* kTexts[] = {"", "linear", "conv", "Relu", "Clip", "Sigmoid", "nearest"};
    switch (spec.kind) {
      case ops::AttrSpec::integer: return i.attrs.set(spec.name, number());
      case ops::AttrSpec::real: return i.attrs.set(spec.name, static_cast<float>(number()));
      case ops::AttrSpec::integers: return i.attrs.set(spec.name, std::move(list));
      case ops::AttrSpec::text:
        return i.attrs.set(spec.name, std::string(kTexts[below(std::size(kTexts))]));
      case ops::AttrSpec::reals: return i.attrs.set(spec.name, std::vector<float>(list.size(), 2));
    }
  }

  void change_operand(Instruction& i) {
    if (i.inputs.empty() || below(6) == 0) i.inputs.emplace_back();
    Operand& operand = any(i.inputs);
    operand = {static_cast<Operand::Kind>(below(3)), 0};
    const size_t count =
        operand.kind == Operand::weight ? program_.weights.size() : program_.slots.size();
    operand.index = count == 0 ? 0 : static_cast<uint32_t>(below(count));
    if (count == 0) operand.kind = Operand::none;
  }

  // An instruction once more, on what it makes if that fits: a longer program.
  void repeat() {
    program::Segment& segment = any(program_.segments);
    const size_t at = below(segment.instructions.size());
    Instruction again = segment.instructions[at];
    for (Operand& operand : again.inputs) {
      if (operand.kind == Operand::weight) {
        program_.weights.push_back(program_.weights[operand.index]);
        operand.index = static_cast<uint32_t>(program_.weights.size() - 1);
      }
    }
    again.inputs[0] = {Operand::slot, again.outputs[0]};
    for (program::SlotId& slot : again.outputs) {
      program_.slots.push_back(program_.slots[slot]);
      slot = static_cast<program::SlotId>(program_.slots.size() - 1);
    }
    segment.outputs.push_back(again.outputs[0]);
    segment.instructions.insert(segment.instructions.begin() + static_cast<ptrdiff_t>(at) + 1,
                                std::move(again));
  }

  // The end of a segment becomes one of its own.
  void cut_segment() {
    const size_t at = below(program_.segments.size());
    auto& code = program_.segments[at].instructions;
    if (code.size() < 2) return;
    const auto middle = code.begin() + 1 + static_cast<ptrdiff_t>(below(code.size() - 1));
    program::Segment tail{{middle, code.end()}, {}, std::move(program_.segments[at].outputs)};
    program_.segments[at].outputs = {std::prev(middle)->outputs[0]};
    code.erase(middle, code.end());
    program_.segments.insert(program_.segments.begin() + static_cast<ptrdiff_t>(at) + 1, tail);
  }

  Program& program_;
  std::mt19937 random_;
};

bool is_bounded(const ops::Input& input) {
  return ir::dtype_bytes(input.desc.dtype) != 0 && input.desc.shape.is_bounded();
}

}  // namespace

void repair(Program& program) {
  program.target = kernels::target_name();
  for (program::Segment& segment : program.segments) {
    for (Instruction& i : segment.instructions) {
      std::vector<ir::TensorDesc> made(i.outputs.size());
      const program::InstructionView bare(program, i);
      const auto inputs = bare.view().inputs;
      if (!std::all_of(inputs.begin(), inputs.end(), is_bounded)) continue;
      const ops::NodeView view{i.name, i.attrs, inputs, {}};
      if (!ops::check_and_infer(*i.op, view, made).ok()) continue;
      for (size_t o = 0; o < made.size(); ++o) program.slots[i.outputs[o]].desc = made[o];
      const ops::NodeView whole{i.name, i.attrs, inputs, made};
      for (size_t n = 0; n < i.inputs.size(); ++n) {
        if (i.inputs[n].kind != Operand::weight) continue;
        program::Weight& weight = program.weights[i.inputs[n].index];
        weight.packed_bytes = i.op->packed_bytes != nullptr ? i.op->packed_bytes(whole, n) : 0;
        if (weight.packed_bytes == 0) weight.packed_bytes = weight.desc.bytes();
      }
    }
  }
}

void mutate(Program& program, unsigned seed) {
  for (const program::Segment& segment : program.segments) {
    if (segment.instructions.empty()) return;
  }
  if (program.segments.empty() || program.slots.empty()) return;
  Mutator(program, seed).run();
  repair(program);
}

// libFuzzer asks for a mutation here: half of them of the program that the bytes mean.
// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name.
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size)
    __attribute__((weak));

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  constexpr size_t kHeader = sizeof(ProgramHeader);
  if (LLVMFuzzerMutate == nullptr) return size;
  if (size <= kHeader || seed % 4 == 0) return LLVMFuzzerMutate(data, size, max_size);
  if (seed % 16 == 1) return LLVMFuzzerMutate(data, kHeader, kHeader), size;
  kernels::set_target(kernels::Target::portable);
  auto program = program::decode({reinterpret_cast<std::byte*>(data) + kHeader, size - kHeader});
  if (!program.ok()) return LLVMFuzzerMutate(data, size, max_size);
  mutate(*program, seed / 16);
  const auto bytes = program::encode(*program);
  if (kHeader + bytes.size() > max_size) return size;
  std::memcpy(data + kHeader, bytes.data(), bytes.size());
  return kHeader + bytes.size();
}

}  // namespace taoism::fuzz
