// The other end of a session with a TEE: agrees keys, so that replies are the TEE's own from then
// on; a model's owner seals the program, with the key of its weights, and sends it. Host only.
// Thread-safety: one thread at a time.
#pragma once

#include "crypto/channel.h"
#include "store/chunk.h"
#include "tee/transport.h"

namespace taoism::tee {

class OwnerSession {
 public:
  // Says hello, agrees keys and checks that the TEE has the same ones, and was started as
  // `believed`. From here on `transport` takes no other reply. Errors: integrity when any of it is
  // not so.
  static Result<OwnerSession> open(Transport& transport, const wire::SessionTerms& believed);

  // What open() and load_program() need at the start of the payload area.
  static size_t staging_bytes(size_t encoded_bytes);

  // What proves what the TEE is, bound to this session, for whoever can verify it; empty where it
  // has nothing of the kind.
  const std::vector<std::byte>& evidence() const { return evidence_; }

  // Sends a program (its encoded bytes), whose weights are sealed in payload range `weights` under
  // `header`, and returns its id. Errors: what the TEE answers.
  Result<wire::ProgramId> load_program(ConstByteSpan encoded, const store::StoreHeader& header,
                                       const wire::Range& weights, const wire::Range& spill);
  // As the TEE last told.
  uint64_t peak_arena_bytes() const { return peak_arena_bytes_; }

 private:
  OwnerSession(Transport& transport, crypto::Channel to_tee)
      : transport_(&transport), to_tee_(std::move(to_tee)) {}
  Status take_evidence(const wire::Range& room, const wire::OpenSessionReply& answer);

  Transport* transport_;
  crypto::Channel to_tee_;
  std::vector<std::byte> evidence_;
  uint64_t peak_arena_bytes_ = 0;
};

}  // namespace taoism::tee
