#include "trusted/image.h"

#include <algorithm>

#include "crypto/hash.h"
#include "kernels/target.h"
#include "program/codec.h"
#include "store/layout.h"
#include "trusted/packaged_program.h"
#include "trusted/platform.h"
#include "trusted/stacks.h"
#include "trusted/stopwatch.h"

namespace taoism::trusted {
namespace {

using wire::MessageType;
using wire::Text;

bool lies_within(const wire::Range& range, ByteSpan payload) {
  return range.offset <= payload.size() && range.bytes <= payload.size() - range.offset;
}

bool overlap(const wire::Range& a, const wire::Range& b) {
  return a.bytes != 0 && b.bytes != 0 && a.offset < b.offset + b.bytes &&
         b.offset < a.offset + a.bytes;
}

ByteSpan at(ByteSpan payload, const wire::Range& range) {
  return payload.subspan(range.offset, range.bytes);
}

// The ciphertext's size, when `sealed` lies in the payload and is long enough for a tag.
Answer sealed_bytes(const wire::Range& sealed, ByteSpan payload, uint64_t& bytes) {
  if (!lies_within(sealed, payload)) return policy(Text::range_outside_payload);
  if (sealed.bytes < crypto::kTagBytes) return integrity(Text::sealed_too_short);
  bytes = sealed.bytes - crypto::kTagBytes;
  return {};
}

// Copies ciphertext and tag into trusted memory: what is authenticated is what is then used.
void copy_sealed(ByteSpan untrusted_sealed, ByteSpan data, crypto::Tag& tag) {
  if (!data.empty()) std::memcpy(data.data(), untrusted_sealed.data(), data.size());
  std::memcpy(tag.data(), untrusted_sealed.data() + data.size(), tag.size());
}

// An authentic program as it is sealed: a StoreHeader, which stays where it is, and its encoding.
const store::StoreHeader& header_of(ConstByteSpan plain) {
  return *reinterpret_cast<const store::StoreHeader*>(plain.data());
}

Result<program::Program> decode(ConstByteSpan plain) {
  return program::decode(plain.subspan(sizeof(store::StoreHeader)));
}

// To what decode() refuses.
Answer refused(const Status& status) {
  if (status.code() == Code::unsupported) return {Code::unsupported, Text::packed_otherwise};
  return integrity(Text::program_invalid);
}

}  // namespace

Image::Image(ByteSpan memory, Parallel& parallel, const KeySource* keys)
    : parallel_(parallel), keys_(keys), arena_(memory) {
  programs_.reserve(kMaxPrograms);
}

void Image::call(const wire::Message& untrusted_message, ByteSpan untrusted_payload,
                 wire::Reply& untrusted_reply) {
  wire::Message message;
  copy_in(&message, &untrusted_message, sizeof(message));
  const Answer answered = answer(message, untrusted_payload, untrusted_reply);
  // A run leaves on stacks what its program, which is there, leaves in the arena.
  const auto type = static_cast<MessageType>(message.type);
  const bool is_run = type == MessageType::run_segment || type == MessageType::ping;
  if (!is_run || answered.is_fatal()) wipe_stacks(parallel_);
}

Answer Image::answer(const wire::Message& message, ByteSpan untrusted_payload,
                     wire::Reply& untrusted_reply) {
  wire::Reply reply;
  Answer answer = dead_.ok() ? dispatch(message, untrusted_payload, reply) : dead_;
  if (answer.is_fatal()) end_session(answer);
  if (!answer.ok()) {
    const uint64_t needed = reply.needed_bytes;
    reply = {};
    reply.needed_bytes = needed;
  }
  reply.code = static_cast<uint32_t>(answer.code);
  reply.text = static_cast<uint32_t>(answer.text);
  reply.peak_arena_bytes = arena_.peak_bytes();
  if (session_.is_open() && wire::is_tagged(message)) {
    crypto::Tag tag;
    if (session_.authenticate({message, reply}, tag)) reply.tag = tag;
  }
  untrusted_reply = reply;
  return answer;
}

// Nothing is left to be read after what made the session end.
void Image::end_session(const Answer& answer) {
  dead_ = answer;
  for (const auto& program : programs_) arena_.release(program->memory());
  programs_.clear();
}

const store::PackageKey* Image::package_key() const {
  return keys_ != nullptr ? keys_->package_key() : nullptr;
}

wire::SessionTerms Image::terms() const {
  wire::SessionTerms terms;
  terms.threads = static_cast<uint32_t>(parallel_.threads());
  terms.budget_bytes = arena_.capacity_bytes();
  terms.kernel_target = static_cast<uint32_t>(kernels::current_target());
  terms.holds_key = package_key() != nullptr ? 1 : 0;
  return terms;
}

Answer Image::dispatch(const wire::Message& message, ByteSpan payload, wire::Reply& reply) {
  if (message.version != wire::kProtocolVersion) return policy(Text::wrong_version);
  switch (static_cast<MessageType>(message.type)) {
    case MessageType::ping: return {};
    case MessageType::hello: return hello(reply);
    case MessageType::open_session:
      return open_session(message.as<wire::OpenSession>(), payload, reply);
    case MessageType::load_program:
      return load_program(message.as<wire::LoadProgram>(), payload, reply);
    case MessageType::load_packaged:
      return load_packaged(message.as<wire::LoadPackaged>(), payload, reply);
    case MessageType::run_segment:
      return run_segment(message.as<wire::RunSegment>(), payload, reply);
    case MessageType::close_program: return close_program(message.as<wire::CloseProgram>());
    case MessageType::shutdown: return {};
  }
  return policy(Text::unknown_message);
}

Answer Image::hello(wire::Reply& reply) const {
  SecretBytes<platform::kSealingKeyBytes> key;
  const wire::SessionTerms own = terms();
  reply.set_body(wire::HelloReply{own.version, own.threads, own.budget_bytes,
                                  static_cast<uint32_t>(platform::evidence_kind()),
                                  platform::sealing_key(key.expose_secret()) ? 1U : 0U});
  return {};
}

Answer Image::open_session(const wire::OpenSession& request, ByteSpan payload, wire::Reply& reply) {
  const Stopwatch crypto_time(reply.crypto_ns);
  if (!lies_within(request.evidence, payload)) return policy(Text::range_outside_payload);
  wire::OpenSessionReply body{};
  TAOISM_RETURN_IF_NOT_OK(session_.open(request, terms(), body));
  if (request.evidence.bytes != 0) {
    TAOISM_RETURN_IF_NOT_OK(give_evidence(request.evidence, payload, body));
  }
  reply.set_body(body);
  return {};
}

// Made inside and copied out: what the reply names is what the system gave.
Answer Image::give_evidence(const wire::Range& room, ByteSpan payload,
                            wire::OpenSessionReply& body) {
  std::array<std::byte, platform::kReportDataBytes> report_data{};
  std::ranges::copy(session_.transcript(), report_data.begin());
  AlignedBuffer made(wire::kMaxEvidenceBytes);
  const uint64_t length = platform::report(report_data, made.span());
  TAOISM_CHECK(length <= made.size());
  if (length > room.bytes) return policy(Text::evidence_room);
  const ConstByteSpan bytes = made.span().first(length);
  const auto digest = crypto::sha256(bytes);
  if (!digest.ok()) return {Code::internal, Text::crypto_failed};
  std::ranges::copy(bytes, at(payload, room).begin());
  body.evidence_kind = static_cast<uint32_t>(platform::evidence_kind());
  body.evidence_bytes = length;
  body.evidence_sha256 = *digest;
  return {};
}

// Whether what a program is to have outside may lie there.
Answer Image::check_outside(const Outside& outside, ByteSpan payload) const {
  if (!lies_within(outside.weights, payload) || !lies_within(outside.spill, payload)) {
    return policy(Text::range_outside_payload);
  }
  if (overlap(outside.weights, outside.spill)) return policy(Text::slots_overlap);
  for (const auto& program : programs_) {
    if (overlap(outside.spill, program->outside().spill)) return policy(Text::slots_overlap);
  }
  return {};
}

Answer Image::load_program(const wire::LoadProgram& request, ByteSpan payload, wire::Reply& reply) {
  if (!session_.is_open()) return policy(Text::no_session);
  // Whoever opened the session need not be the packages' owner.
  if (package_key() != nullptr) return policy(Text::packages_only);
  uint64_t bytes = 0;
  TAOISM_RETURN_IF_NOT_OK(sealed_bytes(request.sealed, payload, bytes));
  if (bytes > kMaxProgramBytes) return policy(Text::sealed_too_long);
  const Outside outside{request.weights, request.spill};
  TAOISM_RETURN_IF_NOT_OK(check_outside(outside, payload));

  SecretBuffer plain(bytes);
  {
    const Stopwatch crypto_time(reply.crypto_ns);
    crypto::Tag tag;
    copy_sealed(at(payload, request.sealed), plain.span(), tag);
    wire::SealedContext context;
    context.type = static_cast<uint32_t>(MessageType::load_program);
    context.program = request.program;
    context.sequence = request.sequence;
    context.bytes = bytes;
    TAOISM_RETURN_IF_NOT_OK(session_.unseal(context, plain.span(), tag));
  }
  if (bytes < sizeof(store::StoreHeader)) return integrity(Text::program_invalid);
  const auto digest = crypto::sha256(plain.span().subspan(sizeof(store::StoreHeader)));
  if (!digest.ok()) return {Code::internal, Text::crypto_failed};
  if (*digest != request.program) return integrity(Text::program_id_mismatch);
  auto decoded = decode(plain.span());
  if (!decoded.ok()) return refused(decoded.status());
  return install(request.program, header_of(plain.span()), std::move(*decoded), outside, payload,
                 reply);
}

Answer Image::load_packaged(const wire::LoadPackaged& request, ByteSpan payload,
                            wire::Reply& reply) {
  const store::PackageKey* key = package_key();
  if (key == nullptr) return policy(Text::no_package_key);
  if (!lies_within(request.file, payload)) return policy(Text::range_outside_payload);
  PackagedProgram opened;
  {
    const Stopwatch crypto_time(reply.crypto_ns);
    TAOISM_RETURN_IF_NOT_OK(open_packaged(*key, at(payload, request.file), request.index, opened));
  }
  wire::Range weights = opened.weights;
  weights.offset += request.file.offset;
  const Outside outside{weights, request.spill};
  TAOISM_RETURN_IF_NOT_OK(check_outside(outside, payload));
  if (overlap(request.file, request.spill)) return policy(Text::slots_overlap);
  auto decoded = decode(opened.plain->span());
  if (!decoded.ok()) return refused(decoded.status());
  if (decoded->segments.size() != opened.must_have.segments ||
      decoded->weights.size() != opened.must_have.weights) {
    return integrity(Text::program_invalid);
  }
  TAOISM_RETURN_IF_NOT_OK(install(opened.id, header_of(opened.plain->span()), std::move(*decoded),
                                  outside, payload, reply));
  reply.set_body(wire::LoadPackagedReply{opened.id, opened.package});
  return {};
}

Answer Image::install(const wire::ProgramId& id, const store::StoreHeader& header,
                      program::Program program, const Outside& outside, ByteSpan payload,
                      wire::Reply& reply) {
  if (find(id) != nullptr) return policy(Text::program_exists);
  if (programs_.size() == kMaxPrograms) return policy(Text::too_many_programs);

  auto scheduled = program::make_schedule(
      program, {arena_.capacity_bytes() - arena_.used_bytes(), parallel_.threads()});
  if (!scheduled.ok()) {
    reply.needed_bytes = program::smallest_memory(program, parallel_.threads());
    return {Code::resource_exhausted, Text::arena_too_small};
  }
  const store::WeightLayout layout(program);
  if (outside.weights.bytes != layout.bytes() ||
      outside.spill.bytes < store::spill_bytes(*scheduled)) {
    return policy(Text::store_bytes_wrong);
  }
  auto opened = store::SealedStore::open(header, layout, *scheduled, at(payload, outside.weights),
                                         at(payload, outside.spill), parallel_.threads());
  if (!opened.ok()) return {Code::internal, Text::crypto_failed};
  const auto memory = arena_.carve(scheduled->arena_bytes());
  if (!memory.has_value()) return {Code::resource_exhausted, Text::arena_too_small};
  programs_.push_back(
      std::make_unique<LoadedProgram>(id, std::move(program), std::move(scheduled).value(),
                                      std::move(opened).value(), outside, *memory, parallel_));
  slots_.resize(std::max(slots_.size(), programs_.back()->max_slot_count()));
  return {};
}

// Leaves the message's list in slots_, checked against the verified segment.
Answer Image::copy_slots(const wire::RunSegment& request, const LoadedProgram& program,
                         ByteSpan payload) {
  const size_t count = program.slot_count(request.segment);
  if (!lies_within(request.slots, payload)) return policy(Text::range_outside_payload);
  if (request.slots.bytes != count * sizeof(wire::Range)) return policy(Text::slot_count_wrong);
  if (count != 0) {
    std::memcpy(slots_.data(), at(payload, request.slots).data(), request.slots.bytes);
  }
  for (size_t i = 0; i < count; ++i) {
    if (slots_[i].bytes != program.slot_bytes(request.segment, i)) {
      return policy(Text::slot_bytes_wrong);
    }
    if (!lies_within(slots_[i], payload)) return policy(Text::range_outside_payload);
    for (size_t j = 0; j < i; ++j) {
      if (overlap(slots_[i], slots_[j])) return policy(Text::slots_overlap);
    }
    if (i < program.input_count(request.segment)) continue;
    const Outside& outside = program.outside();
    if (overlap(slots_[i], outside.weights) || overlap(slots_[i], outside.spill)) {
      return policy(Text::slots_overlap);
    }
  }
  return {};
}

// The tensors of one run_segment: inputs are copied in, outputs go out through the gate.
class Image::PayloadExchange final : public program::Exchange {
 public:
  PayloadExchange(const LoadedProgram& program, uint32_t segment,
                  std::span<const wire::Range> slots, ByteSpan untrusted_payload)
      : program_(program), segment_(segment), slots_(slots), payload_(untrusted_payload) {}

  void read(uint32_t input, uint64_t offset, ByteSpan to) override {
    const Stopwatch transfer_time(transfer_ns_);
    if (!to.empty()) {
      std::memcpy(to.data(), part(slots_[input], offset, to.size()).data(), to.size());
    }
  }
  void write(uint32_t output, uint64_t offset, ConstByteSpan from) override {
    const Stopwatch transfer_time(transfer_ns_);
    const wire::Range& slot = slots_[program_.input_count(segment_) + output];
    gate(program_.token(segment_, output, offset, from), part(slot, offset, from.size()));
  }
  uint64_t transfer_ns() const { return transfer_ns_; }

 private:
  ByteSpan part(const wire::Range& slot, uint64_t offset, uint64_t bytes) const {
    TAOISM_CHECK(offset <= slot.bytes && bytes <= slot.bytes - offset);
    return payload_.subspan(slot.offset + offset, bytes);
  }

  const LoadedProgram& program_;
  const uint32_t segment_;
  const std::span<const wire::Range> slots_;
  const ByteSpan payload_;
  uint64_t transfer_ns_ = 0;
};

Answer Image::run_segment(const wire::RunSegment& request, ByteSpan payload, wire::Reply& reply) {
  LoadedProgram* program = find(request.program);
  if (program == nullptr) return policy(Text::program_unknown);
  TAOISM_RETURN_IF_NOT_OK(program->check_segment(request.segment));
  TAOISM_RETURN_IF_NOT_OK(copy_slots(request, *program, payload));

  PayloadExchange exchange(*program, request.segment, slots_, payload);
  uint64_t run_ns = 0;
  uint64_t crypto_ns = 0;
  {
    const Stopwatch run_time(run_ns);
    TAOISM_RETURN_IF_NOT_OK(program->run(request.segment, exchange, crypto_ns));
  }
  reply.transfer_ns = exchange.transfer_ns();
  reply.crypto_ns = std::min(crypto_ns, run_ns - std::min(run_ns, reply.transfer_ns));
  reply.compute_ns = run_ns - std::min(run_ns, reply.transfer_ns + reply.crypto_ns);
  return {};
}

Answer Image::close_program(const wire::CloseProgram& request) {
  const auto found = std::find_if(programs_.begin(), programs_.end(),
                                  [&](const auto& p) { return p->id() == request.program; });
  if (found == programs_.end()) return policy(Text::program_unknown);
  const ByteSpan memory = (*found)->memory();
  programs_.erase(found);
  arena_.release(memory);
  return {};
}

LoadedProgram* Image::find(const wire::ProgramId& id) {
  for (const auto& program : programs_) {
    if (program->id() == id) return program.get();
  }
  return nullptr;
}

}  // namespace taoism::trusted
