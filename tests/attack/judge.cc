#include "judge.h"

#include <algorithm>
#include <string_view>

#include <gtest/gtest.h>

namespace taoism::attack {
namespace {

using wire::Message;
using wire::MessageType;

bool overlap(const wire::Range& a, const wire::Range& b) {
  return a.bytes != 0 && b.bytes != 0 && a.offset < b.offset + b.bytes &&
         b.offset < a.offset + a.bytes;
}

bool is_type(const Message& message, MessageType type) {
  return message.type == static_cast<uint32_t>(type);
}

size_t hash_of(const Floats& values) {
  return std::hash<std::string_view>()(
      {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
}

}  // namespace

Judge::Judge(const Sample& sample, uint64_t budget_bytes)
    : sample_(sample), oracle_(sample, budget_bytes) {
  oracle_.load_everything();
  forget();
}

void Judge::forget() {
  has_x_ = false;
  knows_x_ = false;
  spill_ = oracle_.regions().spill;
}

std::vector<wire::Range> Judge::parse_slots(Host& host, const Message& message) const {
  const auto request = message.as<wire::RunSegment>();
  const uint64_t payload = host.payload().size();
  const auto lies_within = [&](const wire::Range& range) {
    return range.offset <= payload && range.bytes <= payload - range.offset;
  };
  if (!is_type(message, MessageType::run_segment) || request.program != host.id() ||
      request.segment >= sample_.program().segments.size() || !lies_within(request.slots)) {
    return {};
  }
  const program::Segment& segment = sample_.program().segments[request.segment];
  std::vector<program::SlotId> ids = segment.inputs;
  ids.insert(ids.end(), segment.outputs.begin(), segment.outputs.end());
  std::vector<wire::Range> slots(ids.size());
  if (request.slots.bytes != slots.size() * sizeof(wire::Range)) return {};
  std::memcpy(slots.data(), host.part(request.slots).data(), request.slots.bytes);
  for (size_t i = 0; i < slots.size(); ++i) {
    if (!lies_within(slots[i]) || slots[i].bytes != sample_.program().slots[ids[i]].desc.bytes()) {
      return {};
    }
  }
  return slots;
}

Outcome Judge::send(Host& host, const Message& message, bool is_stepped) {
  before_.assign(host.payload().begin(), host.payload().end());
  const std::vector<wire::Range> slots = parse_slots(host, message);
  const Outcome outcome = host.send(message);
  EXPECT_TRUE(outcome.code == Code::ok || outcome.code == Code::policy ||
              outcome.code == Code::integrity || outcome.code == Code::resource_exhausted)
      << wire::text(outcome.text);
  EXPECT_TRUE(host.guards_hold());
  EXPECT_LE(host.reply().peak_arena_bytes, host.arena().size());
  if (outcome.code != Code::ok) check_refusal(host, outcome);
  if (!slots.empty()) check_run(host, message.as<wire::RunSegment>().segment, slots, outcome);
  if (outcome.code == Code::ok && is_type(message, MessageType::load_program)) {
    spill_ = message.as<wire::LoadProgram>().spill;
  }
  if (outcome.code == Code::ok && is_type(message, MessageType::load_packaged)) {
    spill_ = message.as<wire::LoadPackaged>().spill;
  }

  // Outputs and spilled chunks may be written; then nothing is left that may differ.
  for (size_t i = 0; i <= slots.size(); ++i) {
    if (i == 0 && !slots.empty()) continue;  // the input
    const wire::Range& range = i == slots.size() ? spill_ : slots[i];
    const ByteSpan now = host.part(range);
    std::copy(now.begin(), now.end(), before_.begin() + static_cast<ptrdiff_t>(range.offset));
  }
  const wire::Range whole{0, host.payload().size()};
  const wire::Range& quiet = is_stepped ? host.regions().tensors : whole;
  EXPECT_EQ(std::memcmp(host.part(quiet).data(), before_.data() + quiet.offset, quiet.bytes), 0)
      << "something was written outside the outputs";
  return outcome;
}

void Judge::check_refusal(Host& host, const Outcome& outcome) {
  const wire::Reply reply = host.reply();
  wire::Reply bare;
  bare.code = reply.code;
  bare.text = reply.text;
  bare.peak_arena_bytes = reply.peak_arena_bytes;
  bare.tag = reply.tag;
  EXPECT_EQ(std::memcmp(&reply, &bare, sizeof(reply)), 0) << "a refusal says more than it must";
  const Outcome after = host.send(Message::of(MessageType::ping));
  const bool is_fatal = outcome.code == Code::integrity || outcome.code == Code::policy;
  EXPECT_EQ(after, is_fatal ? outcome : Outcome());
}

void Judge::check_run(Host& host, uint32_t segment, std::span<const wire::Range> slots,
                      const Outcome& outcome) {
  const bool is_ok = outcome.code == Code::ok;
  // Tensors in the host's own spill area change under its hands: nothing can be said of them.
  const bool is_lost =
      std::ranges::any_of(slots, [&](const wire::Range& s) { return overlap(s, spill_); });
  Floats input(slots[0].bytes / sizeof(float));
  std::memcpy(input.data(), before_.data() + slots[0].offset, slots[0].bytes);
  if (segment == 0) {
    // What a refusal leaves in the outputs must be of this run as well.
    x_ = input;
    has_x_ = true;
    knows_x_ = !is_lost;
  }
  EXPECT_TRUE(has_x_ || !is_ok) << "segment 1 ran without segment 0";
  if (is_lost || (has_x_ && !knows_x_)) return;
  const std::vector<Floats>* want = knows_x_ ? &expected(segment, input) : nullptr;
  for (size_t o = 0; o + 1 < slots.size(); ++o) {
    const std::byte* now = host.part(slots[1 + o]).data();
    const std::byte* earlier = before_.data() + slots[1 + o].offset;
    const auto* right =
        want != nullptr ? reinterpret_cast<const std::byte*>((*want)[o].data()) : earlier;
    for (size_t at = 0; at < slots[1 + o].bytes; at += sizeof(float)) {
      const bool is_right = std::memcmp(now + at, right + at, sizeof(float)) == 0;
      const bool is_untouched = std::memcmp(now + at, earlier + at, sizeof(float)) == 0;
      ASSERT_TRUE(is_right || (is_untouched && !is_ok))
          << "a wrong answer: segment " << segment << ", output " << o << ", byte " << at;
    }
  }
}

const std::vector<Floats>& Judge::expected(uint32_t segment, const Floats& y) {
  const size_t key = segment == 0 ? hash_of(x_) : hash_of(x_) * 31 + hash_of(y) + 1;
  if (known_.size() > 64) known_.clear();
  const auto [found, is_new] = known_.try_emplace(key);
  if (is_new) {
    TAOISM_CHECK(oracle_.send(oracle_.run_message(0, x_)).code == Code::ok);
    if (segment != 0) TAOISM_CHECK(oracle_.send(oracle_.run_message(1, y)).code == Code::ok);
    for (size_t o = 0; o < sample_.program().segments[segment].outputs.size(); ++o) {
      found->second.push_back(oracle_.output(o));
    }
  }
  return found->second;
}

}  // namespace taoism::attack
