// RunProfile: where the time of one run went. The phases add up to the end-to-end time exactly.
// Thread-safety: a value.
#pragma once

#include <cstdint>

namespace taoism::runtime {

struct RunProfile {
  uint64_t end_to_end_ns = 0;
  uint64_t tee_compute_ns = 0;  // as the TEE reports it
  uint64_t device_compute_ns = 0;
  uint64_t crypto_ns = 0;
  uint64_t transfer_ns = 0;  // copies across a boundary
  uint64_t wait_ns = 0;      // of calls into the TEE, what the TEE does not report
  uint64_t residual_ns = 0;  // everything else: scheduling, bookkeeping

  void add(const RunProfile& other) {
    end_to_end_ns += other.end_to_end_ns;
    tee_compute_ns += other.tee_compute_ns;
    device_compute_ns += other.device_compute_ns;
    crypto_ns += other.crypto_ns;
    transfer_ns += other.transfer_ns;
    wait_ns += other.wait_ns;
    residual_ns += other.residual_ns;
  }
};

}  // namespace taoism::runtime
