// The key of a model's owner, and the parts of a package file (.tao) that are sealed under it: a
// part opens only as what it was sealed as, in the package, version and place that its context
// names, beside the public part whose digest it carries. Trusted. Thread-safety: values, free
// functions.
#pragma once

#include <type_traits>

#include "crypto/chunk_cipher.h"
#include "crypto/hash.h"

namespace taoism::store {

struct PackageKey {
  crypto::StoreSecret secret;
  // Packages of an older version are not opened: roll-back protection that the owner, and nobody
  // who merely has the package, moves on.
  uint64_t least_version = 0;
};

// A key file: "taoism key 1", 64 hexadecimal digits, the least version in decimal; a line each.
inline constexpr size_t kMaxKeyFileBytes = 128;
// Errors: invalid_argument.
Result<PackageKey> parse_key(ConstByteSpan text);
// Writes the file's text to `text` and returns its size.
size_t format_key(const PackageKey& key, std::span<std::byte, kMaxKeyFileBytes> text);

enum class PackagePart : uint32_t { program = 1, plan = 2 };

// The additional data of a sealed part.
struct PackageContext {
  crypto::StoreId package{};  // fresh for every package: the salt of its keys
  uint64_t version = 0;
  crypto::Digest manifest{};  // SHA-256 of the file's header and public part
  uint32_t part = 0;          // PackagePart
  uint32_t index = 0;         // among the parts of its kind
  uint64_t bytes = 0;         // of the plaintext
};
static_assert(sizeof(PackageContext) == 72 && std::is_trivially_copyable_v<PackageContext>);

// Ciphertext and tag; `untrusted_sealed` has context.bytes + kTagBytes. A context seals once.
Status seal_part(const PackageKey& key, const PackageContext& context, ConstByteSpan plain,
                 ByteSpan untrusted_sealed);
// Errors: integrity; `plain` is wiped.
Status open_part(const PackageKey& key, const PackageContext& context,
                 ConstByteSpan untrusted_sealed, ByteSpan plain);

}  // namespace taoism::store
