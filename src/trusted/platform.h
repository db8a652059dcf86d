// All that trusted code asks of the system it runs on. Every TEE image implements these. A system
// that can prove what it runs, or seal, has a way of its own to do it; the protocol is the same.
// Trusted. Thread-safety: safe from any thread.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "wire/message.h"

namespace taoism::platform {

// For measurements alone: inside a TEE time comes from outside.
uint64_t monotonic_ns();
// Tells the processor that this is a spinning loop.
void pause();
// Sleeps while *word == expected; may return early, so callers look again. `shared`: another
// process wakes.
void futex_wait(uint32_t* word, uint32_t expected, bool shared);
void futex_wake(uint32_t* word, uint32_t count, bool shared);

// What somebody far away can verify of what runs here (a quote); none where the system has no such
// thing.
wire::EvidenceKind evidence_kind();
inline constexpr size_t kReportDataBytes = 64;
// Writes evidence that is bound to `report_data` to the start of `out`, which has
// wire::kMaxEvidenceBytes, and returns its length: 0 where there is none.
uint64_t report(std::span<const std::byte, kReportDataBytes> report_data, ByteSpan out);

inline constexpr size_t kSealingKeyBytes = 32;
// A key that this image gets on this machine, and no other image does, for what it wants to find
// again after a restart. False where the system has none.
bool sealing_key(std::span<std::byte, kSealingKeyBytes> out);

}  // namespace taoism::platform
