// The head of a package file (.tao): a header, a table that names every part of the file by its
// part, with the part's digest, and the owner's signature of both. Nothing can be cut out of a
// package, swapped in it or added to it without another signature; what a package must have is in
// the table. Read by hosts and by the TEE, who copies it in before it looks. Trusted.
// Thread-safety: values; const functions from several threads.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "crypto/hash.h"
#include "store/owners.h"
#include "store/package_key.h"

namespace taoism::store {

struct PackageHeader {
  std::array<char, 8> magic = kMagic;
  uint32_t format = kFormat;
  uint32_t parts = 0;  // entries of the table, which follows
  crypto::StoreId package{};
  uint64_t version = 0;
  uint64_t file_bytes = 0;
  std::array<std::byte, 16> unused{};

  // Like a PNG's: a transfer that changes line ends is found out.
  static constexpr std::array<char, 8> kMagic = {'\x89', 'T', 'A', 'O', '\r', '\n', '\x1a', '\n'};
  static constexpr uint32_t kFormat = 3;
};

// In this order in the table and in the file.
enum class PartKind : uint32_t {
  manifest = 1,  // JSON; one
  graph,         // one a batch size
  program,       // sealed, the TEE's; one a batch size
  plan,          // sealed, the owner's; one
  constant,      // a weight of the device's; any number
  weights,       // a store of sealed weights, for one or more programs
};

struct PackagePart {
  uint32_t kind = 0;    // PartKind
  uint32_t index = 0;   // among the parts of its kind
  uint64_t offset = 0;  // in the file, a multiple of kAlignment
  uint64_t bytes = 0;
  uint32_t store = 0;  // of a program: the index of its weights
  uint32_t count = 0;  // of a program: its segments; of a store: its weights
  crypto::Digest sha256{};
};

// Follows the table.
struct PackageSignature {
  crypto::PublicKey signer{};
  crypto::Signature signature{};  // of header and table
  std::array<std::byte, 63> unused{};
};

static_assert(sizeof(PackageHeader) == 64 && sizeof(PackagePart) == 64);
static_assert(sizeof(PackageSignature) == 192 && std::is_trivially_copyable_v<PackageSignature>);
inline constexpr uint32_t kMaxParts = 1 << 16;

class PackageHead {
 public:
  // Copies the head from the file's first bytes, each once, and checks that it is one: the parts
  // are those of a package, a TEE's part among them, and lie one after the other up to its end.
  // Errors: invalid_argument (no package, or one of another format), integrity (no head).
  static Result<PackageHead> read(ConstByteSpan untrusted_file);
  // Of a new package; `parts` in order, without offsets, which are filled in, as is file_bytes.
  static PackageHead lay_out(PackageHeader header, std::vector<PackagePart> parts);
  static size_t bytes_of(size_t parts);

  const PackageHeader& header() const { return header_; }
  std::span<const PackagePart> parts() const { return parts_; }
  uint32_t count(PartKind kind) const;
  // Null: there is none.
  const PackagePart* find(PartKind kind, uint32_t index) const;
  PackagePart& part(PartKind kind, uint32_t index);
  const crypto::PublicKey& signer() const { return signature_.signer; }

  // What seals and opens a part.
  PackageContext context(PartKind kind, uint32_t index) const;

  Status sign(const crypto::SigningKey& owner);
  // SHA-256 of what is signed, when the signature verifies; that says nothing of who the signer is.
  // Errors: integrity.
  Result<crypto::Digest> check_signature() const;
  // As it is in the file.
  std::vector<std::byte> encode() const;

 private:
  bool is_well_formed() const;
  std::vector<std::byte> signed_bytes() const;

  PackageHeader header_;
  std::vector<PackagePart> parts_;
  PackageSignature signature_;
};

}  // namespace taoism::store
