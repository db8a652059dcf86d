// The random source: the provider's generator, seeded by the operating system or the processor.
// Trusted. Thread-safety: safe from any thread.
#pragma once

#include "base/bytes.h"
#include "base/status.h"

namespace taoism::crypto {

// Errors: internal (no entropy); `out` must not be used then.
Status random_bytes(ByteSpan out);

}  // namespace taoism::crypto
