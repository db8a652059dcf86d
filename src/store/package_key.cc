#include "store/package_key.h"

#include <charconv>
#include <cstring>
#include <string_view>

#include "base/text.h"

namespace taoism::store {
namespace {

constexpr std::string_view kKeyHeading = "taoism key 1\n";

Result<crypto::ChunkCipher> cipher_of(const PackageKey& key, const PackageContext& context) {
  return crypto::ChunkCipher::create(key.secret, context.package,
                                     context.part == static_cast<uint32_t>(PackagePart::plan)
                                         ? "taoism package plan v1"
                                         : "taoism package program v1");
}

Status no_key() {
  return invalid_argument(
      "not a key file of taoism: three lines, 'taoism key 1', 64 hexadecimal digits, the least "
      "version");
}

}  // namespace

Result<PackageKey> parse_key(ConstByteSpan text) {
  std::string_view left(reinterpret_cast<const char*>(text.data()), text.size());
  if (!left.starts_with(kKeyHeading)) return no_key();
  left.remove_prefix(kKeyHeading.size());
  PackageKey key;
  const std::span<std::byte> secret = key.secret.expose_secret();
  if (left.size() <= 2 * secret.size() || left[2 * secret.size()] != '\n' ||
      !read_hex(left.substr(0, 2 * secret.size()), secret)) {
    return no_key();
  }
  left.remove_prefix(2 * secret.size() + 1);
  if (!left.empty() && left.back() == '\n') left.remove_suffix(1);
  const auto [end, error] =
      std::from_chars(left.data(), left.data() + left.size(), key.least_version);
  if (error != std::errc() || end != left.data() + left.size()) return no_key();
  return key;
}

size_t format_key(const PackageKey& key, std::span<std::byte, kMaxKeyFileBytes> text) {
  auto* const begin = reinterpret_cast<char*>(text.data());
  char* to = begin;
  std::memcpy(to, kKeyHeading.data(), kKeyHeading.size());
  to += kKeyHeading.size();
  write_hex(key.secret.expose_secret(), to);
  to += 2 * key.secret.size();
  *to++ = '\n';
  to = std::to_chars(to, begin + text.size() - 1, key.least_version).ptr;
  *to++ = '\n';
  return static_cast<size_t>(to - begin);
}

Status seal_part(const PackageKey& key, const PackageContext& context, ConstByteSpan plain,
                 ByteSpan untrusted_sealed) {
  TAOISM_ASSIGN_OR_RETURN(crypto::ChunkCipher cipher, cipher_of(key, context));
  return cipher.seal(context.index, object_bytes(context), plain, untrusted_sealed);
}

Status open_part(const PackageKey& key, const PackageContext& context,
                 ConstByteSpan untrusted_sealed, ByteSpan plain) {
  TAOISM_ASSIGN_OR_RETURN(crypto::ChunkCipher cipher, cipher_of(key, context));
  return cipher.open(context.index, object_bytes(context), untrusted_sealed, plain);
}

}  // namespace taoism::store
