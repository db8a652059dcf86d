// The trusted image: init (the constructor), call, serve. All that a host can do to a TEE goes
// through these; features add message types. After an answer of integrity or policy the session is
// dead and every later call gets the same answer. Trusted.
// Thread-safety: one thread at a time.
#pragma once

#include <memory>
#include <vector>

#include "base/parallel.h"
#include "trusted/answer.h"
#include "trusted/arena.h"
#include "trusted/key_source.h"
#include "trusted/limits.h"
#include "trusted/loaded_program.h"
#include "trusted/session.h"
#include "wire/message.h"
#include "wire/ring.h"

namespace taoism::trusted {

inline constexpr size_t kMaxPrograms = 16;

class Image {
 public:
  // `memory` is the arena: its size is the budget. All outlive the image; without `keys` no
  // packaged program can be loaded, and where they have a key no other.
  Image(ByteSpan memory, Parallel& parallel, const KeySource* keys = nullptr);

  // Answers one message. `untrusted_payload` is shared with the host, who may change it at any
  // time. Does not allocate for a run_segment or a ping; after all else, and what ends the session,
  // the stacks of all threads hold nothing of what was done.
  void call(const wire::Message& untrusted_message, ByteSpan untrusted_payload,
            wire::Reply& untrusted_reply);

  // Answers the ring's messages until shutdown, or until the session is dead: what private data is
  // left then, on stacks too, is gone when the caller ends the process. Spins for spin_ns after
  // each, then sleeps.
  void serve(wire::Ring& untrusted_ring, ByteSpan untrusted_payload, uint64_t spin_ns);

 private:
  class PayloadExchange;

  // All of call() but the wiping: what it leaves on the stack lies below its caller.
  [[gnu::noinline]] Answer answer(const wire::Message& message, ByteSpan untrusted_payload,
                                  wire::Reply& untrusted_reply);
  void end_session(const Answer& answer);
  const store::PackageKey* package_key() const;
  wire::SessionTerms terms() const;
  Answer dispatch(const wire::Message& message, ByteSpan payload, wire::Reply& reply);
  Answer hello(wire::Reply& reply) const;
  Answer open_session(const wire::OpenSession& request, ByteSpan payload, wire::Reply& reply);
  Answer give_evidence(const wire::Range& room, ByteSpan payload, wire::OpenSessionReply& body);
  Answer load_program(const wire::LoadProgram& request, ByteSpan payload, wire::Reply& reply);
  Answer check_outside(const Outside& outside, ByteSpan payload) const;
  Answer load_packaged(const wire::LoadPackaged& request, ByteSpan payload, wire::Reply& reply);
  // Schedules an authentic program and gives it its memory.
  Answer install(const wire::ProgramId& id, const store::StoreHeader& header,
                 program::Program program, const Outside& outside, ByteSpan payload,
                 wire::Reply& reply);
  Answer run_segment(const wire::RunSegment& request, ByteSpan payload, wire::Reply& reply);
  Answer copy_slots(const wire::RunSegment& request, const LoadedProgram& program,
                    ByteSpan payload);
  Answer close_program(const wire::CloseProgram& request);
  LoadedProgram* find(const wire::ProgramId& id);

  Parallel& parallel_;
  const KeySource* keys_;
  Arena arena_;
  Session session_;
  std::vector<std::unique_ptr<LoadedProgram>> programs_;
  std::vector<wire::Range> slots_;  // room for the largest segment, made when a program is loaded
  Answer dead_;
};

}  // namespace taoism::trusted
