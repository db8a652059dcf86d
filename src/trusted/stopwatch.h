// Adds the time between its construction and its end to a total. Trusted.
// Thread-safety: one thread a total.
#pragma once

#include "trusted/platform.h"

namespace taoism::trusted {

class Stopwatch {
 public:
  explicit Stopwatch(uint64_t& total_ns)
      : total_ns_(total_ns), start_ns_(platform::monotonic_ns()) {}
  ~Stopwatch() { total_ns_ += platform::monotonic_ns() - start_ns_; }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  uint64_t& total_ns_;
  uint64_t start_ns_;
};

}  // namespace taoism::trusted
