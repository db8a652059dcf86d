#include "store/package_key.h"

#include <gtest/gtest.h>

#include <algorithm>

#include <string>
#include <vector>

#include "crypto/random.h"

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
  context.part = static_cast<uint32_t>(PackagePart::program);
  context.index = 2;
  context.bytes = bytes;
  return context;
}

TEST(PackageKey, AFileGivesBackWhatWasWritten) {
  for (const uint64_t version : {uint64_t{0}, uint64_t{17}, UINT64_MAX}) {
    const PackageKey key = fresh_key(version);
    std::array<std::byte, kMaxKeyFileBytes> text;
    const size_t bytes = format_key(key, text);
    const auto parsed = parse_key(ConstByteSpan(text).first(bytes));
    ASSERT_TRUE(parsed.ok()) << parsed.status().message();
    EXPECT_TRUE(std::ranges::equal(parsed->secret.expose_secret(), key.secret.expose_secret()));
    EXPECT_EQ(parsed->least_version, version);
  }
}

TEST(PackageKey, NothingElseIsAKeyFile) {
  const std::string digits(64, 'a');
  EXPECT_TRUE(parse_key(bytes_of("taoism key 1\n" + digits + "\n0\n")).ok());
  EXPECT_TRUE(parse_key(bytes_of("taoism key 1\n" + digits + "\n12")).ok());
  for (const std::string& text :
       {std::string(), std::string("taoism key 1\n"), "taoism key 2\n" + digits + "\n0\n",
        "taoism key 1\n" + digits, "taoism key 1\n" + digits + "\n",
        "taoism key 1\n" + digits + "a\n0\n", "taoism key 1\n" + std::string(64, 'A') + "\n0\n",
        "taoism key 1\n" + std::string(63, 'a') + "\n0\n", "taoism key 1\n" + digits + "\n-1\n",
        "taoism key 1\n" + digits + "\n1x\n",
        "taoism key 1\n" + digits + "\n18446744073709551616\n"}) {
    const auto parsed = parse_key(bytes_of(text));
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.code(), Code::invalid_argument);
  }
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
