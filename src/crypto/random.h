// The random source: the provider's generator, seeded by the operating system or the processor.
// Trusted. Thread-safety: safe from any thread.
#pragma once

#include "base/bytes.h"
#include "base/status.h"

namespace taoism::crypto {

// Errors: internal (no entropy); `out` must not be used then.
Status random_bytes(ByteSpan out);

// Numbers that are secrets: a factor, a mask. There is no seed to give it and no copy to be had of
// it, and what takes a SecretRandom takes no other generator (tests/attack/secret_misuse.cc).
class SecretRandom {
 public:
  SecretRandom() = default;
  SecretRandom(const SecretRandom&) = delete;
  SecretRandom& operator=(const SecretRandom&) = delete;

  // Uniform in [0, 1), a multiple of 2^-24. Errors: as random_bytes.
  Result<float> unit();
};

}  // namespace taoism::crypto
