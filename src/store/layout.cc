#include "store/layout.h"

#include "crypto/aead.h"

namespace taoism::store {

static_assert(kSpillChunkBytes == program::kPieceBytes + crypto::kTagBytes);

WeightLayout::WeightLayout(const program::Program& program) {
  const size_t count = program.weights.size();
  ends_.resize(count);
  for (const program::Segment& segment : program.segments) {
    for (const program::Instruction& instruction : segment.instructions) {
      const program::InstructionView holder(program, instruction);
      for (size_t i = 0; i < instruction.inputs.size(); ++i) {
        const program::Operand& operand = instruction.inputs[i];
        if (operand.kind != program::Operand::weight) continue;
        ends_[operand.index] = program::piece_ends(*instruction.op, holder.view(), i,
                                                   program.weights[operand.index].packed_bytes);
      }
    }
  }
  uint64_t pieces = 0;
  for (size_t w = 0; w < count; ++w) {
    first_piece_.push_back(pieces);
    offset_.push_back(bytes_);
    pieces += ends_[w].size();
    bytes_ += program.weights[w].packed_bytes + ends_[w].size() * crypto::kTagBytes;
  }
}

uint64_t WeightLayout::offset(program::WeightId weight, uint32_t piece) const {
  return offset_[weight] + begin(weight, piece) + uint64_t{piece} * crypto::kTagBytes;
}

uint64_t WeightLayout::sealed_bytes(program::WeightId weight, uint32_t piece) const {
  return end(weight, piece) - begin(weight, piece) + crypto::kTagBytes;
}

uint64_t spill_bytes(const program::Schedule& schedule) {
  return schedule.spill_chunks * kSpillChunkBytes;
}

uint64_t most_spill_bytes(const program::Program& program) {
  const auto chunks = [](uint64_t bytes) {
    return (bytes + program::kPieceBytes - 1) / program::kPieceBytes;
  };
  uint64_t most = 0;
  for (const program::Slot& slot : program.slots) {
    const uint64_t bytes = slot.desc.bytes();
    const ir::Shape& shape = slot.desc.shape;
    const uint64_t images = shape.rank() == 0 || shape[0] < 1 ? 1 : static_cast<uint64_t>(shape[0]);
    // Whole, or by image.
    most += std::max(chunks(bytes), images * chunks(bytes / images));
  }
  return most * kSpillChunkBytes;
}

}  // namespace taoism::store
