// A host that plays by the rules, step by step, so that a test can break one of them: it builds
// every message that the real host would send and lets the test change it before it is sent.
#pragma once

#include <span>
#include <vector>

#include "crypto/channel.h"
#include "ir/segment.h"
#include "program/lower.h"
#include "trusted/image.h"

namespace taoism::attack {

// Two TEE segments with state between them: x -> Conv, Relu | y -> Add(relu, y), Relu.
// Deterministic.
ir::PartitionedGraph small_partition();

// The same function by the operators' plain definitions; inputs and result as flat arrays.
std::vector<float> small_reference(std::span<const float> x, std::span<const float> y);
std::vector<float> small_input(int seed);

// What one exchange was to end with.
struct Outcome {
  Code code = Code::ok;
  wire::Text text = wire::Text::none;
};

class Host {
 public:
  // `budget_bytes` 0: exactly what the program needs.
  explicit Host(uint64_t budget_bytes = 0);

  // Each sends one message; `open_session` also makes the keys.
  Outcome open_session();
  Outcome send(const wire::Message& message);

  // A message with its sealed bytes put into the payload at `offset`. Each call uses up a number of
  // the session's sequence, as sealing does.
  wire::Message seal_program(uint64_t offset = 0);
  // Piece `bytes` of weight `weight` at `piece_offset`.
  wire::Message seal_weights(uint32_t weight, uint64_t piece_offset, uint64_t bytes,
                             uint64_t offset = 0);
  wire::Message close_program() const;

  // Session, program and all weights, in the right order.
  void load_everything();
  // Writes inputs and the list of slots into the payload; the outputs go behind the inputs.
  wire::Message run_message(uint32_t segment, std::span<const std::vector<float>> inputs);
  // The output of the segment that ran last.
  std::vector<float> output(uint32_t segment);
  // Both segments, with the answer checked to be ok.
  std::vector<float> run_all(std::span<const float> x, std::span<const float> y);

  const program::Program& program() const { return lowered_.program; }
  const wire::ProgramId& id() const { return id_; }
  ByteSpan payload() { return payload_.span(); }
  const wire::Reply& reply() const { return reply_; }
  trusted::Image& image() { return *image_; }
  uint64_t sequence() const { return to_tee_->next(); }

 private:
  ir::PartitionedGraph partition_;
  program::Lowered lowered_;
  std::vector<std::byte> encoded_;
  wire::ProgramId id_;
  AlignedBuffer memory_;
  AlignedBuffer payload_;
  SerialParallel parallel_;
  std::unique_ptr<trusted::Image> image_;
  std::optional<crypto::Channel> to_tee_;
  wire::Reply reply_;
  std::vector<wire::Range> last_slots_;
};

}  // namespace taoism::attack
