// Trusted. Thread-safety: constants.
#pragma once

#include "program/codec.h"
#include "store/chunk.h"

namespace taoism::trusted {

// A program's encoded bytes, with what is known of its store, may be so many at most.
inline constexpr uint64_t kMaxProgramBytes = program::kMaxEncodedBytes + sizeof(store::StoreHeader);

}  // namespace taoism::trusted
