#include "crypto/channel.h"

#include <algorithm>
#include <string_view>

#include "crypto/hash.h"

namespace taoism::crypto {
namespace {

constexpr std::string_view kSessionLabel = "taoism session v2";
constexpr size_t kMaxTermsBytes = 64;

}  // namespace

Result<Channel> Channel::create(const AeadKey& key) {
  TAOISM_ASSIGN_OR_RETURN(Aead aead, Aead::create(key));
  return Channel(std::move(aead));
}

Status Channel::seal(ConstByteSpan additional, ByteSpan in_place, Tag& tag) {
  if (next_ >= kMaxMessagesPerKey)
    return policy_error("the session key is used up: open a new session");
  // The number is spent whether or not sealing works: a nonce never repeats.
  return aead_.seal(counter_nonce(next_++), additional, in_place, in_place, tag);
}

Status Channel::open(ConstByteSpan additional, ByteSpan in_place, const Tag& tag) {
  if (next_ >= kMaxMessagesPerKey)
    return policy_error("the session key is used up: open a new session");
  TAOISM_RETURN_IF_ERROR(aead_.open(counter_nonce(next_), additional, in_place, tag, in_place));
  ++next_;
  return {};
}

Result<Digest> session_transcript(const PublicKey& host, const PublicKey& tee,
                                  ConstByteSpan terms) {
  TAOISM_CHECK(terms.size() <= kMaxTermsBytes);
  std::array<std::byte, 2 * kPublicKeyBytes + kMaxTermsBytes> transcript;
  std::memcpy(transcript.data(), host.data(), host.size());
  std::memcpy(transcript.data() + kPublicKeyBytes, tee.data(), tee.size());
  std::ranges::copy(terms, transcript.begin() + 2 * kPublicKeyBytes);
  return sha256(std::span(transcript).first(2 * kPublicKeyBytes + terms.size()));
}

Result<SessionKeys> derive_session_keys(const SharedSecret& secret, const Digest& transcript) {
  SecretBytes<2 * kAeadKeyBytes> material;
  TAOISM_RETURN_IF_ERROR(hkdf_sha256(secret.expose_secret(), transcript,
                                     std::as_bytes(std::span(kSessionLabel)),
                                     material.expose_secret()));
  SessionKeys keys;
  const std::byte* bytes = material.expose_secret().data();
  std::memcpy(keys.to_tee.expose_secret().data(), bytes, kAeadKeyBytes);
  std::memcpy(keys.to_host.expose_secret().data(), bytes + kAeadKeyBytes, kAeadKeyBytes);
  return keys;
}

}  // namespace taoism::crypto
