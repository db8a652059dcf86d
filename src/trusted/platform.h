// All that trusted code asks of the system it runs on. Every TEE image implements these four.
// Trusted. Thread-safety: safe from any thread.
#pragma once

#include <cstdint>

namespace taoism::platform {

// For measurements alone: inside a TEE time comes from outside.
uint64_t monotonic_ns();
// Tells the processor that this is a spinning loop.
void pause();
// Sleeps while *word == expected; may return early, so callers look again. `shared`: another
// process wakes.
void futex_wait(uint32_t* word, uint32_t expected, bool shared);
void futex_wake(uint32_t* word, uint32_t count, bool shared);

}  // namespace taoism::platform
