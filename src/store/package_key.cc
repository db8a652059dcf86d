#include "store/package_key.h"

#include <charconv>
#include <cstring>

#include "base/text.h"
#include "store/package_head.h"

namespace taoism::store {
namespace {

constexpr std::string_view kHeading = "taoism key 2\n";
constexpr std::string_view kOlderHeading = "taoism key 1\n";
static_assert(kHeading.starts_with(kKeyFileBegin) && kOlderHeading.starts_with(kKeyFileBegin));

Result<crypto::ChunkCipher> cipher_of(const PackageKey& key, const PackageContext& context) {
  return crypto::ChunkCipher::create(key.secret, context.package,
                                     context.part == static_cast<uint32_t>(PartKind::plan)
                                         ? "taoism package plan v2"
                                         : "taoism package program v2");
}

Status no_key() {
  return invalid_argument(
      "not a key file of taoism: it begins with 'taoism key 2' and ends with its MAC");
}

ConstByteSpan bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

// HMAC-SHA-256 under a key of its own for each purpose.
Status mac_of(const crypto::StoreSecret& secret, std::string_view purpose, std::string_view text,
              crypto::Digest& mac) {
  SecretBytes<crypto::kDigestBytes> key;
  TAOISM_RETURN_IF_ERROR(
      crypto::hkdf_sha256(secret.expose_secret(), {}, bytes_of(purpose), key.expose_secret()));
  return crypto::hmac_sha256(key.expose_secret(), bytes_of(text), mac);
}

// Takes fields off the front of a key file's text; after the first that is wrong, nothing.
class Reader {
 public:
  explicit Reader(std::string_view text) : left_(text) {}

  bool ok() const { return ok_; }
  std::string_view left() const { return left_; }
  bool begins_with(std::string_view word) const { return ok_ && left_.starts_with(word); }

  void word(std::string_view word) {
    ok_ = begins_with(word);
    if (ok_) left_.remove_prefix(word.size());
  }
  void digits(ByteSpan to) {
    const size_t size = 2 * to.size();
    ok_ = ok_ && left_.size() > size && left_[size] == '\n' && read_hex(left_.substr(0, size), to);
    if (ok_) left_.remove_prefix(size + 1);
  }
  // In the one way that it is written.
  void number(uint64_t& to) {
    if (!ok_) return;
    const auto [end, error] = std::from_chars(left_.data(), left_.data() + left_.size(), to);
    const auto size = static_cast<size_t>(end - left_.data());
    ok_ = error == std::errc() && size < left_.size() && left_[size] == '\n' &&
          (left_[0] != '0' || size == 1);
    if (ok_) left_.remove_prefix(size + 1);
  }

 private:
  std::string_view left_;
  bool ok_ = true;
};

void read_owners(Reader& in, Owners& owners) {
  while (in.begins_with("owner ") && owners.keys.size() < Owners::kMostKeys) {
    in.word("owner ");
    in.digits(owners.keys.emplace_back());
  }
  while (in.begins_with("revoked ") && owners.revoked.size() < Owners::kMostRevoked) {
    in.word("revoked ");
    in.digits(owners.revoked.emplace_back());
  }
}

class Writer {
 public:
  explicit Writer(std::span<std::byte, kMaxKeyFileBytes> text)
      : begin_(reinterpret_cast<char*>(text.data())), at_(begin_), end_(begin_ + text.size()) {}

  std::string_view text() const { return {begin_, size()}; }
  size_t size() const { return static_cast<size_t>(at_ - begin_); }

  void word(std::string_view word) {
    TAOISM_CHECK(word.size() <= room());
    std::memcpy(at_, word.data(), word.size());
    at_ += word.size();
  }
  void digits(ConstByteSpan bytes) {
    TAOISM_CHECK(2 * bytes.size() < room());
    write_hex(bytes, at_);
    at_ += 2 * bytes.size();
    *at_++ = '\n';
  }
  void number(uint64_t number) {
    const auto written = std::to_chars(at_, end_ - 1, number);
    TAOISM_CHECK(written.ec == std::errc());
    at_ = written.ptr;
    *at_++ = '\n';
  }

 private:
  size_t room() const { return static_cast<size_t>(end_ - at_); }
  char* begin_;
  char* at_;
  char* end_;
};

}  // namespace

bool begins_as_key(ConstByteSpan begin) {
  const std::string_view text(reinterpret_cast<const char*>(begin.data()), begin.size());
  return text.starts_with(kKeyFileBegin) ||
         text.substr(0, kKeyBeginBytes).find("-----BEGIN ") != std::string_view::npos;
}

Result<PackageKey> parse_key(ConstByteSpan text) {
  const std::string_view all(reinterpret_cast<const char*>(text.data()), text.size());
  if (all.starts_with(kOlderHeading)) {
    return unsupported(
        "a key file of an older taoism: move it away and seal again, which makes a new one");
  }
  PackageKey key;
  Reader in(all);
  in.word(kHeading);
  in.word("secret ");
  in.digits(key.secret.expose_secret());
  in.word("last ");
  in.number(key.last_version);
  in.word("least ");
  in.number(key.least_version);
  read_owners(in, key.owners);
  const std::string_view authenticated = all.substr(0, all.size() - in.left().size());
  crypto::Digest written{};
  in.word("mac ");
  in.digits(written);
  if (!in.ok() || !in.left().empty()) return no_key();
  crypto::Digest mac;
  TAOISM_RETURN_IF_ERROR(mac_of(key.secret, "taoism key file v2", authenticated, mac));
  // Who can try MACs has the file, and so the secret: no need to compare in constant time.
  if (mac != written) {
    return integrity_error(
        "changed since taoism wrote it: restore it, or seal again under another");
  }
  return key;
}

Result<size_t> format_key(const PackageKey& key, std::span<std::byte, kMaxKeyFileBytes> text) {
  TAOISM_CHECK(key.owners.keys.size() <= Owners::kMostKeys &&
               key.owners.revoked.size() <= Owners::kMostRevoked);
  Writer out(text);
  out.word(kHeading);
  out.word("secret ");
  out.digits(key.secret.expose_secret());
  out.word("last ");
  out.number(key.last_version);
  out.word("least ");
  out.number(key.least_version);
  for (const crypto::PublicKey& owner : key.owners.keys) {
    out.word("owner ");
    out.digits(owner);
  }
  for (const OwnerId& id : key.owners.revoked) {
    out.word("revoked ");
    out.digits(id);
  }
  crypto::Digest mac;
  TAOISM_RETURN_IF_ERROR(mac_of(key.secret, "taoism key file v2", out.text(), mac));
  out.word("mac ");
  out.digits(mac);
  return out.size();
}

Result<crypto::Digest> keyed_name(const PackageKey& key, std::string_view what) {
  crypto::Digest name;
  TAOISM_RETURN_IF_ERROR(mac_of(key.secret, "taoism package name v2", what, name));
  return name;
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
