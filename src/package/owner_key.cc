#include "package/owner_key.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "files/descriptor.h"
#include "files/output_file.h"
#include "files/private_file.h"

namespace taoism::package {
namespace {

constexpr size_t kMaxFileBytes = 1 << 16;
constexpr std::string_view kPrivate = "PRIVATE KEY";
constexpr std::string_view kPublic = "PUBLIC KEY";

// DER of a P-256 key up to its numbers (RFC 5480, RFC 5208, RFC 5915): the rest is the point, and
// in a pair the secret, a few bytes and the point.
constexpr uint8_t kPublicDer[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                  0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                  0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};
constexpr uint8_t kPairDer[] = {0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06,
                                0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
                                0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07,
                                0x04, 0x6d, 0x30, 0x6b, 0x02, 0x01, 0x01, 0x04, 0x20};
constexpr uint8_t kPairBetween[] = {0xa1, 0x44, 0x03, 0x42, 0x00};
constexpr size_t kPairBytes = sizeof(kPairDer) + crypto::SigningSecret::size() +
                              sizeof(kPairBetween) + crypto::kPublicKeyBytes;
constexpr size_t kPublicBytes = sizeof(kPublicDer) + crypto::kPublicKeyBytes;

constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// PEM (RFC 7468) of a few bytes, into memory that can be wiped: at most room for `to`.
size_t write_pem(std::string_view label, ConstByteSpan der, char* to) {
  char* const begin = to;
  const auto text = [&](std::string_view word) { to = std::copy(word.begin(), word.end(), to); };
  text("-----BEGIN ");
  text(label);
  text("-----\n");
  for (size_t i = 0; i < der.size(); i += 3) {
    uint32_t bits = 0;
    for (size_t b = 0; b < 3; ++b) {
      bits = bits << 8U | (i + b < der.size() ? static_cast<uint32_t>(der[i + b]) : 0);
    }
    for (size_t d = 0; d < 4; ++d) {
      const bool is_there = i + d <= der.size();
      *to++ = is_there ? kDigits[bits >> (18 - 6 * d) & 63U] : '=';
    }
    if (i % 48 == 45 || i + 3 >= der.size()) *to++ = '\n';
  }
  text("-----END ");
  text(label);
  text("-----\n");
  return static_cast<size_t>(to - begin);
}

// The bytes of the first block with this label, which must be exactly der.size(); `text` then
// begins behind it. Nothing: there is no such block. False: it holds something else.
std::optional<bool> take_pem(std::string_view& text, std::string_view label, ByteSpan der) {
  const std::string begin = "-----BEGIN " + std::string(label) + "-----";
  const std::string end = "-----END " + std::string(label) + "-----";
  const size_t at = text.find(begin);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view body = text.substr(at + begin.size());
  const size_t length = body.find(end);
  if (length == std::string_view::npos) return false;
  text = body.substr(length + end.size());
  body = body.substr(0, length);
  size_t bytes = 0;
  uint32_t bits = 0;
  size_t count = 0;
  for (const char c : body) {
    if (c == '\n' || c == '\r' || c == ' ' || c == '=') continue;
    const char* const digit = std::find(kDigits, kDigits + 64, c);
    if (digit == kDigits + 64) return false;
    bits = bits << 6U | static_cast<uint32_t>(digit - kDigits);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    if (bytes == der.size()) return false;
    der[bytes++] = static_cast<std::byte>(bits >> count & 255U);
  }
  return bytes == der.size();
}

template <size_t N>
bool begins_with(ConstByteSpan der, const uint8_t (&head)[N]) {
  return std::memcmp(der.data(), head, N) == 0;
}

std::string_view view(ByteSpan text) {
  return {reinterpret_cast<const char*>(text.data()), text.size()};
}

Status write_pair(const std::string& path, const crypto::SigningKey& key) {
  TAOISM_ASSIGN_OR_RETURN(const crypto::SigningSecret secret, key.secret());
  SecretBuffer der(kPairBytes);
  auto* to = reinterpret_cast<uint8_t*>(der.span().data());
  to = std::copy(std::begin(kPairDer), std::end(kPairDer), to);
  std::memcpy(to, secret.expose_secret().data(), secret.size());
  to = std::copy(std::begin(kPairBetween), std::end(kPairBetween), to + secret.size());
  std::memcpy(to, key.public_key().data(), key.public_key().size());
  SecretBuffer text(2 * kPairBytes + 128);
  const size_t bytes = write_pem(kPrivate, der.span(), reinterpret_cast<char*>(text.span().data()));
  TAOISM_RETURN_IF_ERROR(files::check_private_folder(path));
  TAOISM_ASSIGN_OR_RETURN(files::OutputFile file,
                          files::OutputFile::create(path, files::Access::owner_only));
  TAOISM_RETURN_IF_ERROR(file.append(ConstByteSpan(text.span().first(bytes))));
  return file.commit_new();
}

Status write_public(const std::string& path, const crypto::SigningKey& key) {
  return files::write_file(public_path(path), public_pem(key.public_key()));
}

}  // namespace

Result<crypto::SigningKey> read_owner_key(const std::string& path) {
  SecretBuffer text(kMaxFileBytes);
  TAOISM_ASSIGN_OR_RETURN(const size_t bytes, files::read_private_file(path, text.span()));
  const std::string_view all = view(text.span().first(bytes));
  std::string_view left = all;
  SecretBuffer pair(kPairBytes);
  const std::optional<bool> found = take_pem(left, kPrivate, pair.span());
  if (!found.has_value() && all.find(kPublic) != std::string_view::npos) {
    return invalid_argument(path + ": a public half, which signs nothing: give the owner.key");
  }
  const ConstByteSpan der = pair.span();
  const ConstByteSpan after = der.subspan(sizeof(kPairDer) + crypto::SigningSecret::size());
  if (found != true || !begins_with(der, kPairDer) || !begins_with(after, kPairBetween)) {
    return invalid_argument(path +
                            ": not an owner's key: a P-256 key in PEM (PKCS #8), as taoism seal or "
                            "openssl genpkey writes it");
  }
  crypto::SigningSecret secret;
  std::memcpy(secret.expose_secret().data(), der.data() + sizeof(kPairDer), secret.size());
  crypto::PublicKey point;
  std::memcpy(point.data(), after.data() + sizeof(kPairBetween), point.size());
  Result<crypto::SigningKey> key = crypto::SigningKey::from(secret, point);
  if (!key.ok()) return key.status().annotate(path);
  return key;
}

Result<OwnerKey> open_owner_key(const std::string& path) {
  Result<crypto::SigningKey> known = read_owner_key(path);
  if (known.code() == Code::not_found && access(public_path(path).c_str(), F_OK) == 0) {
    known = read_owner_key(path);  // somebody may be making both
    if (known.code() == Code::not_found) {
      return invalid_argument(public_path(path) + ": the public half of a key that is not there: " +
                              "restore " + path + ", or give another --owner");
    }
  }
  if (known.ok()) {
    // A kill may have come between the two, and in a folder that cannot be written none is missed.
    if (access(public_path(path).c_str(), F_OK) != 0) (void)write_public(path, *known);
    return OwnerKey{std::move(known).value(), false};
  }
  if (known.code() != Code::not_found) return known.status();
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  TAOISM_ASSIGN_OR_RETURN(crypto::SigningKey made, crypto::SigningKey::create());
  if (const Status written = write_pair(path, made); !written.ok()) {
    // Somebody else made one at the same moment: that one counts.
    Result<crypto::SigningKey> other = read_owner_key(path);
    if (!other.ok()) return written;
    return OwnerKey{std::move(other).value(), false};
  }
  TAOISM_RETURN_IF_ERROR(write_public(path, made));
  return OwnerKey{std::move(made), true};
}

std::string public_path(const std::string& path) {
  constexpr std::string_view kEnding = ".key";
  return (path.ends_with(kEnding) ? path.substr(0, path.size() - kEnding.size()) : path) + ".pub";
}

Result<std::string> default_owner_path() {
  const char* settings = std::getenv("XDG_CONFIG_HOME");
  if (settings != nullptr && settings[0] == '/') {
    return std::string(settings) + "/taoism/owner.key";
  }
  const char* home = std::getenv("HOME");
  if (home == nullptr || home[0] != '/') {
    return invalid_argument("no home folder to keep an owner's key in: give --owner owner.key");
  }
  return std::string(home) + "/.config/taoism/owner.key";
}

std::string public_pem(const crypto::PublicKey& key) {
  std::array<std::byte, kPublicBytes> der;
  std::memcpy(der.data(), kPublicDer, sizeof(kPublicDer));
  std::memcpy(der.data() + sizeof(kPublicDer), key.data(), key.size());
  std::string text(2 * kPublicBytes + 128, '\0');
  text.resize(write_pem(kPublic, der, text.data()));
  return text;
}

Result<store::Owners> parse_owners(std::string_view text) {
  store::Owners owners;
  std::array<std::byte, kPublicBytes> der;
  std::string_view left = text;
  while (const std::optional<bool> found = take_pem(left, kPublic, der)) {
    if (!*found || !begins_with(der, kPublicDer) ||
        owners.keys.size() == store::Owners::kMostKeys) {
      return invalid_argument("not public P-256 keys in PEM (points uncompressed), " +
                              std::to_string(store::Owners::kMostKeys) + " at most");
    }
    std::memcpy(owners.keys.emplace_back().data(), der.data() + sizeof(kPublicDer),
                crypto::kPublicKeyBytes);
  }
  constexpr std::string_view kRevoked = "revoked:";
  for (size_t at = 0; (at = text.find(kRevoked, at)) != std::string_view::npos;) {
    at += kRevoked.size();
    const size_t digits = text.find_first_not_of(' ', at);
    if (digits == std::string_view::npos || owners.revoked.size() == store::Owners::kMostRevoked ||
        !read_hex(text.substr(digits, 2 * crypto::kDigestBytes), owners.revoked.emplace_back())) {
      return invalid_argument("'revoked:' goes with the 64 digits of an owner");
    }
  }
  if (owners.keys.empty()) {
    return invalid_argument(
        text.find(kPrivate) != std::string_view::npos
            ? "an owner's key: give its public half, owner.pub, and keep this from who deploys"
            : "no public key in it: give an owner's owner.pub");
  }
  return owners;
}

Result<store::Owners> read_owners(const std::string& path) {
  const files::Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  SecretBuffer text(kMaxFileBytes + 1);  // somebody may give an owner's key here
  const ssize_t got =
      file.is_open() ? read(file.get(), text.span().data(), text.span().size()) : -1;
  if (got < 0) {
    return Status(errno == ENOENT ? Code::not_found : Code::invalid_argument,
                  path + ": cannot read: " + std::strerror(errno));
  }
  const auto bytes = static_cast<size_t>(got);
  if (bytes > kMaxFileBytes) return invalid_argument(path + ": not owners' public keys");
  Result<store::Owners> owners = parse_owners(view(text.span().first(bytes)));
  if (!owners.ok()) return owners.status().annotate(path);
  return owners;
}

std::string id_text(const store::OwnerId& id) { return hex(id); }

}  // namespace taoism::package
