#include "store/package_head.h"

#include <gtest/gtest.h>

#include <functional>

namespace taoism::store {
namespace {

PackagePart part(PartKind kind, uint32_t index, uint64_t bytes, uint32_t count = 0) {
  PackagePart part;
  part.kind = static_cast<uint32_t>(kind);
  part.index = index;
  part.bytes = bytes;
  part.count = count;
  return part;
}

std::vector<PackagePart> sample_parts() {
  return {part(PartKind::manifest, 0, 100),  part(PartKind::graph, 0, 70),
          part(PartKind::graph, 1, 64),      part(PartKind::program, 0, 16, 1),
          part(PartKind::program, 1, 99, 2), part(PartKind::plan, 0, 16),
          part(PartKind::constant, 0, 4),    part(PartKind::weights, 0, 0, 3)};
}

crypto::SigningKey owner() { return crypto::SigningKey::create().value(); }

PackageHead sample(const crypto::SigningKey& signer) {
  PackageHeader header;
  header.version = 7;
  PackageHead head = PackageHead::lay_out(header, sample_parts());
  EXPECT_TRUE(head.sign(signer).ok());
  return head;
}

TEST(PackageHead, IsReadAsItWasWritten) {
  const crypto::SigningKey signer = owner();
  const PackageHead head = sample(signer);
  const auto read = PackageHead::read(head.encode());
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->encode(), head.encode());
  EXPECT_TRUE(read->check_signature().ok());
  EXPECT_EQ(read->signer(), signer.public_key());
  EXPECT_EQ(read->count(PartKind::graph), 2U);
  EXPECT_EQ(read->find(PartKind::program, 1)->bytes, 99U);
  EXPECT_EQ(read->find(PartKind::program, 2), nullptr);
  EXPECT_EQ(read->find(PartKind::weights, 1), nullptr);
}

// Whatever bit is turned: no head, or another signature.
TEST(PackageHead, EveryBitIsSigned) {
  const std::vector<std::byte> whole = sample(owner()).encode();
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::vector<std::byte> bytes = whole;
    bytes[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    const auto read = PackageHead::read(bytes);
    if (!read.ok()) continue;
    EXPECT_EQ(read->check_signature().code(), Code::integrity) << bit;
  }
}

TEST(PackageHead, NoOtherLength) {
  const std::vector<std::byte> whole = sample(owner()).encode();
  for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
    EXPECT_FALSE(PackageHead::read(ConstByteSpan(whole).first(bytes)).ok()) << bytes;
  }
}

// Even an owner's signature makes no package of these.
TEST(PackageHead, APackageHasWhatItMustHave) {
  const std::function<void(std::vector<PackagePart>&)> spoilt[] = {
      [](auto& p) { p.erase(p.begin() + 3, p.begin() + 5); },  // no program
      [](auto& p) { p.erase(p.begin() + 4); },                 // one program for two graphs
      [](auto& p) { p.erase(p.begin()); },
      [](auto& p) { p.erase(p.begin() + 5); },
      [](auto& p) { p.pop_back(); },
      [](auto& p) {
        p.push_back(part(PartKind::weights, 1, 0)), p.push_back(part(PartKind::weights, 2, 0));
      },
      [](auto& p) { p.clear(); },
      [](auto& p) { p[3].count = 0; },
      [](auto& p) { p[3].store = 1; },
      [](auto& p) { p[3].bytes = 15; },
      [](auto& p) { p[6].count = 1; },
      [](auto& p) { p[2].index = 2; },
      [](auto& p) { p.push_back(part(static_cast<PartKind>(7), 0, 1)); },
      [](auto& p) { std::swap(p[1], p[3]); },
  };
  const crypto::SigningKey signer = owner();
  for (const auto& spoil : spoilt) {
    std::vector<PackagePart> parts = sample_parts();
    spoil(parts);
    PackageHead head = PackageHead::lay_out({}, parts);
    ASSERT_TRUE(head.sign(signer).ok());
    EXPECT_EQ(PackageHead::read(head.encode()).code(), Code::integrity);
  }
}

TEST(PackageHead, OfAnotherFormat) {
  std::vector<std::byte> bytes = sample(owner()).encode();
  for (const uint8_t format : {1, 2, 4}) {
    bytes[8] = std::byte{format};
    EXPECT_EQ(PackageHead::read(bytes).code(), Code::invalid_argument);
  }
}

TEST(Owners, AreJudged) {
  const crypto::PublicKey a = owner().public_key();
  const crypto::PublicKey b = owner().public_key();
  EXPECT_EQ(*judge({{a}, {}}, a), Signer::accepted);
  EXPECT_EQ(*judge({{a}, {}}, b), Signer::unknown);
  EXPECT_EQ(*judge({}, a), Signer::unknown);
  EXPECT_EQ(*judge({{a, b}, {*owner_id(a)}}, a), Signer::revoked);
  EXPECT_EQ(*judge({{a, b}, {*owner_id(a)}}, b), Signer::accepted);
}

}  // namespace
}  // namespace taoism::store
