// A session with the model's owner: an ephemeral key agreement, then sealed messages that are
// opened strictly in order. Trusted. Thread-safety: one thread at a time.
#pragma once

#include <optional>

#include "crypto/channel.h"
#include "trusted/answer.h"
#include "wire/message.h"

namespace taoism::trusted {

class Session {
 public:
  bool is_open() const { return from_host_.has_value(); }
  // Agrees keys with the host's public key over `terms` and fills in the TEE's own. Errors: policy
  // when a session is open, integrity for a bad key.
  Answer open(const wire::OpenSession& request, const wire::SessionTerms& terms,
              wire::OpenSessionReply& reply);
  // Of the session that is open.
  const crypto::Digest& transcript() const { return transcript_; }
  // The tag of the next reply. False: there is none.
  bool authenticate(const wire::AuthenticReply& reply, crypto::Tag& tag);
  // Opens the next sealed message, in place, in trusted memory. Errors: integrity; `data` is wiped.
  Answer unseal(const wire::SealedContext& context, ByteSpan data, const crypto::Tag& tag);

 private:
  std::optional<crypto::Channel> from_host_;
  std::optional<crypto::Channel> to_host_;
  crypto::Digest transcript_{};
};

}  // namespace taoism::trusted
