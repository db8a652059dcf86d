#include "mutations.h"

#include <algorithm>

#include "crypto/hash.h"

namespace taoism::attack {
namespace {

using wire::Message;
using wire::MessageType;

store::StoreHeader with_version(store::StoreHeader header, uint64_t version) {
  header.version = version;
  return header;
}

// As good as a random number, from one that is not.
uint64_t mix(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9U;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebU;
  return value ^ (value >> 31);
}

}  // namespace

Mutations::Mutations(const Sample& sample, uint64_t budget_bytes)
    : sample_(sample),
      budget_bytes_(budget_bytes),
      spills_(sample.schedule(budget_bytes)->spill_chunks != 0),
      other_store_(sample.seal_weights(store::new_store(sample.header().version).value())),
      other_version_(
          sample.seal_weights(with_version(sample.header(), sample.header().version - 1))),
      judge_(sample, budget_bytes) {
  const store::WeightLayout& layout = sample.layout();
  for (program::WeightId w = 0; w < sample.program().weights.size(); ++w) {
    for (uint32_t piece = 0; piece < layout.pieces(w); ++piece) {
      pieces_.push_back({layout.offset(w, piece), layout.sealed_bytes(w, piece)});
    }
  }
  for (uint32_t segment = 0; segment < 2; ++segment) {
    for (int seed = 0; seed < 4; ++seed) inputs_[segment][seed] = sample.input(segment, seed);
  }
  start_host();
  TAOISM_CHECK(load_host().code == Code::ok);
  for (uint32_t segment = 0; segment < 2; ++segment) {
    parallel_.set_hook({});
    TAOISM_CHECK(send(host_->run_message(segment, inputs_[segment][0])).code == Code::ok);
    ticks_[segment] = parallel_.ticks();
  }
}

uint64_t Mutations::pick(uint64_t bound) {
  const uint64_t value = random_() % bound;
  description_ = mix(description_ + value + 0x9e3779b97f4a7c15U);
  return value;
}

void Mutations::start_host() {
  judge_.forget();
  old_spill_.clear();
  host_ = std::make_unique<Host>(sample_, budget_bytes_, &parallel_);
  host_->keys().key.least_version = sample_.header().version;
}

Outcome Mutations::load_host() {
  TAOISM_CHECK(host_->open_session().code == Code::ok);
  host_->put_weights();
  way_ = pick(2) == 0 ? Host::Way::session : Host::Way::package;
  load_message_ = host_->seal(way_);
  return send(load_message_);
}

Outcome Mutations::send(const Message& message) {
  last_message_ = message;
  return judge_.send(*host_, message);
}

Outcome Mutations::run_pair() {
  for (uint32_t segment = 0; segment < 2; ++segment) {
    const Outcome outcome = send(host_->run_message(segment, inputs_[segment][random_() % 4]));
    if (outcome.code != Code::ok) return outcome;
    const ByteSpan spill = host_->part(host_->regions().spill);
    if (segment == 0) old_spill_.assign(spill.begin(), spill.end());
  }
  return {};
}

Outcome Mutations::attack(uint64_t seed) {
  random_.seed(seed);
  description_ = spills_ ? 1 : 0;
  parallel_.set_hook({});
  const Outcome outcome = pick(4) == 0 ? attack_load() : attack_run();
  parallel_.set_hook({});
  seen_.insert(description_);
  if (outcome.code != Code::ok) host_.reset();
  return outcome;
}

Outcome Mutations::attack_load() {
  start_host();
  TAOISM_CHECK(host_->open_session().code == Code::ok);
  host_->put_weights();
  way_ = pick(2) == 0 ? Host::Way::session : Host::Way::package;
  const uint64_t kind = pick(8);
  load_message_ = kind == 5 ? seal_otherwise() : host_->seal(way_);
  Message message = load_message_;
  switch (kind) {
    case 0: spoil_message(message); break;
    case 1: {  // sizes and places
      const auto spoil = [&](wire::Range& range) {
        spoil_word({reinterpret_cast<std::byte*>(&range), sizeof(wire::Range)});
      };
      if (way_ == Host::Way::session) {
        auto request = message.as<wire::LoadProgram>();
        wire::Range* const ranges[] = {&request.sealed, &request.weights, &request.spill};
        spoil(*ranges[pick(3)]);
        message = Message::of(MessageType::load_program, request);
      } else {
        auto request = message.as<wire::LoadPackaged>();
        spoil(pick(2) == 0 ? request.file : request.spill);
        message = Message::of(MessageType::load_packaged, request);
      }
      break;
    }
    case 2:
      // All of the package but its weights, or what a session has of it.
      spoil_bytes(way_ == Host::Way::package
                      ? host_->part(host_->regions().file)
                            .first(host_->regions().weights.offset - host_->regions().file.offset)
                      : host_->part(host_->regions().sealed));
      break;
    case 3: spoil_bytes(host_->part(host_->regions().sealed)); break;
    case 4: spoil_weights(); break;
    case 5: break;
    case 6: {
      const Message first = stranger();
      if (const Outcome outcome = send(first); outcome.code != Code::ok) return outcome;
      break;
    }
    default: {  // the program of another session, or the one before
      const Outcome outcome = send(message);
      if (outcome.code != Code::ok) return outcome;
      if (way_ == Host::Way::session) {
        auto request = message.as<wire::LoadProgram>();
        request.sequence += pick(3);
        message = Message::of(MessageType::load_program, request);
      } else {
        auto request = message.as<wire::LoadPackaged>();
        request.index += static_cast<uint32_t>(pick(3));
        message = Message::of(MessageType::load_packaged, request);
      }
      if (pick(2) == 0) message = host_->seal(way_);
    }
  }
  Outcome outcome = send(message);
  if (outcome.code == Code::ok) outcome = run_pair();
  host_.reset();  // its areas may lie elsewhere than the others'
  return outcome;
}

Outcome Mutations::attack_run() {
  if (host_ == nullptr || pick(8) == 0) {
    start_host();
    TAOISM_CHECK(load_host().code == Code::ok);
  }
  const auto when = static_cast<When>(pick(4));
  const bool is_during = when == When::during_first || when == When::during_second;
  // 0 and 1: weights; 2 to 5: spilled chunks where there are any; 6: the list; 7: messages.
  uint64_t what = pick(8);
  if (!spills_ && what >= 2 && what <= 5) what = what % 2 == 0 ? 6 : 7;
  if (is_during && what == 7) what = 0;
  if (spills_ && old_spill_.empty() && pick(2) == 0) {
    if (const Outcome outcome = run_pair(); outcome.code != Code::ok) return outcome;
  }
  for (uint32_t segment = 0; segment < 2; ++segment) {
    Message message = host_->run_message(segment, inputs_[segment][pick(4)]);
    const bool is_now = when == (segment == 0 ? When::before : When::between);
    const bool is_during_this = when == (segment == 0 ? When::during_first : When::during_second);
    if (is_now && what == 7) {
      if (pick(2) == 0) {
        spoil_message(message);
      } else if (pick(4) != 0) {
        const Outcome outcome = send(stranger());
        if (outcome.code != Code::ok) return outcome;
      } else {
        continue;  // dropped
      }
    } else if (is_now) {
      spoil_memory(what);
    } else if (is_during_this) {
      const uint64_t at = pick(ticks_[segment]);
      parallel_.set_hook([this, at, what](uint64_t tick) {
        if (tick == at) spoil_memory(what);
      });
    }
    last_message_ = message;
    const Outcome outcome = judge_.send(*host_, message, is_during_this);
    parallel_.set_hook({});
    if (outcome.code != Code::ok) return outcome;
    if (segment == 0) {
      const ByteSpan spill = host_->part(host_->regions().spill);
      old_spill_.assign(spill.begin(), spill.end());
    }
  }
  host_->put_weights();
  // It may have been closed.
  if (when == When::between && what == 7) host_.reset();
  return {};
}

void Mutations::spoil_memory(uint64_t what) {
  switch (what) {
    case 0:
    case 1: return spoil_weights();
    case 6: return spoil_list();
    default: return spoil_spill();
  }
}

void Mutations::spoil_message(Message& message) {
  const ByteSpan bytes(reinterpret_cast<std::byte*>(&message), sizeof(message));
  // The body most of the time, and of it what has a meaning.
  const bool is_packaged = message.type == static_cast<uint32_t>(MessageType::load_packaged);
  const size_t body_bytes = is_packaged ? sizeof(wire::LoadPackaged) : sizeof(wire::LoadProgram);
  const ByteSpan part = pick(8) == 0 ? bytes : bytes.subspan(offsetof(Message, body), body_bytes);
  if (pick(2) == 0) return spoil_word(part);
  for (uint64_t changes = 1 + pick(3); changes > 0; --changes) {
    part[pick(part.size())] ^= static_cast<std::byte>(1 + pick(255));
  }
}

// Sets eight bytes to a number at the edge of something.
void Mutations::spoil_word(ByteSpan bytes) {
  std::byte* at = bytes.data() + 8 * pick(bytes.size() / 8);
  uint64_t old = 0;
  std::memcpy(&old, at, sizeof(old));
  const Host::Regions& r = host_->regions();
  const uint64_t numbers[] = {0,
                              1,
                              15,
                              16,
                              old - 1,
                              old + 1,
                              old - 16,
                              old + 16,
                              old * 2,
                              ~old,
                              ~uint64_t{0},
                              ~uint64_t{0} - 15,
                              uint64_t{1} << 63,
                              uint64_t{1} << 32,
                              old | uint64_t{1} << (8 * pick(8)),
                              old + 64 * pick(4096),
                              pick(r.bytes + 64),
                              r.bytes,
                              r.bytes - 1,
                              r.bytes + 1,
                              r.weights.offset,
                              r.weights.bytes,
                              r.spill.offset,
                              r.spill.bytes,
                              r.tensors.offset,
                              r.sealed.offset,
                              r.sealed.bytes};
  uint64_t now = numbers[pick(std::size(numbers))];
  if (now == old) now = old ^ 1;
  std::memcpy(at, &now, sizeof(now));
}

void Mutations::spoil_bytes(ByteSpan bytes) {
  const std::vector<std::byte> old(bytes.begin(), bytes.end());
  const uint64_t begin = pick(bytes.size());
  const uint64_t size = std::min<uint64_t>(bytes.size() - begin, 1 + pick(64));
  const ByteSpan block = bytes.subspan(begin, size);
  switch (pick(6)) {
    case 0: break;  // a bit alone, below
    case 1:
      for (std::byte& b : block) b ^= static_cast<std::byte>(1 + pick(255));
      break;
    case 2: std::ranges::fill(block, static_cast<std::byte>(pick(256))); break;
    case 3: {  // a block moved to another place
      const uint64_t from = pick(bytes.size() - size + 1);
      std::memmove(block.data(), bytes.data() + from, size);
      break;
    }
    case 4:  // a shift
      std::memmove(bytes.data() + 1, bytes.data(), bytes.size() - 1);
      break;
    default: std::ranges::fill(bytes.subspan(begin), std::byte{0}); break;
  }
  if (std::equal(old.begin(), old.end(), bytes.begin())) {
    bytes[begin] ^= static_cast<std::byte>(1U << pick(8));
  }
}

void Mutations::spoil_list() {
  const ByteSpan list = host_->part(host_->regions().list);
  if (pick(2) == 0) return spoil_word(list);
  list[pick(list.size())] ^= static_cast<std::byte>(1 + pick(255));
}

void Mutations::spoil_weights() {
  const ByteSpan store = host_->part(host_->regions().weights);
  const wire::Range& one = pieces_[pick(pieces_.size())];
  const wire::Range& two = pieces_[pick(pieces_.size())];
  const uint64_t both = std::min(one.bytes, two.bytes);
  const ByteSpan piece = store.subspan(one.offset, one.bytes);
  const auto copy_from = [&](const std::vector<std::byte>& other) {
    std::copy_n(other.begin() + static_cast<ptrdiff_t>(one.offset), one.bytes, piece.begin());
  };
  switch (pick(7)) {
    case 0:
      std::swap_ranges(piece.begin(), piece.begin() + static_cast<ptrdiff_t>(both),
                       store.begin() + static_cast<ptrdiff_t>(two.offset));
      break;
    case 1: std::memmove(piece.data(), store.data() + two.offset, both); break;
    case 2: copy_from(other_store_); break;
    case 3: copy_from(other_version_); break;
    case 4:  // the tag
      piece[piece.size() - 1 - pick(crypto::kTagBytes)] ^= static_cast<std::byte>(1U << pick(8));
      break;
    case 5: piece[pick(piece.size())] ^= static_cast<std::byte>(1U << pick(8)); break;
    default: spoil_bytes(piece); break;
  }
}

wire::Range Mutations::spill_chunk(uint64_t chunk) const {
  for (const program::SpillPlan& plan : host_->schedule()->spills) {
    const uint64_t count = uint64_t{plan.images} * plan.chunks_per_image;
    if (chunk < plan.first_chunk || chunk >= plan.first_chunk + count) continue;
    const uint64_t begin = (chunk - plan.first_chunk) % plan.chunks_per_image;
    const uint64_t bytes =
        std::min<uint64_t>(program::kPieceBytes, plan.image_bytes - begin * program::kPieceBytes);
    return {chunk * store::kSpillChunkBytes, bytes + crypto::kTagBytes};
  }
  return {chunk * store::kSpillChunkBytes, store::kSpillChunkBytes};
}

void Mutations::spoil_spill() {
  const ByteSpan area = host_->part(host_->regions().spill);
  const uint64_t chunks = host_->schedule()->spill_chunks;
  const wire::Range one = spill_chunk(pick(chunks));
  const wire::Range two = spill_chunk(pick(chunks));
  const ByteSpan chunk = area.subspan(one.offset, one.bytes);
  const ByteSpan other = area.subspan(two.offset, std::min(one.bytes, two.bytes));
  switch (pick(8)) {
    case 0:
    case 1:  // rolled back: one, or all
      if (old_spill_.empty()) {
        chunk[0] ^= std::byte{1};
      } else if (pick(4) == 0) {
        std::ranges::copy(old_spill_, area.begin());
      } else {
        std::copy_n(old_spill_.begin() + static_cast<ptrdiff_t>(one.offset), one.bytes,
                    chunk.begin());
      }
      break;
    case 2: std::swap_ranges(other.begin(), other.end(), chunk.begin()); break;
    case 3:
      std::ranges::copy(std::vector<std::byte>(other.begin(), other.end()), chunk.begin());
      break;
    case 4:  // the tag
      chunk[chunk.size() - 1 - pick(crypto::kTagBytes)] ^= static_cast<std::byte>(1U << pick(8));
      break;
    case 5: chunk[pick(chunk.size())] ^= static_cast<std::byte>(1U << pick(8)); break;
    default: spoil_bytes(chunk); break;
  }
}

// What an owner who is not ours, or not careful, would seal.
Message Mutations::seal_otherwise() {
  store::StoreHeader header = sample_.header();
  const ByteSpan head(reinterpret_cast<std::byte*>(&header), sizeof(header));
  std::vector<std::byte> encoded = sample_.encoded();
  const bool is_packaged = way_ == Host::Way::package;
  store::PackageContext context = host_->package_context();
  const auto seal = [&](bool is_id_right) {
    std::vector<std::byte> plain(head.begin(), head.end());
    plain.insert(plain.end(), encoded.begin(), encoded.end());
    if (is_packaged) return host_->seal_packaged(plain, context);
    const wire::ProgramId id = is_id_right ? crypto::sha256(encoded).value() : sample_.id();
    return host_->seal_plain(plain, id);
  };
  switch (pick(4)) {
    case 0:  // id, secret or version of the store
      head[pick(head.size())] ^= static_cast<std::byte>(1U << pick(8));
      return seal(true);
    case 1: {  // too short for a header, or for a program
      const std::vector<std::byte> plain(pick(2 * sizeof(header)));
      return is_packaged ? host_->seal_packaged(plain, context)
                         : host_->seal_plain(plain, sample_.id());
    }
    case 2: {
      if (!is_packaged) {  // the name of another program
        encoded[pick(encoded.size())] ^= static_cast<std::byte>(1U << pick(8));
        return seal(false);
      }
      if (pick(4) == 0) {  // an older package, which its owner signed when it was new
        --context.version;
        return seal(true);
      }
      // Another part of the package, or of another package, offered as this one.
      const ByteSpan other(reinterpret_cast<std::byte*>(&context),
                           offsetof(store::PackageContext, bytes));
      other[pick(other.size())] ^= static_cast<std::byte>(1U << pick(8));
      std::vector<std::byte> plain(head.begin(), head.end());
      plain.insert(plain.end(), encoded.begin(), encoded.end());
      return host_->seal_packaged(plain, context, host_->package_context());
    }
    default:  // cut, and named as what it is
      encoded.resize(pick(encoded.size()));
      return seal(true);
  }
}

// A message at a time when no honest host would send it.
Message Mutations::stranger() {
  Message message;
  switch (pick(9)) {
    case 0: return Message::of(MessageType::hello);
    case 1: return Message::of(MessageType::ping);
    case 2: return Message::of(MessageType::shutdown);
    case 3: return Message::of(MessageType::open_session, wire::OpenSession{});
    case 4: return load_message_;
    case 5: return last_message_;
    case 6: return host_->close_program();
    case 7: {
      wire::RunSegment request{};
      request.program = host_->id();
      request.slots = {host_->regions().list.offset, (2 + pick(2)) * sizeof(wire::Range)};
      request.segment = static_cast<uint32_t>(pick(3));
      return Message::of(MessageType::run_segment, request);
    }
    default:
      message.type = static_cast<uint32_t>(pick(12));
      for (std::byte& b : message.body) b = static_cast<std::byte>(pick(256));
      return message;
  }
}

}  // namespace taoism::attack
