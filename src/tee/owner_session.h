// The model owner's end of a session with a TEE: agrees keys, then seals the program, with the key
// of its weights, and sends it. Host only. Thread-safety: one thread at a time.
#pragma once

#include "crypto/channel.h"
#include "store/chunk.h"
#include "tee/transport.h"

namespace taoism::tee {

class OwnerSession {
 public:
  // Says hello, agrees keys and checks that the TEE has the same ones.
  static Result<OwnerSession> open(Transport& transport, size_t threads);

  // What load_program() needs at the start of the payload area.
  static size_t staging_bytes(size_t encoded_bytes);

  // Sends a program (its encoded bytes), whose weights are sealed in payload range `weights` under
  // `header`, and returns its id. Errors: what the TEE answers.
  Result<wire::ProgramId> load_program(ConstByteSpan encoded, const store::StoreHeader& header,
                                       const wire::Range& weights, const wire::Range& spill);
  // As the TEE last told.
  uint64_t peak_arena_bytes() const { return peak_arena_bytes_; }

 private:
  OwnerSession(Transport& transport, crypto::Channel to_tee)
      : transport_(&transport), to_tee_(std::move(to_tee)) {}

  Transport* transport_;
  crypto::Channel to_tee_;
  uint64_t peak_arena_bytes_ = 0;
};

}  // namespace taoism::tee
