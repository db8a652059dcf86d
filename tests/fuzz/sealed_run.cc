#include "sealed_run.h"

#include <algorithm>

#include "crypto/hash.h"
#include "graph_maker.h"
#include "host.h"
#include "program/codec.h"

namespace taoism::fuzz {
namespace {

using attack::Host;
using program::Program;

// What stands at `to` for a seed: finite floats near one, or the bits of the pattern.
void fill(ByteSpan to, uint32_t pattern, bool is_forged) {
  for (size_t i = 0; i + 4 <= to.size(); i += 4) {
    const uint32_t mixed = (pattern + static_cast<uint32_t>(i)) * 2654435761U;
    const float value = static_cast<float>(static_cast<int32_t>(mixed)) * 0x1p-31F;
    const uint32_t bits = is_forged ? pattern ^ (mixed >> (pattern & 31U)) : 0;
    std::memcpy(to.data() + i, is_forged ? static_cast<const void*>(&bits) : &value, 4);
  }
}

std::vector<std::byte> seal_weights(const Program& program, const store::WeightLayout& layout,
                                    const store::StoreHeader& store, const ProgramHeader& h) {
  std::vector<std::pair<const program::Instruction*, size_t>> readers(program.weights.size());
  for (const program::Segment& segment : program.segments) {
    for (const program::Instruction& i : segment.instructions) {
      for (size_t n = 0; n < i.inputs.size(); ++n) {
        if (i.inputs[n].kind == program::Operand::weight) readers[i.inputs[n].index] = {&i, n};
      }
    }
  }
  std::vector<std::byte> sealed(layout.bytes());
  const auto pack = [&](program::WeightId w, std::byte* packed) {
    const auto [instruction, input] = readers[w];
    const program::InstructionView holder(program, *instruction);
    const ops::OpDef& op = *instruction->op;
    const bool is_packed = op.pack != nullptr && op.packed_bytes(holder.view(), input) != 0;
    AlignedBuffer raw(program.weights[w].desc.bytes());
    fill(raw.span(), h.pattern + w, false);
    const ByteSpan to(packed, program.weights[w].packed_bytes);
    if ((h.flags & kForgedWeights) != 0) {
      fill(to, h.pattern + w, true);
    } else if (is_packed) {
      op.pack(holder.view(), input, raw.data(), packed);
    } else {
      std::ranges::copy(raw.span(), packed);
    }
  };
  TAOISM_CHECK(store::seal_weights(program, layout, store, pack, sealed).ok());
  return sealed;
}

// A program whose tensors take `payload_bytes` and whose name takes the rest: hosts have payloads
// as large as their program needs.
std::unique_ptr<attack::Sample> make_room(int64_t payload_bytes) {
  GraphMaker make;
  const auto x = make.input("x", {payload_bytes / 2 / static_cast<int64_t>(sizeof(float))});
  ir::PartitionedGraph p{make.take(make.node("Relu", {x})), {}};
  p.graph.node(0).name = std::string(kMostEncodedBytes, 'n');
  p.segments = {{ir::Placement::tee, {0}, p.graph.inputs(), p.graph.outputs()}};
  return std::make_unique<attack::Sample>(std::move(p));
}

// Null when there is none so large.
const attack::Sample* room(uint64_t payload_bytes) {
  static const auto small = make_room(512 << 10), large = make_room(6 << 20);
  for (const attack::Sample* sample : {small.get(), large.get()}) {
    if (payload_bytes <= 2 * sample->program().slots[0].desc.bytes()) return sample;
  }
  return nullptr;
}

uint64_t segment_bytes(const Program& program, const program::Segment& segment) {
  uint64_t bytes = kAlignment;
  for (const auto& list : {segment.inputs, segment.outputs}) {
    for (const program::SlotId slot : list) {
      bytes += round_up(program.slots[slot].desc.bytes(), kAlignment) + sizeof(wire::Range);
    }
  }
  return bytes;
}

}  // namespace

std::optional<std::vector<float>> run_sealed(const Program& program,
                                             const program::Schedule& schedule, uint64_t budget,
                                             const ProgramHeader& h) {
  uint64_t tensor_bytes = 0;
  for (const program::Segment& segment : program.segments) {
    tensor_bytes = std::max(tensor_bytes, segment_bytes(program, segment));
  }
  const store::WeightLayout layout(program);
  const attack::Sample* sample =
      room(tensor_bytes + layout.bytes() + store::spill_bytes(schedule) + 2 * kAlignment);
  if (sample == nullptr) return std::nullopt;
  Host host(*sample, budget);
  TAOISM_CHECK(host.open_session().code == Code::ok);

  const auto store = store::new_store(1).value();
  const auto encoded = program::encode(program);
  std::vector<std::byte> plain(sizeof(store) + encoded.size());
  std::memcpy(plain.data(), &store, sizeof(store));
  std::ranges::copy(encoded, plain.begin() + sizeof(store));
  const auto id = crypto::sha256(encoded).value();
  uint64_t end = host.regions().tensors.offset;
  const auto append = [&](uint64_t bytes) {
    const wire::Range range{end, bytes};
    end = round_up(end + bytes, kAlignment);
    TAOISM_CHECK(end <= host.payload().size());
    return range;
  };
  auto request = host.seal_plain(plain, id).as<wire::LoadProgram>();
  request.weights = append(layout.bytes());
  request.spill = append(store::spill_bytes(schedule));
  std::ranges::copy(seal_weights(program, layout, store, h), host.part(request.weights).begin());
  TAOISM_CHECK(host.send(wire::Message::of(wire::MessageType::load_program, request)).code ==
               Code::ok);

  std::vector<float> results;
  const uint64_t tensors = end;
  for (uint32_t s = 0; s < program.segments.size(); ++s) {
    end = tensors;
    const program::Segment& segment = program.segments[s];
    std::vector<wire::Range> slots;
    for (const program::SlotId slot : segment.inputs) {
      slots.push_back(append(program.slots[slot].desc.bytes()));
      fill(host.part(slots.back()), h.pattern ^ slot, false);
    }
    for (const program::SlotId slot : segment.outputs) {
      slots.push_back(append(program.slots[slot].desc.bytes()));
    }
    wire::RunSegment run{id, append(slots.size() * sizeof(wire::Range)), s, 0};
    if (!slots.empty()) std::memcpy(host.part(run.slots).data(), slots.data(), run.slots.bytes);
    TAOISM_CHECK(host.send(wire::Message::of(wire::MessageType::run_segment, run)).code ==
                 Code::ok);
    for (size_t o = segment.inputs.size(); o < slots.size(); ++o) {
      std::vector<float> values(slots[o].bytes / sizeof(float));
      if (!values.empty()) {
        std::memcpy(values.data(), host.part(slots[o]).data(), values.size() * sizeof(float));
      }
      results.insert(results.end(), values.begin(), values.end());
    }
  }
  TAOISM_CHECK(host.guards_hold());
  return results;
}

}  // namespace taoism::fuzz
