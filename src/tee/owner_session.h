// The model owner's end of a session with a TEE: agrees keys, then seals the program and its
// weights and sends them in order. Host only. Thread-safety: one thread at a time.
#pragma once

#include <optional>

#include "crypto/channel.h"
#include "program/lower.h"
#include "tee/transport.h"

namespace taoism::tee {

// Staging that load() uses at the start of the payload area.
inline constexpr size_t kPieceBytes = size_t{1} << 20;
inline constexpr size_t kPiecesUnderWay = 4;
inline constexpr size_t kLaneBytes = kPieceBytes + kAlignment;
inline constexpr size_t kStagingBytes = kPiecesUnderWay * kLaneBytes;

class OwnerSession {
 public:
  // Says hello, agrees keys and checks that the TEE has the same ones.
  static Result<OwnerSession> open(Transport& transport, size_t threads);

  // Sends a program (its encoded bytes) and returns its id. Errors: what the TEE answers.
  Result<wire::ProgramId> load_program(std::vector<std::byte> encoded);
  // Packs, seals and sends all weights, sealing the next piece while the TEE opens the last.
  Status load_weights(const wire::ProgramId& id, const ir::Graph& graph,
                      const program::Lowered& lowered);
  // As the TEE last told.
  uint64_t peak_arena_bytes() const { return peak_arena_bytes_; }

 private:
  OwnerSession(Transport& transport, crypto::Channel to_tee)
      : transport_(&transport), to_tee_(std::move(to_tee)) {}
  Status send_weight(const wire::ProgramId& id, uint32_t weight, ByteSpan packed);
  Status collect_one();

  Transport* transport_;
  crypto::Channel to_tee_;
  uint64_t pieces_ = 0;
  size_t under_way_ = 0;
  uint64_t peak_arena_bytes_ = 0;
};

}  // namespace taoism::tee
