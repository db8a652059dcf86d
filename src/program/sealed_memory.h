// SealedMemory: what a program keeps outside the memory it runs in. Trusted.
// Thread-safety: calls for different pieces or chunks may come from `threads` threads at once, each
// with a number of its own.
#pragma once

#include "program/program.h"

namespace taoism::program {

class SealedMemory {
 public:
  // Fills `to` with a piece of a packed weight. False when it is not what was sealed; `to` is wiped
  // then, and the run must end.
  virtual bool open_weight(WeightId weight, uint32_t piece, ByteSpan to, size_t thread) = 0;
  // Puts a chunk of a tensor outside, and gets back what was put there last. `chunk` counts over
  // all spilled slots of the schedule. False as above.
  virtual bool spill(uint64_t chunk, ConstByteSpan from, size_t thread) = 0;
  virtual bool fetch(uint64_t chunk, ByteSpan to, size_t thread) = 0;

 protected:
  ~SealedMemory() = default;
};

}  // namespace taoism::program
