// The entry points of a TEE image that is loaded as a library. They are fixed: features add message
// types. `serve` is the image's main loop where it has a thread of its own (a worker process).
#pragma once

#include "wire/message.h"
#include "wire/ring.h"

namespace taoism::wire {

inline constexpr char kInitSymbol[] = "taoism_tee_init";
inline constexpr char kCallSymbol[] = "taoism_tee_call";
inline constexpr char kCloseSymbol[] = "taoism_tee_close";

// Returns null and sets `code` and `text` of the reply on failure.
using InitFunction = void* (*)(const Config* config, Reply* reply);
using CallFunction = void (*)(void* image, const Message* message, std::byte* payload,
                              uint64_t payload_bytes, Reply* reply);
using CloseFunction = void (*)(void* image);

}  // namespace taoism::wire
