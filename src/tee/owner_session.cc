#include "tee/owner_session.h"

#include "crypto/ecdh.h"
#include "crypto/hash.h"

namespace taoism::tee {
namespace {

using wire::Message;
using wire::MessageType;

static_assert(sizeof(crypto::PublicKey) == sizeof(wire::OpenSession::host_public_key));

}  // namespace

Result<OwnerSession> OwnerSession::open(Transport& transport, size_t threads) {
  wire::Reply reply;
  TAOISM_RETURN_IF_ERROR(transport.call(Message::of(MessageType::hello), reply));
  const auto hello = reply.as<wire::HelloReply>();
  if (hello.version != wire::kProtocolVersion || hello.threads != threads) {
    return of_another_build();
  }

  TAOISM_ASSIGN_OR_RETURN(crypto::EcdhKeyPair pair, crypto::EcdhKeyPair::create());
  wire::OpenSession request{};
  request.host_public_key = pair.public_key();
  TAOISM_RETURN_IF_ERROR(transport.call(Message::of(MessageType::open_session, request), reply));
  const auto answer = reply.as<wire::OpenSessionReply>();
  crypto::PublicKey tee_key;
  tee_key[0] = std::byte{4};
  std::memcpy(tee_key.data() + 1, answer.tee_public_key_xy.data(), answer.tee_public_key_xy.size());
  TAOISM_ASSIGN_OR_RETURN(crypto::SharedSecret secret, pair.agree(tee_key));
  TAOISM_ASSIGN_OR_RETURN(crypto::SessionKeys keys,
                          crypto::derive_session_keys(secret, pair.public_key(), tee_key));
  TAOISM_ASSIGN_OR_RETURN(crypto::Channel from_tee, crypto::Channel::create(keys.to_host));
  TAOISM_RETURN_IF_ERROR(from_tee.open(object_bytes(request), {}, answer.confirmation)
                             .annotate("the TEE has other session keys"));
  TAOISM_ASSIGN_OR_RETURN(crypto::Channel to_tee, crypto::Channel::create(keys.to_tee));
  return OwnerSession(transport, std::move(to_tee));
}

size_t OwnerSession::staging_bytes(size_t encoded_bytes) {
  return round_up(sizeof(store::StoreHeader) + encoded_bytes + crypto::kTagBytes, kAlignment);
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
