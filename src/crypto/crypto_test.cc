#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "crypto/aead.h"
#include "crypto/channel.h"
#include "crypto/chunk_cipher.h"
#include "crypto/ecdh.h"
#include "crypto/gcm.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "crypto/self_test.h"
#include "crypto/signature.h"

namespace taoism::crypto {
namespace {

using Bytes = std::vector<std::byte>;

Bytes from_hex(std::string_view hex) {
  Bytes bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

AeadKey key_of(std::string_view hex) {
  AeadKey key;
  const Bytes bytes = from_hex(hex);
  std::copy(bytes.begin(), bytes.end(), key.expose_secret().begin());
  return key;
}

Nonce nonce_of(std::string_view hex) {
  Nonce nonce{};
  const Bytes bytes = from_hex(hex);
  std::copy(bytes.begin(), bytes.end(), nonce.begin());
  return nonce;
}

// McGrew and Viega, "The Galois/Counter Mode of Operation (GCM)", test cases 1 to 4.
struct GcmVector {
  const char* key;
  const char* nonce;
  const char* additional;
  const char* plain;
  const char* sealed;
  const char* tag;
};
constexpr GcmVector kGcmVectors[] = {
    {"00000000000000000000000000000000", "000000000000000000000000", "", "", "",
     "58e2fccefa7e3061367f1d57a4e7455a"},
    {"00000000000000000000000000000000", "000000000000000000000000", "",
     "00000000000000000000000000000000", "0388dace60b6a392f328c2b971b2fe78",
     "ab6e47d42cec13bdf53a67b21257bddf"},
    {"feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", "",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b"
     "525b16aedf5aa0de657ba637b391aafd255",
     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84a"
     "a051ba30b396a0aac973d58e091473f5985",
     "4d5c2af327cd64a62cf35abd2ba6fab4"},
    {"feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b"
     "525b16aedf5aa0de657ba637b39",
     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84a"
     "a051ba30b396a0aac973d58e091",
     "5bc94fbc3221a5db94fae95ae7121a47"},
};

TEST(Aead, MatchesPublishedVectors) {
  for (const GcmVector& v : kGcmVectors) {
    Aead aead = Aead::create(key_of(v.key)).value();
    const Bytes additional = from_hex(v.additional);
    const Bytes plain = from_hex(v.plain);
    Bytes sealed(plain.size());
    Tag tag;
    ASSERT_TRUE(aead.seal(nonce_of(v.nonce), additional, plain, sealed, tag).ok());
    EXPECT_EQ(hex(sealed), v.sealed);
    EXPECT_EQ(hex(tag), v.tag);
    Bytes opened(sealed.size());
    ASSERT_TRUE(aead.open(nonce_of(v.nonce), additional, sealed, tag, opened).ok());
    EXPECT_EQ(opened, plain);
  }
}

TEST(Aead, AnyChangedBitIsRefusedAndTheOutputWiped) {
  Aead aead = Aead::create(key_of(kGcmVectors[3].key)).value();
  const Nonce nonce = nonce_of(kGcmVectors[3].nonce);
  const Bytes sealed = from_hex(kGcmVectors[3].sealed);
  const Bytes additional = from_hex(kGcmVectors[3].additional);
  const Bytes tag_bytes = from_hex(kGcmVectors[3].tag);
  Tag tag;
  std::copy(tag_bytes.begin(), tag_bytes.end(), tag.begin());
  const Bytes zeros(sealed.size());

  const auto expect_refused = [&](const Nonce& n, const Bytes& a, const Bytes& s, const Tag& t) {
    Bytes out(s.size(), std::byte{0x5a});
    EXPECT_EQ(aead.open(n, a, s, t, out).code(), Code::integrity);
    EXPECT_EQ(out, zeros);
  };
  for (size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    Bytes changed = sealed;
    changed[bit / 8] ^= std::byte(1 << (bit % 8));
    expect_refused(nonce, additional, changed, tag);
  }
  for (size_t bit = 0; bit < tag.size() * 8; ++bit) {
    Tag changed = tag;
    changed[bit / 8] ^= std::byte(1 << (bit % 8));
    expect_refused(nonce, additional, sealed, changed);
  }
  for (size_t bit = 0; bit < additional.size() * 8; ++bit) {
    Bytes changed = additional;
    changed[bit / 8] ^= std::byte(1 << (bit % 8));
    expect_refused(nonce, changed, sealed, tag);
  }
  Nonce changed = nonce;
  changed[0] ^= std::byte{1};
  expect_refused(changed, additional, sealed, tag);
}

TEST(Aead, WorksInPlaceAndOnAnySize) {
  Aead aead = Aead::create(key_of(kGcmVectors[2].key)).value();
  for (const size_t bytes : {size_t{1}, size_t{15}, size_t{17}, size_t{4095}, size_t{1} << 20}) {
    Bytes data(bytes);
    ASSERT_TRUE(random_bytes(data).ok());
    const Bytes original = data;
    Tag tag;
    ASSERT_TRUE(aead.seal(Nonce{}, {}, data, data, tag).ok());
    EXPECT_NE(data, original);
    ASSERT_TRUE(aead.open(Nonce{}, {}, data, tag, data).ok());
    EXPECT_EQ(data, original);
  }
}

// Sizes around a block and around what passes through trusted memory at a time.
constexpr size_t kUntrustedSizes[] = {0,
                                      1,
                                      15,
                                      16,
                                      17,
                                      1535,
                                      1536,
                                      1537,
                                      3072,
                                      6145,
                                      (16 << 10) - 1,
                                      16 << 10,
                                      (16 << 10) + 1,
                                      64 << 10,
                                      (1 << 20) + 3};

// Whatever provider this processor gets, what one has sealed another opens, whatever the pieces.
TEST(Gcm, ProvidersAgree) {
  const AeadKey key = key_of("000102030405060708090a0b0c0d0e0f");
  using Direction = Gcm::Direction;
  if (make_ipsec_gcm(key, Direction::seal) == nullptr) {
    GTEST_SKIP() << "needs a second AES-GCM: this processor or build has OpenSSL's alone";
  }
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::byte> plain(random() % (round % 10 == 0 ? 70000 : 300));
    std::vector<std::byte> additional(random() % 70);
    for (std::byte& b : plain) b = static_cast<std::byte>(random());
    for (std::byte& b : additional) b = static_cast<std::byte>(random());
    const Nonce nonce = counter_nonce(random());
    const auto run = [&](Gcm& gcm, ConstByteSpan in, std::vector<std::byte>& out) {
      out.resize(in.size());
      ASSERT_TRUE(gcm.begin(nonce, additional));
      for (size_t done = 0; done < in.size();) {
        const size_t step = std::min<size_t>(1 + random() % 20000, in.size() - done);
        ASSERT_TRUE(gcm.update(in.subspan(done, step), out.data() + done));
        done += step;
      }
    };
    std::vector<std::byte> sealed[2];
    Tag tags[2];
    std::unique_ptr<Gcm> seal[2] = {make_openssl_gcm(key, Direction::seal),
                                    make_ipsec_gcm(key, Direction::seal)};
    std::unique_ptr<Gcm> open[2] = {make_openssl_gcm(key, Direction::open),
                                    make_ipsec_gcm(key, Direction::open)};
    for (int p = 0; p < 2; ++p) {
      run(*seal[p], plain, sealed[p]);
      ASSERT_TRUE(seal[p]->finish_seal(tags[p]));
    }
    ASSERT_EQ(sealed[0], sealed[1]);
    ASSERT_EQ(tags[0], tags[1]);
    for (const auto& opener : open) {
      std::vector<std::byte> opened;
      run(*opener, sealed[0], opened);
      ASSERT_TRUE(opener->finish_open(tags[0]));
      ASSERT_EQ(opened, plain);
      run(*opener, sealed[0], opened);
      Tag other = tags[0];
      other[random() % kTagBytes] ^= static_cast<std::byte>(1 << random() % 8);
      ASSERT_FALSE(opener->finish_open(other));
    }
  }
}

TEST(Aead, UntrustedMemoryMakesNoDifference) {
  Aead aead = Aead::create(key_of(kGcmVectors[2].key)).value();
  const Bytes additional = from_hex(kGcmVectors[3].additional);
  for (const size_t bytes : kUntrustedSizes) {
    Bytes plain(bytes), sealed(bytes), untrusted(bytes), opened(bytes);
    ASSERT_TRUE(random_bytes(plain).ok());
    const Nonce nonce = counter_nonce(bytes);
    Tag tag, untrusted_tag;
    ASSERT_TRUE(aead.seal(nonce, additional, plain, sealed, tag).ok());
    ASSERT_TRUE(aead.seal_to_untrusted(nonce, additional, plain, untrusted, untrusted_tag).ok());
    EXPECT_EQ(sealed, untrusted) << bytes;
    EXPECT_EQ(tag, untrusted_tag) << bytes;
    ASSERT_TRUE(aead.open_from_untrusted(nonce, additional, sealed, tag, opened).ok());
    EXPECT_EQ(opened, plain) << bytes;
    std::fill(opened.begin(), opened.end(), std::byte{0});
    ASSERT_TRUE(aead.open(nonce, additional, untrusted, untrusted_tag, opened).ok());
    EXPECT_EQ(opened, plain) << bytes;
  }
}

TEST(Aead, WhatWasChangedInUntrustedMemoryIsRefusedAndTheOutputWiped) {
  Aead aead = Aead::create(key_of(kGcmVectors[2].key)).value();
  for (const size_t bytes : kUntrustedSizes) {
    Bytes plain(bytes, std::byte{0x33}), sealed(bytes);
    Tag tag;
    ASSERT_TRUE(aead.seal_to_untrusted(Nonce{}, {}, plain, sealed, tag).ok());
    const Bytes zeros(bytes);
    const auto expect_refused = [&](const Bytes& s, const Tag& t) {
      Bytes out(bytes, std::byte{0x5a});
      EXPECT_EQ(aead.open_from_untrusted(Nonce{}, {}, s, t, out).code(), Code::integrity);
      EXPECT_EQ(out, zeros);
    };
    for (const size_t at : {size_t{0}, bytes / 2, bytes - 1}) {
      if (bytes == 0) break;
      Bytes changed = sealed;
      changed[at] ^= std::byte{1};
      expect_refused(changed, tag);
    }
    Tag changed = tag;
    changed[15] ^= std::byte{0x80};
    expect_refused(sealed, changed);
  }
}

class ChunkCipherTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kChunksPerKey = 4;

  ChunkCipher make(std::string_view purpose = "test", uint64_t chunks_per_key = kChunksPerKey,
                   std::byte secret_byte = std::byte{7}, std::byte id_byte = std::byte{9}) {
    StoreSecret secret;
    secret.expose_secret()[31] = secret_byte;
    StoreId id{};
    id[15] = id_byte;
    return ChunkCipher::create(secret, id, purpose, chunks_per_key).value();
  }
  static Bytes seal(ChunkCipher& cipher, uint64_t counter) {
    Bytes sealed(kPlain.size() + kTagBytes);
    EXPECT_TRUE(cipher.seal(counter, {}, kPlain, sealed).ok());
    return sealed;
  }
  static bool opens(ChunkCipher& cipher, uint64_t counter, const Bytes& sealed,
                    const Bytes& additional = {}) {
    Bytes plain(kPlain.size(), std::byte{0x5a});
    const Status status = cipher.open(counter, additional, sealed, plain);
    EXPECT_EQ(plain, status.ok() ? kPlain : Bytes(kPlain.size()));
    return status.ok();
  }

  static inline const Bytes kPlain = Bytes(100, std::byte{0x42});
};

TEST_F(ChunkCipherTest, OpensOnBothSidesOfAChangeOfKey) {
  ChunkCipher one = make();
  std::vector<Bytes> sealed;
  for (uint64_t counter = 0; counter < 4 * kChunksPerKey; ++counter) {
    sealed.push_back(seal(one, counter));
  }
  ChunkCipher other = make();
  for (size_t counter = 0; counter < sealed.size(); ++counter) {
    EXPECT_TRUE(opens(other, counter, sealed[counter])) << counter;
  }
  // Back and forth: an older key comes again.
  for (const size_t counter : {15U, 0U, 7U, 8U, 3U, 4U, 12U, 1U}) {
    EXPECT_TRUE(opens(other, counter, sealed[counter])) << counter;
  }
}

TEST_F(ChunkCipherTest, OpensUnderNoOtherCounter) {
  ChunkCipher cipher = make();
  for (const uint64_t counter : {uint64_t{0}, kChunksPerKey - 1, kChunksPerKey}) {
    const Bytes sealed = seal(cipher, counter);
    for (uint64_t other = 0; other < 4 * kChunksPerKey; ++other) {
      EXPECT_EQ(opens(cipher, other, sealed), other == counter) << counter << " as " << other;
    }
  }
}

TEST_F(ChunkCipherTest, KeysDiffer) {
  // The same counter, and so the same nonce, under the first key and under the second.
  ChunkCipher few = make("test", 4);
  ChunkCipher many = make("test", 1000);
  EXPECT_EQ(seal(few, 3), seal(many, 3));
  EXPECT_NE(seal(few, 4), seal(many, 4));
  EXPECT_FALSE(opens(many, 4, seal(few, 4)));
  EXPECT_NE(seal(few, 8), seal(many, 8));
}

TEST_F(ChunkCipherTest, KeysDependOnSecretStoreAndPurpose) {
  ChunkCipher cipher = make();
  const Bytes sealed = seal(cipher, 1);
  ChunkCipher same = make();
  EXPECT_TRUE(opens(same, 1, sealed));
  ChunkCipher other_purpose = make("test2");
  EXPECT_FALSE(opens(other_purpose, 1, sealed));
  ChunkCipher other_secret = make("test", kChunksPerKey, std::byte{8});
  EXPECT_FALSE(opens(other_secret, 1, sealed));
  ChunkCipher other_id = make("test", kChunksPerKey, std::byte{7}, std::byte{8});
  EXPECT_FALSE(opens(other_id, 1, sealed));
}

TEST_F(ChunkCipherTest, BindsTheAdditionalData) {
  ChunkCipher cipher = make();
  const Bytes additional = from_hex("0102030405");
  Bytes sealed(kPlain.size() + kTagBytes);
  ASSERT_TRUE(cipher.seal(1, additional, kPlain, sealed).ok());
  EXPECT_TRUE(opens(cipher, 1, sealed, additional));
  EXPECT_FALSE(opens(cipher, 1, sealed));
  EXPECT_FALSE(opens(cipher, 1, sealed, from_hex("0102030406")));
}

TEST_F(ChunkCipherTest, AnyChangedBitIsRefused) {
  ChunkCipher cipher = make();
  const Bytes sealed = seal(cipher, 2);
  for (size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    Bytes changed = sealed;
    changed[bit / 8] ^= std::byte(1 << (bit % 8));
    ASSERT_FALSE(opens(cipher, 2, changed)) << bit;
  }
}

TEST(Hash, MatchesFips180) {
  EXPECT_EQ(hex(sha256(std::as_bytes(std::span(std::string_view("abc")))).value()),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(sha256({}).value()),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Hash, MatchesRfc4231) {
  Digest mac;
  ASSERT_TRUE(
      hmac_sha256(std::as_bytes(std::span(std::string_view("Jefe"))),
                  std::as_bytes(std::span(std::string_view("what do ya want for nothing?"))), mac)
          .ok());
  EXPECT_EQ(hex(mac), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

// RFC 5869, appendix A.1 to A.3.
TEST(Hkdf, MatchesRfc5869) {
  const auto derive = [](const Bytes& secret, const Bytes& salt, const Bytes& info, size_t bytes) {
    Bytes out(bytes);
    EXPECT_TRUE(hkdf_sha256(secret, salt, info, out).ok());
    return hex(out);
  };
  const auto range = [](int first, int last) {
    Bytes bytes;
    for (int i = first; i <= last; ++i) bytes.push_back(static_cast<std::byte>(i));
    return bytes;
  };
  EXPECT_EQ(derive(Bytes(22, std::byte{0x0b}), range(0x00, 0x0c), range(0xf0, 0xf9), 42),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
  EXPECT_EQ(derive(range(0x00, 0x4f), range(0x60, 0xaf), range(0xb0, 0xff), 82),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41"
            "c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87");
  EXPECT_EQ(derive(Bytes(22, std::byte{0x0b}), {}, {}, 42),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

TEST(Ecdh, BothSidesAgreeAndStrangersDoNot) {
  EcdhKeyPair a = EcdhKeyPair::create().value();
  EcdhKeyPair b = EcdhKeyPair::create().value();
  EcdhKeyPair c = EcdhKeyPair::create().value();
  const std::string ab = hex(a.agree(b.public_key()).value().expose_secret());
  EXPECT_EQ(ab, hex(b.agree(a.public_key()).value().expose_secret()));
  EXPECT_NE(ab, hex(c.agree(a.public_key()).value().expose_secret()));
}

TEST(Ecdh, RefusesWhatIsNotAPointOfTheCurve) {
  EcdhKeyPair a = EcdhKeyPair::create().value();
  EXPECT_EQ(a.agree(PublicKey{}).code(), Code::integrity);
  for (size_t byte = 0; byte < kPublicKeyBytes; ++byte) {
    PublicKey off_curve = EcdhKeyPair::create().value().public_key();
    off_curve[byte] ^= std::byte{0x40};
    EXPECT_EQ(a.agree(off_curve).code(), Code::integrity) << byte;
  }
}

class ChannelTest : public ::testing::Test {
 protected:
  struct Sealed {
    Bytes data;
    Tag tag;
  };
  Sealed seal(std::string_view text) {
    Sealed sealed{Bytes(text.size()), {}};
    std::memcpy(sealed.data.data(), text.data(), text.size());
    EXPECT_TRUE(sender_.seal({}, sealed.data, sealed.tag).ok());
    return sealed;
  }
  Code open(Sealed sealed) { return receiver_.open({}, sealed.data, sealed.tag).code(); }

  const AeadKey key_ = key_of("feffe9928665731c6d6a8f9467308308");
  Channel sender_ = Channel::create(key_).value();
  Channel receiver_ = Channel::create(key_).value();
};

TEST_F(ChannelTest, OpensInOrder) {
  EXPECT_EQ(open(seal("one")), Code::ok);
  EXPECT_EQ(open(seal("two")), Code::ok);
  EXPECT_EQ(receiver_.next(), 2U);
}

TEST_F(ChannelTest, RefusesReplayAndReorder) {
  const Sealed first = seal("one");
  const Sealed second = seal("two");
  EXPECT_EQ(open(second), Code::integrity);
  EXPECT_EQ(open(first), Code::ok);
  EXPECT_EQ(open(first), Code::integrity);
  EXPECT_EQ(open(second), Code::ok);
}

TEST_F(ChannelTest, EqualTextsSealDifferently) { EXPECT_NE(seal("same").data, seal("same").data); }

TEST(SessionKeys, DependOnTheDirectionOnBothPublicKeysAndOnTheTerms) {
  SharedSecret secret;
  PublicKey one{};
  PublicKey two{};
  two[1] = std::byte{1};
  const Bytes terms(24, std::byte{3});
  Bytes other_terms = terms;
  other_terms[23] = std::byte{4};
  std::set<std::string> keys;
  const auto add = [&](const PublicKey& host, const PublicKey& tee, const Bytes& of) {
    const Digest transcript = session_transcript(host, tee, of).value();
    const SessionKeys made = derive_session_keys(secret, transcript).value();
    keys.insert(hex(made.to_tee.expose_secret()));
    keys.insert(hex(made.to_host.expose_secret()));
  };
  add(one, two, terms);
  add(two, one, terms);
  add(one, two, other_terms);
  add(one, two, {});
  EXPECT_EQ(keys.size(), 8U);
}

// By Python's hashlib and hmac.
TEST(SessionKeys, KnownAnswer) {
  SharedSecret secret;
  std::ranges::fill(secret.expose_secret(), std::byte{7});
  PublicKey host{};
  PublicKey tee{};
  host.fill(std::byte{1});
  tee.fill(std::byte{2});
  host[0] = tee[0] = std::byte{4};
  Bytes terms(24);
  for (size_t i = 0; i < terms.size(); ++i) terms[i] = static_cast<std::byte>(i);
  const Digest transcript = session_transcript(host, tee, terms).value();
  EXPECT_EQ(hex(transcript), "02ebc6b03ac07c5df976987f44de857566cd54775d26978fc4ade13587184eab");
  const SessionKeys keys = derive_session_keys(secret, transcript).value();
  EXPECT_EQ(hex(keys.to_tee.expose_secret()), "fe59b369f067f6d0d2774a7155061401");
  EXPECT_EQ(hex(keys.to_host.expose_secret()), "6048f5bced6ff854d363953ab3164ec1");
}

// RFC 6979, A.2.5: a P-256 key, and its signature of "sample" with SHA-256.
TEST(Signature, KnownAnswer) {
  const Bytes point = from_hex(
      "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
      "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299");
  const Bytes numbers = from_hex(
      "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
      "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8");
  const Bytes number = from_hex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");
  PublicKey signer;
  Signature signature;
  SigningSecret secret;
  std::ranges::copy(point, signer.begin());
  std::ranges::copy(numbers, signature.begin());
  std::ranges::copy(number, secret.expose_secret().begin());
  const auto bytes = [](std::string_view text) { return std::as_bytes(std::span(text)); };
  EXPECT_TRUE(verify(signer, bytes("sample"), signature).ok());
  EXPECT_EQ(verify(signer, bytes("simple"), signature).code(), Code::integrity);
  for (size_t bit = 0; bit < 8 * signature.size(); ++bit) {
    Signature other = signature;
    other[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    EXPECT_EQ(verify(signer, bytes("sample"), other).code(), Code::integrity) << bit;
  }
  const auto key = SigningKey::from(secret, signer);
  ASSERT_TRUE(key.ok()) << key.status().message();
  const auto made = key->sign(bytes("more"));
  ASSERT_TRUE(made.ok());
  EXPECT_TRUE(verify(signer, bytes("more"), *made).ok());
  secret.expose_secret()[31] ^= std::byte{1};
  EXPECT_EQ(SigningKey::from(secret, signer).code(), Code::invalid_argument);
}

TEST(Signature, KeysAreKept) {
  for (int i = 0; i < 300; ++i) {
    const auto key = SigningKey::create();
    ASSERT_TRUE(key.ok());
    const auto secret = key->secret();
    ASSERT_TRUE(secret.ok());
    const auto again = SigningKey::from(*secret, key->public_key());
    ASSERT_TRUE(again.ok()) << i;
    const auto signature = again->sign(key->public_key());
    ASSERT_TRUE(signature.ok());
    EXPECT_TRUE(verify(key->public_key(), key->public_key(), *signature).ok()) << i;
  }
}

TEST(Provider, PassesItsSelfTest) { EXPECT_TRUE(self_test().ok()); }

}  // namespace
}  // namespace taoism::crypto
