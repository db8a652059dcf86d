// The bytes of a program (FlatBuffers, schema in program.fbs) and their bounded, verifying reader.
// What decode() accepts has also passed verify(). Trusted.
#pragma once

#include "program/program.h"

namespace taoism::program {

// A TEE takes a program of so many encoded bytes at most: some 80,000 nodes. Known before anything
// is started (runtime::prepare).
inline constexpr uint64_t kMaxEncodedBytes = uint64_t{16} << 20;

std::vector<std::byte> encode(const Program& program);

// Errors: integrity with a static text; never reads outside `bytes`, never trusts a count in it.
Result<Program> decode(ConstByteSpan bytes);

}  // namespace taoism::program
