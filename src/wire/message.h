// Messages to a TEE and its replies: plain data of fixed layout, copied whole. What lies in the
// payload area (sealed bytes, lists of slots, tensors) is named by offset and length. Trusted.
// Thread-safety: values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace taoism::wire {

inline constexpr uint32_t kProtocolVersion = 5;

enum class MessageType : uint32_t {
  hello = 1,
  open_session,
  load_program,
  run_segment,
  ping,  // an empty call
  close_program,
  shutdown,  // the last message that serve() answers
  load_packaged,
};

// The SHA-256 of a program's encoded bytes.
using ProgramId = std::array<std::byte, 32>;

// Part of the payload area.
struct Range {
  uint64_t offset;
  uint64_t bytes;
};

// `evidence` is room for what proves what the TEE is, kMaxEvidenceBytes to be sure; no bytes: none
// is wanted.
struct OpenSession {
  std::array<std::byte, 65> host_public_key;
  std::array<std::byte, 7> unused;
  Range evidence;
};

// What a TEE was started with, as each end believes it: both put it into the session's keys, which
// are the same only when all of it is.
struct SessionTerms {
  uint32_t version = kProtocolVersion;
  uint32_t threads = 0;
  uint64_t budget_bytes = 0;
  uint32_t kernel_target = 0;  // kernels/target.h
  uint32_t holds_key = 0;      // 1: of packages, and then it takes nothing else
};

// How evidence is to be read. There is no kind yet: a simulated TEE proves nothing.
enum class EvidenceKind : uint32_t { none };
// The most that any kind has (a quote with its certificates).
inline constexpr uint64_t kMaxEvidenceBytes = uint64_t{32} << 10;

// `sealed` holds the ciphertext of a store::StoreHeader and the encoded program, then its tag;
// `sequence` counts the sealed messages of the session. `weights` is the store of sealed weights,
// `spill` the area for activations that do not fit: both stay where they are until the program is
// closed.
struct LoadProgram {
  ProgramId program;
  Range sealed;
  uint64_t sequence;
  Range weights;
  Range spill;
};

// A program from a package file: `file` is where all of it lies, `index` the program's number in
// it. What it says and where its parts are, the TEE reads and checks itself. `spill` as in
// LoadProgram.
struct LoadPackaged {
  Range file;
  Range spill;
  uint32_t index;
  uint32_t unused;
};

// `slots` holds one Range per input and then one per output of the segment.
struct RunSegment {
  ProgramId program;
  Range slots;
  uint32_t segment;
  uint32_t unused;
};

struct CloseProgram {
  ProgramId program;
};

inline constexpr size_t kMessageBodyBytes = 112;
inline constexpr size_t kReplyBodyBytes = 128;
inline constexpr size_t kReplyTagBytes = 16;

struct Message {
  uint32_t version = kProtocolVersion;
  uint32_t type = 0;
  uint64_t unused = 0;
  std::array<std::byte, kMessageBodyBytes> body{};

  template <typename Body>
  static Message of(MessageType type, const Body& body) {
    static_assert(sizeof(Body) <= kMessageBodyBytes && std::is_trivially_copyable_v<Body>);
    Message message;
    message.type = static_cast<uint32_t>(type);
    std::memcpy(message.body.data(), &body, sizeof(Body));
    return message;
  }
  static Message of(MessageType type) {
    Message message;
    message.type = static_cast<uint32_t>(type);
    return message;
  }
  template <typename Body>
  Body as() const {
    static_assert(sizeof(Body) <= kMessageBodyBytes && std::is_trivially_copyable_v<Body>);
    Body value;
    std::memcpy(&value, body.data(), sizeof(Body));
    return value;
  }
};

struct HelloReply {
  uint32_t version;
  uint32_t threads;
  uint64_t budget_bytes;
  uint32_t evidence_kind;    // EvidenceKind: what it can prove of itself
  uint32_t has_sealing_key;  // 1: it can seal for itself alone
};

// `evidence_bytes` lie in the room that was asked for. They are bound to the session's transcript
// (crypto::session_transcript), and this reply to them.
struct OpenSessionReply {
  std::array<std::byte, 64> tee_public_key_xy;  // the point without its leading 0x04
  uint64_t evidence_bytes;
  uint32_t evidence_kind;
  uint32_t unused;
  std::array<std::byte, 32> evidence_sha256;
};

// What load_packaged answers: the name under which the program runs, and the SHA-256 of what the
// package's owner signed.
struct LoadPackagedReply {
  ProgramId program;
  std::array<std::byte, 32> package;
};

struct Reply {
  uint32_t code = 0;  // taoism::Code
  uint32_t text = 0;  // wire::Text
  uint64_t compute_ns = 0;
  uint64_t transfer_ns = 0;
  uint64_t crypto_ns = 0;
  uint64_t peak_arena_bytes = 0;
  uint64_t needed_bytes = 0;  // with arena_too_small: the least budget that would do
  std::array<std::byte, kReplyBodyBytes> body{};
  // In a session, of every reply that is_tagged(): see AuthenticReply.
  std::array<std::byte, kReplyTagBytes> tag{};

  template <typename Body>
  void set_body(const Body& value) {
    static_assert(sizeof(Body) <= kReplyBodyBytes && std::is_trivially_copyable_v<Body>);
    std::memcpy(body.data(), &value, sizeof(Body));
  }
  template <typename Body>
  Body as() const {
    static_assert(sizeof(Body) <= kReplyBodyBytes && std::is_trivially_copyable_v<Body>);
    Body value;
    std::memcpy(&value, body.data(), sizeof(Body));
    return value;
  }
};

// A ping says nothing that could be forged; every other reply in a session has a tag.
inline bool is_tagged(const Message& message) {
  return message.type != static_cast<uint32_t>(MessageType::ping);
}

// What a reply's tag authenticates: the message that the TEE has taken and its reply, whose tag is
// zero here. The key is the TEE's of the session, the nonce counts replies; that to open_session is
// the first, and shows that both ends have the same keys.
struct AuthenticReply {
  Message message;
  Reply reply;
};

// The additional data that a sealed program is bound to. The direction is in the key, the sequence
// in the nonce and here.
struct SealedContext {
  uint32_t version = kProtocolVersion;
  uint32_t type = 0;
  ProgramId program{};
  uint64_t sequence = 0;
  uint64_t bytes = 0;  // of the plaintext
};

static_assert(sizeof(Range) == 16);
static_assert(sizeof(OpenSession) == 88 && offsetof(OpenSession, evidence) == 72);
static_assert(sizeof(SessionTerms) == 24 && sizeof(LoadProgram) == 88);
static_assert(sizeof(LoadPackaged) == 40 && sizeof(LoadPackagedReply) == 64);
static_assert(sizeof(RunSegment) == 56 && offsetof(RunSegment, segment) == 48);
static_assert(sizeof(CloseProgram) == 32 && sizeof(HelloReply) == 24);
static_assert(sizeof(OpenSessionReply) == 112);
static_assert(sizeof(Message) == 128 && offsetof(Message, body) == 16);
static_assert(sizeof(Reply) == 192 && offsetof(Reply, body) == 48 && offsetof(Reply, tag) == 176);
static_assert(sizeof(AuthenticReply) == sizeof(Message) + sizeof(Reply));
static_assert(sizeof(SealedContext) == 56);
static_assert(std::is_trivially_copyable_v<Message> && std::is_trivially_copyable_v<Reply>);

}  // namespace taoism::wire
