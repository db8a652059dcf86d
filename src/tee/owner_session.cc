#include "tee/owner_session.h"

#include <algorithm>

#include "crypto/ecdh.h"
#include "crypto/hash.h"

namespace taoism::tee {
namespace {

using wire::Message;
using wire::MessageType;

static_assert(sizeof(crypto::PublicKey) == sizeof(wire::OpenSession::host_public_key));

}  // namespace

Result<OwnerSession> OwnerSession::open(Transport& transport, const wire::SessionTerms& believed) {
  wire::Reply reply;
  TAOISM_RETURN_IF_ERROR(transport.call(Message::of(MessageType::hello), reply));
  const auto hello = reply.as<wire::HelloReply>();
  if (hello.version != wire::kProtocolVersion) return of_another_build();

  TAOISM_ASSIGN_OR_RETURN(crypto::EcdhKeyPair pair, crypto::EcdhKeyPair::create());
  wire::OpenSession request{};
  request.host_public_key = pair.public_key();
  if (hello.evidence_kind != static_cast<uint32_t>(wire::EvidenceKind::none)) {
    request.evidence = {0, wire::kMaxEvidenceBytes};
  }
  const Message message = Message::of(MessageType::open_session, request);
  TAOISM_RETURN_IF_ERROR(transport.call(message, reply));
  const auto answer = reply.as<wire::OpenSessionReply>();
  crypto::PublicKey tee_key;
  tee_key[0] = std::byte{4};
  std::memcpy(tee_key.data() + 1, answer.tee_public_key_xy.data(), answer.tee_public_key_xy.size());
  TAOISM_ASSIGN_OR_RETURN(const crypto::SharedSecret secret, pair.agree(tee_key));
  TAOISM_ASSIGN_OR_RETURN(
      const crypto::Digest transcript,
      crypto::session_transcript(pair.public_key(), tee_key, object_bytes(believed)));
  TAOISM_ASSIGN_OR_RETURN(const crypto::SessionKeys keys,
                          crypto::derive_session_keys(secret, transcript));
  TAOISM_ASSIGN_OR_RETURN(crypto::Channel from_tee, crypto::Channel::create(keys.to_host));
  TAOISM_RETURN_IF_ERROR(
      check_reply(from_tee, message, reply)
          .annotate("the TEE has other session keys, or other threads, memory, kernels or key"));
  transport.authenticate(std::move(from_tee));
  TAOISM_ASSIGN_OR_RETURN(crypto::Channel to_tee, crypto::Channel::create(keys.to_tee));
  OwnerSession session(transport, std::move(to_tee));
  TAOISM_RETURN_IF_ERROR(session.take_evidence(request.evidence, answer));
  return session;
}

// The host may change what lies in the payload: what is kept is what was compared.
Status OwnerSession::take_evidence(const wire::Range& room, const wire::OpenSessionReply& answer) {
  if (answer.evidence_bytes == 0) return {};
  if (answer.evidence_bytes > room.bytes) return integrity_error("the TEE's evidence is too long");
  const ByteSpan untrusted = transport_->payload().subspan(room.offset, answer.evidence_bytes);
  evidence_.assign(untrusted.begin(), untrusted.end());
  TAOISM_ASSIGN_OR_RETURN(const crypto::Digest digest, crypto::sha256(evidence_));
  return digest == answer.evidence_sha256 ? Status()
                                          : integrity_error("the evidence is not the TEE's");
}

size_t OwnerSession::staging_bytes(size_t encoded_bytes) {
  return round_up(std::max<size_t>(wire::kMaxEvidenceBytes,
                                   sizeof(store::StoreHeader) + encoded_bytes + crypto::kTagBytes),
                  kAlignment);
}

Result<wire::ProgramId> OwnerSession::load_program(ConstByteSpan encoded,
                                                   const store::StoreHeader& header,
                                                   const wire::Range& weights,
                                                   const wire::Range& spill) {
  // Sealed in private memory and then copied: see Aead::seal.
  SecretBuffer sealed(sizeof(header) + encoded.size());
  std::memcpy(sealed.span().data(), &header, sizeof(header));
  std::memcpy(sealed.span().data() + sizeof(header), encoded.data(), encoded.size());
  if (staging_bytes(encoded.size()) > transport_->payload().size()) {
    return internal_error("the payload area is too small for the program");
  }
  TAOISM_ASSIGN_OR_RETURN(const wire::ProgramId id, crypto::sha256(encoded));
  wire::LoadProgram request{};
  request.program = id;
  request.sealed = {0, sealed.span().size() + crypto::kTagBytes};
  request.sequence = to_tee_.next();
  request.weights = weights;
  request.spill = spill;
  wire::SealedContext context;
  context.type = static_cast<uint32_t>(MessageType::load_program);
  context.program = id;
  context.sequence = request.sequence;
  context.bytes = sealed.span().size();

  crypto::Tag tag;
  TAOISM_RETURN_IF_ERROR(to_tee_.seal(object_bytes(context), sealed.span(), tag));
  std::byte* payload = transport_->payload().data();
  std::memcpy(payload, sealed.span().data(), sealed.span().size());
  std::memcpy(payload + sealed.span().size(), tag.data(), tag.size());
  wire::Reply reply;
  TAOISM_RETURN_IF_ERROR(transport_->call(Message::of(MessageType::load_program, request), reply));
  peak_arena_bytes_ = reply.peak_arena_bytes;
  return id;
}

}  // namespace taoism::tee
