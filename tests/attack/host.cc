#include "host.h"

#include <algorithm>
#include <string_view>

#include "crypto/ecdh.h"
#include "crypto/hash.h"
#include "kernels/target.h"

namespace taoism::attack {
namespace {

using wire::Message;
using wire::MessageType;

constexpr std::byte kGuard{0xa5};
constexpr std::string_view kManifest = "{ what is public }";
constexpr std::string_view kGraph = "a graph";

ConstByteSpan bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

crypto::Digest digest_of(ConstByteSpan bytes) { return crypto::sha256(bytes).value(); }

// A package of one program, of so many bytes when it is sealed.
store::PackageHead make_head(const Sample& sample, const store::PackageContext& context,
                             uint64_t sealed_bytes) {
  using store::PartKind;
  const auto part = [](PartKind kind, uint64_t bytes) {
    store::PackagePart part;
    part.kind = static_cast<uint32_t>(kind);
    part.bytes = bytes;
    return part;
  };
  std::vector<store::PackagePart> parts{
      part(PartKind::manifest, kManifest.size()), part(PartKind::graph, kGraph.size()),
      part(PartKind::program, sealed_bytes), part(PartKind::plan, crypto::kTagBytes),
      part(PartKind::weights, sample.layout().bytes())};
  parts[0].sha256 = digest_of(bytes_of(kManifest));
  parts[1].sha256 = digest_of(bytes_of(kGraph));
  parts[2].count = static_cast<uint32_t>(sample.program().segments.size());
  parts[4].count = static_cast<uint32_t>(sample.program().weights.size());
  store::PackageHeader header;
  header.package = context.package;
  header.version = context.version;
  return store::PackageHead::lay_out(header, std::move(parts));
}

Host::Regions plan_regions(const Sample& sample, const program::Schedule* schedule) {
  Host::Regions regions;
  const auto append = [&](uint64_t bytes) {
    const wire::Range range{regions.bytes, bytes};
    regions.bytes = round_up(regions.bytes + bytes, kAlignment);
    return range;
  };
  uint64_t tensor_bytes = 0;
  uint64_t slots = 0;
  for (const program::Segment& segment : sample.program().segments) {
    uint64_t bytes = 0;
    for (const auto& list : {segment.inputs, segment.outputs}) {
      for (const program::SlotId slot : list) {
        bytes += round_up(sample.program().slots[slot].desc.bytes(), kAlignment);
      }
    }
    tensor_bytes = std::max(tensor_bytes, bytes);
    slots = std::max<uint64_t>(slots, segment.inputs.size() + segment.outputs.size());
  }
  regions.list = append(slots * sizeof(wire::Range));
  regions.tensors = append(tensor_bytes);
  const store::PackageHead head = make_head(
      sample, {}, sizeof(store::StoreHeader) + sample.encoded().size() + crypto::kTagBytes);
  regions.file = append(head.header().file_bytes);
  const auto in_file = [&](store::PartKind kind) {
    const store::PackagePart* part = head.find(kind, 0);
    return wire::Range{regions.file.offset + part->offset, part->bytes};
  };
  regions.manifest = in_file(store::PartKind::manifest);
  regions.sealed = in_file(store::PartKind::program);
  regions.weights = in_file(store::PartKind::weights);
  regions.spill = append(schedule != nullptr ? store::spill_bytes(*schedule) : 0);
  return regions;
}

// A header and the program, as they are sealed.
class PlainProgram {
 public:
  PlainProgram(const Sample& sample, const store::StoreHeader& header)
      : bytes_(sizeof(header) + sample.encoded().size()) {
    std::ranges::copy(object_bytes(header), bytes_.span().begin());
    std::ranges::copy(sample.encoded(), bytes_.span().subspan(sizeof(header)).begin());
  }
  ConstByteSpan span() { return bytes_.span(); }

 private:
  SecretBuffer bytes_;
};

}  // namespace

const crypto::SigningKey& test_owner() {
  static const crypto::SigningKey owner = crypto::SigningKey::create().value();
  return owner;
}

Host::Host(const Sample& sample, uint64_t budget_bytes, Parallel* parallel)
    : sample_(sample),
      schedule_(sample.schedule(budget_bytes, parallel != nullptr ? parallel->threads() : 1)),
      arena_bytes_(budget_bytes != 0 ? budget_bytes : schedule_->arena_bytes()),
      regions_(plan_regions(sample, schedule_)),
      memory_(arena_bytes_ + 2 * kGuardBytes),
      payload_(regions_.bytes + 2 * kGuardBytes),
      id_(sample.id()),
      parallel_(parallel != nullptr ? *parallel : serial_) {
  for (AlignedBuffer* buffer : {&memory_, &payload_}) {
    std::fill_n(buffer->data(), kGuardBytes, kGuard);
    std::fill_n(buffer->data() + buffer->size() - kGuardBytes, kGuardBytes, kGuard);
  }
  image_ =
      std::make_unique<trusted::Image>(arena(), parallel != nullptr ? *parallel : serial_, &keys_);
}

bool Host::guards_hold() const {
  for (const AlignedBuffer* buffer : {&memory_, &payload_}) {
    const auto is_guard = [](std::byte b) { return b == kGuard; };
    const std::byte* end = buffer->data() + buffer->size();
    if (!std::all_of(buffer->data(), buffer->data() + kGuardBytes, is_guard) ||
        !std::all_of(end - kGuardBytes, end, is_guard)) {
      return false;
    }
  }
  return true;
}

Outcome Host::send(const Message& message) {
  image_->call(message, payload(), reply_);
  if (from_tee_.has_value() && wire::is_tagged(message)) {
    TAOISM_CHECK(is_authentic(message, reply_));
  }
  return {static_cast<Code>(reply_.code), static_cast<wire::Text>(reply_.text)};
}

bool Host::is_authentic(const Message& message, const wire::Reply& reply) {
  wire::AuthenticReply said{message, reply};
  said.reply.tag = {};
  return from_tee_->open(object_bytes(said), {}, reply.tag).ok();
}

wire::SessionTerms Host::terms() const {
  wire::SessionTerms terms;
  terms.threads = static_cast<uint32_t>(parallel_.threads());
  terms.budget_bytes = arena_bytes_;
  terms.kernel_target = static_cast<uint32_t>(kernels::current_target());
  terms.holds_key = keys_.package_key() != nullptr ? 1 : 0;
  return terms;
}

Outcome Host::open_session() { return open_session(terms()); }

Outcome Host::open_session(const wire::SessionTerms& believed, const wire::Range& evidence) {
  auto pair = crypto::EcdhKeyPair::create().value();
  wire::OpenSession request{};
  request.host_public_key = pair.public_key();
  request.evidence = evidence;
  const Message message = Message::of(MessageType::open_session, request);
  const Outcome outcome = send(message);
  if (outcome.code != Code::ok) return outcome;
  const auto answer = reply_.as<wire::OpenSessionReply>();
  crypto::PublicKey tee;
  tee[0] = std::byte{4};
  std::memcpy(tee.data() + 1, answer.tee_public_key_xy.data(), answer.tee_public_key_xy.size());
  auto secret = pair.agree(tee).value();
  transcript_ = crypto::session_transcript(pair.public_key(), tee, object_bytes(believed)).value();
  auto keys = crypto::derive_session_keys(secret, transcript_).value();
  from_tee_ = crypto::Channel::create(keys.to_host).value();
  to_tee_ = crypto::Channel::create(keys.to_tee).value();
  if (is_authentic(message, reply_)) return outcome;
  from_tee_.reset();
  return kOtherKeys;
}

void Host::put_weights() {
  std::copy(sample_.sealed_weights().begin(), sample_.sealed_weights().end(),
            part(regions_.weights).begin());
}

Message Host::seal_program() { return seal_program(sample_.header()); }

Message Host::seal_program(const store::StoreHeader& header) {
  return seal_plain(PlainProgram(sample_, header).span(), sample_.id());
}

Message Host::seal_plain(ConstByteSpan plain, const wire::ProgramId& id) {
  TAOISM_CHECK(plain.size() + crypto::kTagBytes <= regions_.sealed.bytes);
  keys_.is_for_packages = false;
  id_ = id;
  wire::LoadProgram request{};
  request.program = id;
  request.sealed = {regions_.sealed.offset, plain.size() + crypto::kTagBytes};
  request.sequence = to_tee_->next();
  request.weights = regions_.weights;
  request.spill = regions_.spill;
  wire::SealedContext context;
  context.type = static_cast<uint32_t>(MessageType::load_program);
  context.program = id;
  context.sequence = request.sequence;
  context.bytes = plain.size();
  SecretBuffer sealed(plain.size());
  std::copy(plain.begin(), plain.end(), sealed.span().begin());
  crypto::Tag tag;
  TAOISM_CHECK(to_tee_->seal(object_bytes(context), sealed.span(), tag).ok());
  const auto end =
      std::copy(sealed.span().begin(), sealed.span().end(), part(regions_.sealed).begin());
  std::copy(tag.begin(), tag.end(), end);
  return Message::of(MessageType::load_program, request);
}

store::PackageContext Host::package_context() const {
  store::PackageContext context;
  context.package.fill(std::byte{0x21});
  context.manifest = digest_of(bytes_of(kManifest));
  context.version = sample_.header().version;
  context.part = static_cast<uint32_t>(store::PartKind::program);
  return context;
}

Message Host::seal_packaged() {
  return seal_packaged(PlainProgram(sample_, sample_.header()).span(), package_context());
}

Message Host::seal_packaged(ConstByteSpan plain, store::PackageContext context) {
  return seal_packaged(plain, context, context);
}

Message Host::seal_packaged(ConstByteSpan plain, store::PackageContext context,
                            const store::PackageContext& claimed) {
  TAOISM_CHECK(plain.size() + crypto::kTagBytes <= regions_.sealed.bytes);
  keys_.is_for_packages = true;
  context.bytes = plain.size();
  id_ = digest_of(object_bytes(context));
  head_ = make_head(sample_, claimed, plain.size() + crypto::kTagBytes);
  const ByteSpan file = part(regions_.file);
  const auto in_file = [&](store::PartKind kind) {
    const store::PackagePart* part = head_->find(kind, 0);
    return file.subspan(part->offset, part->bytes);
  };
  // What is shorter than the sample's program lies before other weights.
  const ByteSpan weights = in_file(store::PartKind::weights);
  std::memmove(weights.data(), part(regions_.weights).data(), weights.size());
  std::ranges::copy(bytes_of(kManifest), in_file(store::PartKind::manifest).begin());
  std::ranges::copy(bytes_of(kGraph), in_file(store::PartKind::graph).begin());
  const ByteSpan sealed = in_file(store::PartKind::program);
  TAOISM_CHECK(store::seal_part(TestKeys().key, context, plain, sealed).ok());
  head_->part(store::PartKind::program, 0).sha256 = digest_of(sealed);
  TAOISM_CHECK(head_->sign(test_owner()).ok());
  put_head();

  wire::LoadPackaged request{};
  request.file = {regions_.file.offset, head_->header().file_bytes};
  request.spill = regions_.spill;
  return Message::of(MessageType::load_packaged, request);
}

void Host::put_head() { std::ranges::copy(head_->encode(), part(regions_.file).begin()); }

Message Host::close_program() const {
  return Message::of(MessageType::close_program, wire::CloseProgram{id()});
}

void Host::load_everything(Way way) {
  TAOISM_CHECK(open_session().code == Code::ok);
  put_weights();
  TAOISM_CHECK(send(seal(way)).code == Code::ok);
}

Message Host::run_message(uint32_t segment, const Floats& input) {
  const program::Segment& s = program().segments[segment];
  last_slots_.clear();
  uint64_t offset = regions_.tensors.offset;
  for (const auto& list : {s.inputs, s.outputs}) {
    for (const program::SlotId slot : list) {
      const uint64_t bytes = program().slots[slot].desc.bytes();
      last_slots_.push_back({offset, bytes});
      offset = round_up(offset + bytes, kAlignment);
    }
  }
  std::memcpy(part(last_slots_[0]).data(), input.data(), last_slots_[0].bytes);
  for (size_t i = 1; i < last_slots_.size(); ++i) {
    std::ranges::fill(part(last_slots_[i]), kUnwritten);
  }
  const size_t list_bytes = last_slots_.size() * sizeof(wire::Range);
  std::memcpy(part(regions_.list).data(), last_slots_.data(), list_bytes);
  wire::RunSegment request{};
  request.program = id();
  request.slots = {regions_.list.offset, list_bytes};
  request.segment = segment;
  return Message::of(MessageType::run_segment, request);
}

Floats Host::output(size_t output) {
  const wire::Range& slot = output_range(output);
  Floats values(slot.bytes / sizeof(float));
  std::memcpy(values.data(), part(slot).data(), slot.bytes);
  return values;
}

Floats Host::run_all(const Floats& x, const Floats& y) {
  TAOISM_CHECK(send(run_message(0, x)).code == Code::ok);
  TAOISM_CHECK(send(run_message(1, y)).code == Code::ok);
  return output();
}

}  // namespace taoism::attack
