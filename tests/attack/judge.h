// Judges every answer of a TEE under attack: it must be right, bit for bit what an undisturbed TEE
// with the same memory says to the same inputs, or a typed error; and nothing may be written but
// outputs and the spill area. Failures are reported to GoogleTest.
#pragma once

#include <span>
#include <unordered_map>
#include <vector>

#include "host.h"

namespace taoism::attack {

class Judge {
 public:
  Judge(const Sample& sample, uint64_t budget_bytes);

  // A fresh host takes the place of the one before.
  void forget();
  // Sends. `is_stepped`: something else changes the payload meanwhile, but for the tensors.
  Outcome send(Host& host, const wire::Message& message, bool is_stepped = false);

 private:
  // The list of slots that a run names, when it may be obeyed.
  std::vector<wire::Range> parse_slots(Host& host, const wire::Message& message) const;
  void check_refusal(Host& host, const Outcome& outcome);
  void check_run(Host& host, uint32_t segment, std::span<const wire::Range> slots,
                 const Outcome& outcome);
  // By output.
  const std::vector<Floats>& expected(uint32_t segment, const Floats& y);

  const Sample& sample_;
  Host oracle_;
  std::unordered_map<size_t, std::vector<Floats>> known_;
  std::vector<std::byte> before_;
  // Of the host that is judged: the input of segment 0, if it ran and if that input lay where it
  // stayed what it was; and where the spill area is.
  Floats x_;
  bool has_x_ = false;
  bool knows_x_ = false;
  wire::Range spill_{};
};

}  // namespace taoism::attack
