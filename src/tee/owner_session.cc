#include "tee/owner_session.h"

#include <algorithm>

#include "crypto/ecdh.h"
#include "crypto/hash.h"

namespace taoism::tee {
namespace {

using wire::Message;
using wire::MessageType;

static_assert(sizeof(crypto::PublicKey) == sizeof(wire::OpenSession::host_public_key));
static_assert(crypto::kTagBytes <= kAlignment);

}  // namespace

Result<OwnerSession> OwnerSession::open(Transport& transport, size_t threads) {
  wire::Reply reply;
  TAOISM_RETURN_IF_ERROR(transport.call(Message::of(MessageType::hello), reply));
  const auto hello = reply.as<wire::HelloReply>();
  if (hello.version != wire::kProtocolVersion || hello.threads != threads) {
    return unavailable("the TEE's image is of another build: rebuild the target 'programs'");
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

Result<wire::ProgramId> OwnerSession::load_program(std::vector<std::byte> encoded) {
  if (encoded.size() + crypto::kTagBytes > transport_->payload().size()) {
    return internal_error("the payload area is too small for the program");
  }
  TAOISM_ASSIGN_OR_RETURN(const wire::ProgramId id, crypto::sha256(encoded));
  wire::LoadProgram request{};
  request.program = id;
  request.sealed = {0, encoded.size() + crypto::kTagBytes};
  request.sequence = to_tee_.next();
  wire::SealedContext context;
  context.type = static_cast<uint32_t>(MessageType::load_program);
  context.program = id;
  context.sequence = request.sequence;
  context.bytes = encoded.size();

  // Sealed in private memory and then copied: see Aead::seal.
  crypto::Tag tag;
  TAOISM_RETURN_IF_ERROR(to_tee_.seal(object_bytes(context), encoded, tag));
  std::memcpy(transport_->payload().data(), encoded.data(), encoded.size());
  std::memcpy(transport_->payload().data() + encoded.size(), tag.data(), tag.size());
  wire::Reply reply;
  TAOISM_RETURN_IF_ERROR(transport_->call(Message::of(MessageType::load_program, request), reply));
  peak_arena_bytes_ = reply.peak_arena_bytes;
  return id;
}

Status OwnerSession::load_weights(const wire::ProgramId& id, const ir::Graph& graph,
                                  const program::Lowered& lowered) {
  const std::vector<program::Weight>& weights = lowered.program.weights;
  uint64_t largest = 0;
  for (const program::Weight& weight : weights) largest = std::max(largest, weight.packed_bytes);
  AlignedBuffer packed(largest);
  for (uint32_t w = 0; w < weights.size(); ++w) {
    program::pack_weight(graph, lowered, w, packed.data());
    TAOISM_RETURN_IF_ERROR(send_weight(id, w, packed.span().first(weights[w].packed_bytes)));
  }
  while (under_way_ != 0) TAOISM_RETURN_IF_ERROR(collect_one());
  return {};
}

Status OwnerSession::send_weight(const wire::ProgramId& id, uint32_t weight, ByteSpan packed) {
  for (size_t offset = 0; offset < packed.size(); offset += kPieceBytes) {
    const ByteSpan piece = packed.subspan(offset, std::min(kPieceBytes, packed.size() - offset));
    const size_t lane = pieces_++ % kPiecesUnderWay;
    wire::LoadWeights request{};
    request.program = id;
    request.sealed = {lane * kLaneBytes, piece.size() + crypto::kTagBytes};
    request.sequence = to_tee_.next();
    request.offset = offset;
    request.weight = weight;
    wire::SealedContext context;
    context.type = static_cast<uint32_t>(MessageType::load_weights);
    context.program = id;
    context.sequence = request.sequence;
    context.bytes = piece.size();
    context.offset = offset;
    context.weight = weight;
    crypto::Tag tag;
    TAOISM_RETURN_IF_ERROR(to_tee_.seal(object_bytes(context), piece, tag));

    if (under_way_ == kPiecesUnderWay) TAOISM_RETURN_IF_ERROR(collect_one());
    std::byte* staging = transport_->payload().data() + request.sealed.offset;
    std::memcpy(staging, piece.data(), piece.size());
    std::memcpy(staging + piece.size(), tag.data(), tag.size());
    TAOISM_RETURN_IF_ERROR(transport_->post(Message::of(MessageType::load_weights, request)));
    ++under_way_;
  }
  return {};
}

Status OwnerSession::collect_one() {
  wire::Reply reply;
  TAOISM_RETURN_IF_ERROR(transport_->collect(reply));
  --under_way_;
  return status_of(reply);
}

}  // namespace taoism::tee
