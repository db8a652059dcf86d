// Random attacks, each from a seed: one thing is spoiled at one step of a session (a message, the
// list of slots, the sealed program, a weight's chunk, a spilled chunk; before, between or while a
// segment runs), the host goes on as if nothing had happened, and a Judge looks at the answers.
#pragma once

#include <random>
#include <unordered_set>

#include "judge.h"

namespace taoism::attack {

class Mutations {
 public:
  Mutations(const Sample& sample, uint64_t budget_bytes);

  // One attack. Gives the first answer that was not ok, or else ok: every answer was right.
  Outcome attack(uint64_t seed);
  // How many of the attacks so far were different ones.
  size_t distinct() const { return seen_.size(); }

 private:
  enum class When : uint8_t { before, during_first, between, during_second };

  // A number below `bound`: part of what makes the attack the one it is.
  uint64_t pick(uint64_t bound);

  void start_host();
  Outcome load_host();
  Outcome run_pair();
  Outcome attack_load();
  Outcome attack_run();
  Outcome send(const wire::Message& message);

  // Each spoils one thing, and changes at least a bit of it.
  void spoil_message(wire::Message& message);
  void spoil_word(ByteSpan bytes);
  void spoil_bytes(ByteSpan bytes);
  void spoil_list();
  void spoil_weights();
  void spoil_spill();
  void spoil_memory(uint64_t what);
  wire::Message seal_otherwise();
  wire::Message stranger();
  wire::Range spill_chunk(uint64_t chunk) const;

  const Sample& sample_;
  const uint64_t budget_bytes_;
  const bool spills_;
  // The same weights in another store, and in the same one under another version.
  const std::vector<std::byte> other_store_, other_version_;
  std::vector<wire::Range> pieces_;  // in the store
  Judge judge_;
  SteppedParallel parallel_;
  std::unique_ptr<Host> host_;
  Host::Way way_ = Host::Way::session;  // of the program that host_ has
  wire::Message load_message_;
  wire::Message last_message_;
  std::vector<std::byte> old_spill_;  // of an earlier run of this host; empty: there was none
  std::mt19937_64 random_;
  uint64_t description_ = 0;
  std::unordered_set<uint64_t> seen_;
  uint64_t ticks_[2] = {};
  Floats inputs_[2][4];
};

}  // namespace taoism::attack
