#include "trusted/session.h"

#include "crypto/ecdh.h"

namespace taoism::trusted {

using wire::Text;

Answer Session::open(const wire::OpenSession& request, const wire::SessionTerms& terms,
                     wire::OpenSessionReply& reply) {
  if (is_open()) return policy(Text::session_exists);
  const Answer crypto_failed{Code::internal, Text::crypto_failed};

  auto pair = crypto::EcdhKeyPair::create();
  if (!pair.ok()) return crypto_failed;
  auto secret = pair->agree(request.host_public_key);
  if (!secret.ok()) return integrity(Text::bad_public_key);
  const auto transcript =
      crypto::session_transcript(request.host_public_key, pair->public_key(), object_bytes(terms));
  if (!transcript.ok()) return crypto_failed;
  auto keys = crypto::derive_session_keys(*secret, *transcript);
  if (!keys.ok()) return crypto_failed;
  auto from_host = crypto::Channel::create(keys->to_tee);
  auto to_host = crypto::Channel::create(keys->to_host);
  if (!from_host.ok() || !to_host.ok()) return crypto_failed;

  std::memcpy(reply.tee_public_key_xy.data(), pair->public_key().data() + 1,
              reply.tee_public_key_xy.size());
  from_host_ = std::move(from_host).value();
  to_host_ = std::move(to_host).value();
  transcript_ = *transcript;
  return {};
}

bool Session::authenticate(const wire::AuthenticReply& reply, crypto::Tag& tag) {
  return is_open() && to_host_->seal(object_bytes(reply), {}, tag).ok();
}

Answer Session::unseal(const wire::SealedContext& context, ByteSpan data, const crypto::Tag& tag) {
  if (!is_open()) return policy(Text::no_session);
  if (context.sequence != from_host_->next()) {
    if (!data.empty()) secure_wipe(data.data(), data.size());
    return integrity(Text::out_of_sequence);
  }
  if (!from_host_->open(object_bytes(context), data, tag).ok()) {
    return integrity(Text::not_authentic);
  }
  return {};
}

}  // namespace taoism::trusted
