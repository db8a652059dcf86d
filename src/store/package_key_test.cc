#include "store/package_key.h"

#include <gtest/gtest.h>

#include <algorithm>

#include <string>
#include <vector>

#include "crypto/random.h"
#include "store/package_head.h"

namespace taoism::store {
namespace {

ConstByteSpan bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

PackageKey fresh_key(uint64_t least_version = 0) {
  PackageKey key;
  EXPECT_TRUE(crypto::random_bytes(key.secret.expose_secret()).ok());
  key.least_version = least_version;
  return key;
}

PackageContext context(uint64_t bytes) {
  PackageContext context;
  context.package.fill(std::byte{7});
  context.version = 3;
  context.manifest.fill(std::byte{9});
  context.part = static_cast<uint32_t>(PartKind::program);
  context.index = 2;
  context.bytes = bytes;
  return context;
}

std::string text_of(const PackageKey& key) {
  std::array<std::byte, kMaxKeyFileBytes> text;
  const auto bytes = format_key(key, text);
  EXPECT_TRUE(bytes.ok());
  return {reinterpret_cast<const char*>(text.data()), *bytes};
}

PackageKey with_owners(size_t keys, size_t revoked) {
  PackageKey key = fresh_key(UINT64_MAX);
  key.last_version = UINT64_MAX;
  for (size_t i = 0; i < keys; ++i) {
    key.owners.keys.push_back(crypto::SigningKey::create()->public_key());
  }
  for (size_t i = 0; i < revoked; ++i) {
    key.owners.revoked.push_back(crypto::sha256(bytes_of(std::to_string(i))).value());
  }
  return key;
}

TEST(PackageKey, AKeyIsKnownByItsBegin) {
  const std::string pem = "-----BEGIN PRIVATE KEY-----\nMIG";
  for (const std::string& key : {text_of(fresh_key()), std::string("taoism key 1\n"), pem,
                                 "Bag Attributes\n    localKeyID: 01\n" + pem}) {
    EXPECT_TRUE(begins_as_key(bytes_of(key))) << key;
  }
  for (const std::string& other : {std::string(), std::string("taoism key"), std::string("{}"),
                                   std::string(kKeyBeginBytes, '-') + pem}) {
    EXPECT_FALSE(begins_as_key(bytes_of(other))) << other;
  }
}

TEST(PackageKey, AFileGivesBackWhatWasWritten) {
  for (const auto& [keys, revoked] : {std::pair{0, 0}, {1, 0}, {2, 3}, {8, 16}}) {
    const PackageKey key = with_owners(static_cast<size_t>(keys), static_cast<size_t>(revoked));
    const auto parsed = parse_key(bytes_of(text_of(key)));
    ASSERT_TRUE(parsed.ok()) << parsed.status().message();
    EXPECT_TRUE(std::ranges::equal(parsed->secret.expose_secret(), key.secret.expose_secret()));
    EXPECT_EQ(parsed->least_version, key.least_version);
    EXPECT_EQ(parsed->last_version, key.last_version);
    EXPECT_EQ(parsed->owners.keys, key.owners.keys);
    EXPECT_EQ(parsed->owners.revoked, key.owners.revoked);
  }
}

// No byte may differ: a number is no number any more, or the MAC is wrong.
TEST(PackageKey, NothingElseIsAKeyFile) {
  const std::string whole = text_of(with_owners(2, 1));
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const char other : {'0', '9', 'a', 'f', 'A', ' ', '\n', '\0'}) {
      if (other == whole[at]) continue;
      std::string text = whole;
      text[at] = other;
      EXPECT_FALSE(parse_key(bytes_of(text)).ok()) << at << " " << text;
    }
    EXPECT_EQ(parse_key(bytes_of(whole.substr(0, at))).code(), Code::invalid_argument) << at;
  }
  EXPECT_FALSE(parse_key(bytes_of(whole + "\n")).ok());
  std::string rolled_back = whole;
  rolled_back.replace(rolled_back.find("least 18446744073709551615"), 26, "least 1");
  EXPECT_EQ(parse_key(bytes_of(rolled_back)).code(), Code::integrity);
  const std::string older = "taoism key 1\n" + std::string(64, 'a') + "\n0\n";
  EXPECT_EQ(parse_key(bytes_of(older)).code(), Code::unsupported);
}

TEST(PackagePart, OpensOnlyAsWhatItWasSealed) {
  const PackageKey key = fresh_key();
  const std::string plain = "a program, as it were";
  const PackageContext right = context(plain.size());
  std::vector<std::byte> sealed(plain.size() + crypto::kTagBytes);
  ASSERT_TRUE(seal_part(key, right, bytes_of(plain), sealed).ok());

  std::vector<std::byte> opened(plain.size());
  ASSERT_TRUE(open_part(key, right, sealed, opened).ok());
  EXPECT_TRUE(std::ranges::equal(opened, bytes_of(plain)));

  // Every bit of the context counts, and every bit of what is sealed, and the key.
  for (size_t bit = 0; bit < 8 * sizeof(PackageContext); ++bit) {
    PackageContext wrong = right;
    reinterpret_cast<std::byte*>(&wrong)[bit / 8] ^= std::byte{1} << bit % 8;
    EXPECT_EQ(open_part(key, wrong, sealed, opened).code(), Code::integrity) << bit;
  }
  for (size_t bit = 0; bit < 8 * sealed.size(); ++bit) {
    std::vector<std::byte> wrong = sealed;
    wrong[bit / 8] ^= std::byte{1} << bit % 8;
    EXPECT_EQ(open_part(key, right, wrong, opened).code(), Code::integrity) << bit;
    EXPECT_EQ(std::ranges::count(opened, std::byte{0}), static_cast<ptrdiff_t>(opened.size()));
  }
  EXPECT_EQ(open_part(fresh_key(), right, sealed, opened).code(), Code::integrity);
}

}  // namespace
}  // namespace taoism::store
