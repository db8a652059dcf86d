// A program out of a package file, as its owner signed and sealed it. The TEE reads the file
// itself: nothing that a host says of it counts. Trusted. Thread-safety: a free function.
#pragma once

#include <optional>

#include "store/package_head.h"
#include "trusted/answer.h"
#include "wire/message.h"

namespace taoism::trusted {

// What the signed head says of a program.
struct MustHave {
  uint32_t segments = 0;
  uint32_t weights = 0;
};

struct PackagedProgram {
  wire::ProgramId id{};               // made of what the host has
  crypto::Digest package{};           // of what is signed
  std::optional<SecretBuffer> plain;  // a StoreHeader and the encoded program
  wire::Range weights{};              // in the file
  MustHave must_have;
};

// Copies in the head, checks the signature and who signed, then version and digests of what is
// public but for the device's weights, which the TEE does not use; then opens the program. The
// sealed weights are checked piece by piece when they are read. Errors: integrity, policy (older
// than the key accepts).
Answer open_packaged(const store::PackageKey& key, ConstByteSpan untrusted_file, uint32_t index,
                     PackagedProgram& opened);

}  // namespace taoism::trusted
