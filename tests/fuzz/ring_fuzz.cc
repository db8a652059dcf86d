// A hostile host without the session's key, or with it: messages of any bytes, good ones altered,
// payloads that change in between, by call and by ring. Every answer is of a known kind, a dead
// session stays dead, and nothing is written outside payload and arena.
#include <algorithm>

#include "host.h"
#include "reader.h"

namespace taoism::fuzz {
namespace {

using attack::Host;
using wire::Message;

class Session {
 public:
  explicit Session(bool is_loaded) : host_(attack::small_sample()) {
    if (is_loaded) host_.load_everything();
    is_loaded_ = is_loaded;
  }

  void step(Reader& reader) {
    switch (reader.below(9)) {
      case 0: return send(reader.value<Message>());
      case 1: {  // any body under a good head
        const auto type = static_cast<wire::MessageType>(1 + reader.below(8));
        const auto body = reader.value<std::array<std::byte, wire::kMessageBodyBytes>>();
        return send(Message::of(type, body));
      }
      case 2: {
        const ByteSpan payload = host_.payload();
        const ConstByteSpan bytes = reader.take(reader.below(64));
        const size_t at = reader.below(payload.size() - bytes.size());
        std::ranges::copy(bytes, payload.begin() + static_cast<ptrdiff_t>(at));
        return;
      }
      case 3: return send(altered(host_.close_program(), reader));
      case 4: {
        const auto segment = static_cast<uint32_t>(reader.below(2));
        const Message message = host_.run_message(segment, host_.sample().input(segment, 1));
        alter(host_.part(host_.regions().list), reader);
        return send(altered(message, reader));
      }
      case 5: return is_loaded_ ? send(altered(host_.seal_program(), reader)) : open(reader);
      case 6: return is_loaded_ ? send(sealed_bytes(reader)) : open(reader);
      case 7: return host_.put_weights();
      default: return serve(reader);
    }
  }

 private:
  static void alter(ByteSpan area, Reader& reader) {
    const ConstByteSpan bytes = reader.take(reader.below(16));
    if (bytes.empty()) return;
    const size_t at = reader.below(area.size() - bytes.size() + 1);
    std::ranges::copy(bytes, area.begin() + static_cast<ptrdiff_t>(at));
  }
  static Message altered(Message message, Reader& reader) {
    alter({reinterpret_cast<std::byte*>(&message), sizeof(message)}, reader);
    return message;
  }

  Message sealed_bytes(Reader& reader) {
    const ConstByteSpan plain = reader.take(reader.below(host_.regions().sealed.bytes - 16));
    return host_.seal_plain(plain, host_.id());
  }

  void open(Reader& reader) {
    if (is_dead_ || reader.below(2) == 0) return send(Message::of(wire::MessageType::hello));
    is_loaded_ = host_.open_session().code == Code::ok;
    is_dead_ = !is_loaded_;
  }

  void send(const Message& message) {
    const attack::Outcome outcome = host_.send(message);
    check(outcome, host_.reply());
  }

  void check(const attack::Outcome& outcome, const wire::Reply& reply) {
    TAOISM_CHECK(reply.text < wire::kTextCount && reply.peak_arena_bytes <= host_.arena().size());
    TAOISM_CHECK((outcome.code == Code::ok) == (outcome.text == wire::Text::none));
    if (outcome.code != Code::ok) TAOISM_CHECK(reply.body == wire::Reply().body);
    if (is_dead_) TAOISM_CHECK(outcome.code == Code::integrity || outcome.code == Code::policy);
    is_dead_ = outcome.code == Code::integrity || outcome.code == Code::policy;
    TAOISM_CHECK(host_.guards_hold());
  }

  // A ring of messages that ends with shutdown.
  void serve(Reader& reader) {
    wire::Ring ring;
    ring.submitted = wire::kRingEntries;
    ring.host_sleeping = static_cast<uint32_t>(reader.below(2));
    for (Message& message : ring.submissions) message = reader.value<Message>();
    ring.submissions[wire::kRingEntries - 1] = Message::of(wire::MessageType::shutdown);
    host_.image().serve(ring, host_.payload(), 0);
    for (uint32_t i = 0; i < ring.completed; ++i) {
      const wire::Reply& reply = ring.completions[i];
      if (is_loaded_ && wire::is_tagged(ring.submissions[i])) {
        TAOISM_CHECK(host_.is_authentic(ring.submissions[i], reply));
      }
      check({static_cast<Code>(reply.code), static_cast<wire::Text>(reply.text)}, reply);
    }
  }

  Host host_;
  bool is_loaded_ = false;  // has keys
  bool is_dead_ = false;
};

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Reader reader(data, size);
  Session session(reader.value<uint8_t>() % 4 != 0);
  for (int steps = 0; steps < 32 && !reader.is_empty(); ++steps) session.step(reader);
  return 0;
}

}  // namespace taoism::fuzz
