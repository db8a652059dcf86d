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

std::string pem_line(const char* word, std::string_view label) {
  return "-----" + std::string(word) + " " + std::string(label) + "-----";
}

// Whether what stands between a block's first and last line is exactly der.size() bytes: to `der`.
bool read_pem(std::string_view body, ByteSpan der) {
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

// The bytes of the first block with this label, which must be exactly der.size(). Nothing: there is
// no such block. False: it holds something else.
std::optional<bool> find_pem(std::string_view text, std::string_view label, ByteSpan der) {
  const std::string begin = pem_line("BEGIN", label);
  const size_t at = text.find(begin);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view body = text.substr(at + begin.size());
  const size_t length = body.find(pem_line("END", label));
  return length != std::string_view::npos && read_pem(body.substr(0, length), der);
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

// What is left of a file of owners, and the number of the line that was taken last.
struct OwnerLines {
  std::string_view left;
  size_t number = 0;

  // Without its end, CR LF too, and without spaces at its end.
  std::string_view take() {
    const size_t end = std::min(left.find('\n'), left.size());
    std::string_view line = left.substr(0, end);
    left.remove_prefix(std::min(end + 1, left.size()));
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    while (line.ends_with(' ') || line.ends_with('\t')) line.remove_suffix(1);
    return line;
  }
};

// A block whose first line was taken.
Status take_key(OwnerLines& lines, store::Owners& owners) {
  const std::string end = pem_line("END", kPublic);
  const size_t first = lines.number;
  const char* const begin = lines.left.data();
  size_t length = 0;
  do {
    if (lines.left.empty()) {
      lines.number = first;
      return invalid_argument("a public key without its end");
    }
    length = static_cast<size_t>(lines.left.data() - begin);
  } while (lines.take() != end);
  std::array<std::byte, kPublicBytes> der;
  if (!read_pem({begin, length}, der) || !begins_with(der, kPublicDer)) {
    lines.number = first;
    return invalid_argument("not a public P-256 key in PEM (its point uncompressed)");
  }
  if (owners.keys.size() == store::Owners::kMostKeys) {
    return invalid_argument("more than " + std::to_string(store::Owners::kMostKeys) + " keys");
  }
  std::memcpy(owners.keys.emplace_back().data(), der.data() + sizeof(kPublicDer),
              crypto::kPublicKeyBytes);
  return {};
}

// What is not understood is an error: it may be a revocation.
Status take_item(OwnerLines& lines, store::Owners& owners) {
  constexpr std::string_view kRevoked = "revoked: ";
  const std::string_view line = lines.take();
  // A bare CR is the end of a line to some: what is behind it is no comment to them.
  const bool is_text = std::all_of(line.begin(), line.end(), [](char c) {
    return c == '\t' || (static_cast<unsigned char>(c) >= ' ' && c != '\x7f');
  });
  if (is_text && (line.empty() || line[0] == '#')) return {};
  if (line == pem_line("BEGIN", kPublic)) return take_key(lines, owners);
  if (line.find(kPrivate) != std::string_view::npos) {
    return invalid_argument(
        "an owner's key: give its public half, owner.pub, and keep this from who deploys");
  }
  if (!line.starts_with(kRevoked)) {
    return invalid_argument(
        "not understood: write public keys in PEM, 'revoked: ' and an owner's 64 digits, and "
        "comments behind '#'");
  }
  const std::string_view digits = line.substr(kRevoked.size());
  if (digits.size() != 2 * crypto::kDigestBytes ||
      owners.revoked.size() == store::Owners::kMostRevoked ||
      !read_hex(digits, owners.revoked.emplace_back())) {
    return invalid_argument("'revoked: ' goes with the 64 digits of an owner, in " +
                            std::to_string(store::Owners::kMostRevoked) + " lines at most");
  }
  return {};
}

// Its user's alone, whatever the umask. What cannot be made is told by who writes in it.
void make_folders(const std::filesystem::path& path) {
  std::filesystem::path folder;
  for (const std::filesystem::path& name : path) {
    folder /= name;
    (void)mkdir(folder.c_str(), S_IRWXU);
  }
}

Status write_public(const std::string& path, const crypto::SigningKey& key) {
  return files::write_file(public_path(path), public_pem(key.public_key()));
}

}  // namespace

Result<crypto::SigningKey> read_owner_key(const std::string& path) {
  SecretBuffer text(kMaxFileBytes);
  TAOISM_ASSIGN_OR_RETURN(const size_t bytes, files::read_private_file(path, text.span()));
  const std::string_view all = view(text.span().first(bytes));
  SecretBuffer pair(kPairBytes);
  const std::optional<bool> found = find_pem(all, kPrivate, pair.span());
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
  make_folders(std::filesystem::path(path).parent_path());
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
  OwnerLines lines{text};
  while (!lines.left.empty()) {
    if (const Status taken = take_item(lines, owners); !taken.ok()) {
      return taken.annotate("line " + std::to_string(lines.number));
    }
  }
  if (owners.keys.empty()) {
    return invalid_argument("no public key in it: give an owner's owner.pub");
  }
  return owners;
}

Result<store::Owners> read_owners(const std::string& path) {
  // A pipe that nobody writes is not waited for; one that somebody does is read to its end.
  const files::Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  const int flags = file.is_open() ? fcntl(file.get(), F_GETFL) : -1;
  if (flags < 0 || fcntl(file.get(), F_SETFL, flags & ~O_NONBLOCK) != 0) {
    return Status(errno == ENOENT ? Code::not_found : Code::invalid_argument,
                  path + ": cannot read: " + std::strerror(errno));
  }
  SecretBuffer text(kMaxFileBytes);  // somebody may give an owner's key here
  TAOISM_ASSIGN_OR_RETURN(const size_t bytes, files::read_to_end(path, file.get(), text.span()));
  Result<store::Owners> owners = parse_owners(view(text.span().first(bytes)));
  if (!owners.ok()) return owners.status().annotate(path);
  return owners;
}

std::string id_text(const store::OwnerId& id) { return hex(id); }

}  // namespace taoism::package
