// The key file of a model's owner, and the parts of a package file (.tao) that are sealed under its
// secret: a part opens only as what it was sealed as, in the package, version and place that its
// context names, beside the manifest whose digest it carries. Trusted. Thread-safety: values,
// free functions.
#pragma once

#include <string_view>
#include <type_traits>

#include "crypto/chunk_cipher.h"
#include "store/owners.h"

namespace taoism::store {

// What a TEE is given to open an owner's packages with.
struct PackageKey {
  crypto::StoreSecret secret;
  // The last version that was given to a package under this key; 0: none.
  uint64_t last_version = 0;
  // Packages of an older version are not opened: roll-back protection that the owner, and nobody
  // who merely has the package, moves on.
  uint64_t least_version = 0;
  Owners owners;  // whose signature a package must have
};

// A key file, lines of text: "taoism key 2", the secret, the versions, the owners, and a MAC of all
// that under the secret (docs/formats/tao.md).
inline constexpr size_t kMaxKeyFileBytes = 4096;
inline constexpr std::string_view kKeyFileBegin = "taoism key ";  // of every version
// Whether a file that begins so is a key's, which nothing publishes or writes over: a key file of
// any version, or PEM, such as an owner's pair, with text before it too.
inline constexpr size_t kKeyBeginBytes = 4096;
bool begins_as_key(ConstByteSpan begin);
// Errors: invalid_argument (no key file), unsupported (an older one), integrity (its MAC is wrong:
// changed by something other than this function's fellow).
Result<PackageKey> parse_key(ConstByteSpan text);
// Writes the file's text to `text` and returns its size. Errors: internal (the crypto provider).
Result<size_t> format_key(const PackageKey& key, std::span<std::byte, kMaxKeyFileBytes> text);

// A name for what must not be recognised without the key: HMAC-SHA-256 of `what`.
Result<crypto::Digest> keyed_name(const PackageKey& key, std::string_view what);

// The additional data of a sealed part.
struct PackageContext {
  crypto::StoreId package{};  // fresh for every package: the salt of its keys
  uint64_t version = 0;
  crypto::Digest manifest{};  // SHA-256 of the package's manifest
  uint32_t part = 0;          // PartKind (package_head.h)
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
