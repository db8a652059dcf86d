// A hostile host with a package: its sealed program spoiled, swapped, rolled back or loaded into
// places where it may not lie, and a TEE with another key, or none. Only what the owner sealed, at
// its place, gives an answer, and it is the right one.
#include <algorithm>
#include <functional>

#include <gtest/gtest.h>

#include "judge.h"
#include "package_attack.h"
#include "tally.h"

namespace taoism::attack {
namespace {

using store::PackageContext;
using wire::LoadPackaged;
using wire::Message;
using wire::MessageType;
using wire::Text;

constexpr uint64_t kHuge = ~uint64_t{0};
constexpr Outcome kOutside{Code::policy, Text::range_outside_payload};
constexpr Outcome kOverlap{Code::policy, Text::slots_overlap};

Message load_message(const LoadPackaged& request) {
  return Message::of(MessageType::load_packaged, request);
}

// Both segments through the judge, who knows the right answers: the first refusal, or ok.
Outcome run_judged(Judge& judge, Host& host) {
  for (uint32_t segment = 0; segment < 2; ++segment) {
    const Message run = host.run_message(segment, host.sample().input(segment, 2));
    const Outcome outcome = judge.send(host, run);
    if (outcome.code != Code::ok) return outcome;
  }
  return {};
}

Outcome load_and_run(Judge& judge, Host& host, const Message& message) {
  judge.forget();
  const Outcome loaded = judge.send(host, message);
  const Outcome outcome = loaded.code == Code::ok ? run_judged(judge, host) : loaded;
  tally(outcome);
  return outcome;
}

// The header of the sample's store and its program: what the owner seals.
std::vector<std::byte> plain_of(const Sample& sample) {
  const ConstByteSpan head = object_bytes(sample.header());
  std::vector<std::byte> plain(head.begin(), head.end());
  plain.insert(plain.end(), sample.encoded().begin(), sample.encoded().end());
  return plain;
}

TEST(PackageAttack, WithoutAnAttackTheAnswerIsRight) {
  Judge calm(small_sample(), 0);
  Judge tight(large_sample(), tight_budget());
  for (Judge* judge : {&calm, &tight}) {
    Host host(judge == &calm ? small_sample() : large_sample(),
              judge == &calm ? 0 : tight_budget());
    const Message message = sealed_beside_weights(host);
    EXPECT_EQ(load_and_run(*judge, host, message), Outcome());
    // No session was opened; with one it is the same, and after closing it loads again.
    ASSERT_EQ(host.send(host.close_program()).code, Code::ok);
    ASSERT_EQ(host.open_session().code, Code::ok);
    EXPECT_EQ(load_and_run(*judge, host, message), Outcome());
  }
  // By the operators' plain definitions.
  Host host;
  host.load_everything(Host::Way::package);
  const Floats inputs[] = {host.sample().input(0, 1), host.sample().input(1, 1)};
  const Floats want = host.sample().reference(inputs)[1][0];
  const Floats got = host.run_all(inputs[0], inputs[1]);
  for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-5F) << i;
}

TEST(PackageAttack, TheNameIsMadeOfWhatTheHostHas) {
  Host host;
  ASSERT_EQ(host.send(sealed_beside_weights(host)).code, Code::ok);
  EXPECT_EQ(host.reply().as<wire::LoadPackagedReply>().program, host.id());
}

// Where in LoadPackaged a bit is, and what may come of its flipping.
struct Field {
  const char* name;
  size_t offset, bytes;
  std::vector<Outcome> allowed;
};

constexpr Outcome kBadHead{Code::integrity, Text::package_head_wrong};
constexpr Outcome kBadSignature{Code::integrity, Text::package_signature_wrong};
constexpr Outcome kBadPart{Code::integrity, Text::package_part_wrong};
constexpr Outcome kOtherFormat{Code::integrity, Text::package_other_format};

std::vector<Field> fields() {
  const Outcome wrong_size{Code::policy, Text::store_bytes_wrong};
  const Outcome wrong_weights{Code::integrity, Text::outside_not_authentic};
  return {
      {"file.offset", offsetof(LoadPackaged, file), 8, {kOtherFormat, kBadHead, kOutside}},
      {"file.bytes", offsetof(LoadPackaged, file) + 8, 8, {kOtherFormat, kBadHead, kOutside}},
      // The area for spilled chunks may lie anywhere and be larger than needed.
      {"spill.offset",
       offsetof(LoadPackaged, spill),
       8,
       {Outcome(), kOutside, kOverlap, wrong_weights}},
      {"spill.bytes",
       offsetof(LoadPackaged, spill) + 8,
       8,
       {Outcome(), kOutside, kOverlap, wrong_size}},
      {"index",
       offsetof(LoadPackaged, index),
       4,
       {Outcome{Code::policy, Text::package_index_unknown}}},
      {"unused", offsetof(LoadPackaged, unused), 4, {Outcome()}},
  };
}

void flip_every_bit(const Sample& sample, uint64_t budget, size_t step) {
  Judge judge(sample, budget);
  size_t flipped = 0;
  for (const Field& field : fields()) {
    for (size_t bit = 0; bit < 8 * field.bytes; bit += step) {
      Host host(sample, budget);
      host.keys().key.least_version = sample.header().version;
      Message message = sealed_beside_weights(host);
      message.body[field.offset + bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
      const Outcome outcome = load_and_run(judge, host, message);
      EXPECT_TRUE(std::ranges::find(field.allowed, outcome) != field.allowed.end())
          << field.name << ", bit " << bit << ": " << outcome_name(outcome);
      ++flipped;
    }
    if (::testing::Test::HasFailure()) return;
  }
  if (step == 1) {
    EXPECT_EQ(flipped, 8 * sizeof(LoadPackaged));
  }
}

TEST(PackageAttack, EveryBitOfTheMessage) { flip_every_bit(small_sample(), 0, 1); }
TEST(PackageAttack, BitsOfTheMessageToASmallTee) {
  flip_every_bit(large_sample(), tight_budget(), 3);
}

TEST(PackageAttack, EveryByteOfTheSealedPart) {
  Judge judge(small_sample(), 0);
  const uint64_t bytes = Host().regions().sealed.bytes;
  for (uint64_t at = 0; at < bytes; at += at + 64 < bytes ? 3 : 1) {
    Host host;
    const Message message = sealed_beside_weights(host);
    host.part(host.regions().sealed)[at] ^= static_cast<std::byte>(1U << at % 8);
    EXPECT_EQ(load_and_run(judge, host, message), kBadPart) << at;
  }
}

// Every bit of header, table, signature, manifest and graph, and of what lies between them.
TEST(PackageAttack, EveryBitOfWhatIsPublic) {
  Judge judge(small_sample(), 0);
  const Host::Regions regions = Host().regions();
  const uint64_t bits = 8 * (regions.sealed.offset - regions.file.offset);
  size_t opened = 0;
  for (uint64_t bit = 0; bit < bits; ++bit) {
    Host host;
    const Message message = sealed_beside_weights(host);
    host.part(host.regions().file)[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    const Outcome outcome = load_and_run(judge, host, message);
    if (outcome == Outcome()) {
      ++opened;
      continue;
    }
    EXPECT_TRUE(outcome == kBadHead || outcome == kBadSignature || outcome == kBadPart ||
                outcome == kOtherFormat)
        << bit << ": " << outcome_name(outcome);
  }
  // Only what fills up to the next part is looked at by nobody.
  Host host;
  sealed_beside_weights(host);
  uint64_t filled = 0;
  for (const store::PartKind kind : {store::PartKind::manifest, store::PartKind::graph}) {
    const uint64_t bytes = host.head().part(kind, 0).bytes;
    filled += round_up(bytes, kAlignment) - bytes;
  }
  filled += round_up(store::PackageHead::bytes_of(host.head().parts().size()), kAlignment) -
            store::PackageHead::bytes_of(host.head().parts().size());
  EXPECT_EQ(opened, 8 * filled);
}

// What only whoever signs could change, signed by whoever cannot: cut out, swapped, replaced,
// rolled back.
TEST(PackageAttack, OnlyTheOwnerSigns) {
  const crypto::SigningKey stranger = crypto::SigningKey::create().value();
  const std::function<void(Host&)> spoilt[] = {
      [](Host&) {},
      [](Host& h) { h.head().part(store::PartKind::graph, 0).sha256 = {}; },
      [](Host& h) { h.head().part(store::PartKind::program, 0).count = 1; },
  };
  for (const auto& spoil : spoilt) {
    Host host;
    const Message message = sealed_beside_weights(host);
    spoil(host);
    ASSERT_TRUE(host.head().sign(stranger).ok());
    host.put_head();
    const Outcome want{Code::integrity, Text::package_signer_unknown};
    EXPECT_EQ(host.send(message), want);
    EXPECT_EQ(host.send(Message::of(MessageType::ping)), want);
    tally(want);
  }
  // The owner's key over a signature that is not the owner's.
  Host host;
  const Message message = sealed_beside_weights(host);
  ASSERT_TRUE(host.head().sign(stranger).ok());
  std::vector<std::byte> head = host.head().encode();
  std::ranges::copy(test_owner().public_key(),
                    head.end() - static_cast<ptrdiff_t>(sizeof(store::PackageSignature)));
  std::ranges::copy(head, host.part(host.regions().file).begin());
  EXPECT_EQ(host.send(message), kBadSignature);
}

TEST(PackageAttack, OwnersComeAndGo) {
  const crypto::SigningKey next = crypto::SigningKey::create().value();
  const auto sent = [&](const crypto::SigningKey& signer, bool knows_next, bool revokes_first) {
    Host host;
    if (knows_next) host.keys().key.owners.keys.push_back(next.public_key());
    if (revokes_first) {
      host.keys().key.owners.revoked.push_back(store::owner_id(test_owner().public_key()).value());
    }
    const Message message = sealed_beside_weights(host);
    TAOISM_CHECK(host.head().sign(signer).ok());
    host.put_head();
    return host.send(message);
  };
  const Outcome unknown{Code::integrity, Text::package_signer_unknown};
  const Outcome revoked{Code::integrity, Text::package_signer_revoked};
  EXPECT_EQ(sent(test_owner(), false, false), Outcome());
  EXPECT_EQ(sent(next, false, false), unknown);
  EXPECT_EQ(sent(test_owner(), true, false), Outcome());
  EXPECT_EQ(sent(next, true, false), Outcome());
  EXPECT_EQ(sent(test_owner(), true, true), revoked);
  EXPECT_EQ(sent(next, true, true), Outcome());
}

// An owner's signature over what the program is not.
TEST(PackageAttack, AProgramHasWhatItsPackageSays) {
  const Outcome invalid{Code::integrity, Text::program_invalid};
  for (const bool is_segments : {true, false}) {
    Host host;
    const Message message = sealed_beside_weights(host);
    ++host.head().part(is_segments ? store::PartKind::program : store::PartKind::weights, 0).count;
    ASSERT_TRUE(host.head().sign(test_owner()).ok());
    host.put_head();
    EXPECT_EQ(host.send(message), invalid);
  }
}

TEST(PackageAttack, NoOtherLengthOpens) {
  const uint64_t whole = Host().regions().file.bytes;
  for (uint64_t bytes = 0; bytes <= whole + 64;
       bytes += bytes < 900 || bytes > whole - 64 ? 1 : 37) {
    if (bytes == whole) continue;
    Host host;
    auto request = sealed_beside_weights(host).as<LoadPackaged>();
    request.file.bytes = bytes;
    const Outcome outcome = host.send(load_message(request));
    EXPECT_TRUE(outcome == kBadHead || outcome == kOtherFormat || outcome == kOutside)
        << bytes << ": " << outcome_name(outcome);
    EXPECT_EQ(host.send(Message::of(MessageType::ping)), outcome);
    tally(outcome);
  }
}

TEST(PackageAttack, NoProgramIsSoLong) {
  SerialParallel serial;
  TestKeys keys;
  keys.when = TestKeys::When::always;
  AlignedBuffer memory(1 << 16), payload(trusted::kMaxProgramBytes + 8192);
  for (const uint64_t more : {0, 1}) {
    const auto part = [](store::PartKind kind, uint64_t bytes, uint32_t count = 0) {
      store::PackagePart part;
      part.kind = static_cast<uint32_t>(kind);
      part.bytes = bytes;
      part.count = count;
      part.sha256 = crypto::sha256({}).value();
      return part;
    };
    store::PackageHead head = store::PackageHead::lay_out(
        {},
        {part(store::PartKind::manifest, 0), part(store::PartKind::graph, 0),
         part(store::PartKind::program, trusted::kMaxProgramBytes + crypto::kTagBytes + more, 1),
         part(store::PartKind::plan, crypto::kTagBytes), part(store::PartKind::weights, 0)});
    ASSERT_TRUE(head.sign(test_owner()).ok());
    std::ranges::copy(head.encode(), payload.data());
    trusted::Image image(memory.span(), serial, &keys);
    LoadPackaged request{};
    request.file = {0, head.header().file_bytes};
    wire::Reply reply;
    image.call(load_message(request), payload.span(), reply);
    EXPECT_EQ(static_cast<Text>(reply.text),
              more == 0 ? Text::package_part_wrong : Text::sealed_too_long);
  }
}

// Authentic parts that are not the one that the message claims to load.
struct Claim {
  const char* name;
  std::function<void(PackageContext&)> seal_as;
};

class OtherPart : public ::testing::TestWithParam<Claim> {};

TEST_P(OtherPart, DoesNotOpen) {
  Host host;
  host.put_weights();
  PackageContext context = host.package_context();
  GetParam().seal_as(context);
  const Outcome outcome =
      host.send(host.seal_packaged(plain_of(host.sample()), context, host.package_context()));
  EXPECT_EQ(outcome, kForged);
  EXPECT_EQ(host.send(Message::of(MessageType::ping)), outcome);
  tally(outcome);
}

const Claim kClaims[] = {
    {"OfAnotherIndex", [](auto& c) { ++c.index; }},
    {"OfAnOlderVersion", [](auto& c) { --c.version; }},
    {"OfANewerVersion", [](auto& c) { ++c.version; }},
    {"OfAnotherPackage", [](auto& c) { c.package[15] ^= std::byte{1}; }},
    {"OfAnotherManifest", [](auto& c) { c.manifest[31] ^= std::byte{1}; }},
    {"ThePlan", [](auto& c) { c.part = static_cast<uint32_t>(store::PartKind::plan); }},
    {"OfNoKind", [](auto& c) { c.part = 7; }},
};

INSTANTIATE_TEST_SUITE_P(Cases, OtherPart, ::testing::ValuesIn(kClaims),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(PackageAttack, AnotherSizeThanWasSealed) {
  // The size is in what is authenticated, and not only by the length of the ciphertext.
  Host host;
  const Message message = sealed_beside_weights(host);
  PackageContext context = host.package_context();
  const std::vector<std::byte> plain = plain_of(host.sample());
  context.bytes = plain.size() + 1;
  const ByteSpan sealed = host.part(host.regions().sealed);
  ASSERT_TRUE(store::seal_part(TestKeys().key, context, plain, sealed).ok());
  host.head().part(store::PartKind::program, 0).sha256 = crypto::sha256(sealed).value();
  ASSERT_TRUE(host.head().sign(test_owner()).ok());
  host.put_head();
  EXPECT_EQ(host.send(message), kForged);
}

TEST(PackageAttack, OlderThanTheKeyAccepts) {
  const uint64_t version = small_sample().header().version;
  for (const uint64_t least : {version - 1, version, version + 1, kHuge}) {
    Host host;
    host.keys().key.least_version = least;
    const Message message = sealed_beside_weights(host);
    const Outcome outcome = host.send(message);
    const Outcome want = least > version ? Outcome{Code::policy, Text::package_too_old} : Outcome();
    EXPECT_EQ(outcome, want) << least;
    EXPECT_EQ(host.send(Message::of(MessageType::ping)), outcome);
    tally(outcome);
    // What the file says is what was signed.
    if (least <= version) continue;
    Host liar;
    liar.keys().key.least_version = least;
    const Message claimed = sealed_beside_weights(liar);
    std::memcpy(liar.part(liar.regions().file).data() + offsetof(store::PackageHeader, version),
                &least, sizeof(least));
    EXPECT_EQ(liar.send(claimed), kBadSignature);
  }
}

TEST(PackageAttack, WithoutAKeyOrWithAnother) {
  const Outcome no_key{Code::policy, Text::no_package_key};
  Host none;
  none.keys().when = TestKeys::When::never;
  EXPECT_EQ(none.send(sealed_beside_weights(none)), no_key);
  EXPECT_EQ(none.send(Message::of(MessageType::ping)), no_key);

  SerialParallel serial;
  AlignedBuffer memory(1 << 16);
  trusted::Image image(memory.span(), serial);
  Host host;
  const Message message = sealed_beside_weights(host);
  wire::Reply reply;
  image.call(message, host.payload(), reply);
  EXPECT_EQ(static_cast<Text>(reply.text), Text::no_package_key);
  EXPECT_EQ(static_cast<Code>(reply.code), Code::policy);

  for (size_t byte = 0; byte < crypto::kStoreSecretBytes; ++byte) {
    Host other;
    other.keys().key.secret.expose_secret()[byte] ^= static_cast<std::byte>(1U << byte % 8);
    EXPECT_EQ(other.send(sealed_beside_weights(other)), kForged);
    tally(kForged);
  }
}

// Whoever has the session's key is no owner of packages: whatever the order, it gets nothing into a
// TEE that could open one.
TEST(PackageAttack, BesideAPackageNoStrangersProgramRuns) {
  const Outcome refused{Code::policy, Text::packages_only};
  for (const bool is_package_first : {false, true}) {
    Host host(2 * Host().arena().size());
    host.keys().when = TestKeys::When::always;
    ASSERT_EQ(host.open_session(), Outcome());
    if (is_package_first) {
      ASSERT_EQ(host.send(sealed_beside_weights(host)), Outcome());
    }
    const Message owners = host.run_message(0, host.sample().input(0, 1));
    EXPECT_EQ(host.send(host.seal_program()), refused);
    EXPECT_EQ(host.send(owners), refused);
    tally(refused);
  }
  // Without the key it is as welcome as any.
  Host host;
  host.keys().when = TestKeys::When::never;
  host.load_everything();
}

TEST(PackageAttack, MayNotBeLoadedTwice) {
  Host host(2 * Host().arena().size());
  const Message message = sealed_beside_weights(host);
  ASSERT_EQ(host.send(message).code, Code::ok);
  EXPECT_EQ(host.send(message), (Outcome{Code::policy, Text::program_exists}));
  EXPECT_EQ(host.send(Message::of(MessageType::ping)).text, Text::program_exists);
}

TEST(PackageAttack, NoMoreProgramsThanThereMayBe) {
  Host host((trusted::kMaxPrograms + 1) * Host().arena().size());
  host.put_weights();
  PackageContext context = host.package_context();
  for (size_t i = 0; i <= trusted::kMaxPrograms; ++i) {
    context.package[0] = static_cast<std::byte>(i);
    const Outcome outcome = host.send(host.seal_packaged(plain_of(host.sample()), context));
    const Outcome want =
        i < trusted::kMaxPrograms ? Outcome() : Outcome{Code::policy, Text::too_many_programs};
    EXPECT_EQ(outcome, want) << i;
  }
}

TEST(PackageAttack, TooLittleMemorySaysWhatWouldDo) {
  Judge judge(large_sample(), tight_budget());
  for (const uint64_t budget :
       {uint64_t{64}, uint64_t{4096}, tight_budget() / 2, tight_budget() - (64 << 10)}) {
    Host small(large_sample(), budget);
    const Outcome outcome = small.send(sealed_beside_weights(small));
    EXPECT_EQ(outcome, (Outcome{Code::resource_exhausted, Text::arena_too_small})) << budget;
    // Nothing but that is said, and the TEE lives on.
    wire::Reply bare;
    bare.code = small.reply().code;
    bare.text = small.reply().text;
    bare.needed_bytes = small.reply().needed_bytes;
    EXPECT_EQ(std::memcmp(&bare, &small.reply(), sizeof(bare)), 0);
    EXPECT_EQ(bare.needed_bytes, tight_budget());
    EXPECT_EQ(small.send(Message::of(MessageType::ping)), Outcome());
    tally(outcome);

    Host enough(large_sample(), bare.needed_bytes);
    EXPECT_EQ(load_and_run(judge, enough, sealed_beside_weights(enough)), Outcome());
  }
}

// What only a careless owner seals: authentic, and no program.
TEST(PackageAttack, AuthenticButNoProgram) {
  const Outcome invalid{Code::integrity, Text::program_invalid};
  const std::vector<std::byte> whole = plain_of(small_sample());
  for (size_t bytes = 0; bytes < whole.size(); bytes += bytes < 96 ? 1 : 41) {
    for (const bool is_cut : {true, false}) {
      std::vector<std::byte> plain(bytes, std::byte{0xff});
      if (is_cut) plain.assign(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(bytes));
      Host host;
      host.put_weights();
      const Outcome outcome = host.send(host.seal_packaged(plain, host.package_context()));
      EXPECT_EQ(outcome, invalid) << bytes;
      tally(outcome);
    }
  }
}

TEST(PackageAttack, WeightsOfAnotherStore) {
  Judge judge(small_sample(), 0);
  Host host;
  const Message message = host.seal_packaged();
  std::ranges::copy(small_sample().seal_weights(store::new_store(7).value()),
                    host.part(host.regions().weights).begin());
  EXPECT_EQ(load_and_run(judge, host, message),
            (Outcome{Code::integrity, Text::outside_not_authentic}));
}

// Sealed part, weights and spill area lie in the payload, have their sizes and do not overlap.
struct PlaceCase {
  const char* name;
  Outcome outcome;
  std::function<void(Host&, LoadPackaged&)> spoil;
};

class PackagePlace : public ::testing::TestWithParam<PlaceCase> {};

TEST_P(PackagePlace, EndsTheSession) {
  Host host(large_sample(), tight_budget());
  auto request = sealed_beside_weights(host).as<LoadPackaged>();
  GetParam().spoil(host, request);
  const std::vector<std::byte> before(host.payload().begin(), host.payload().end());
  const Outcome outcome = host.send(load_message(request));
  EXPECT_EQ(outcome, GetParam().outcome);
  EXPECT_TRUE(std::ranges::equal(before, host.payload())) << "something was written";
  EXPECT_TRUE(host.guards_hold());
  EXPECT_EQ(host.reply().peak_arena_bytes, 0U);
  EXPECT_EQ(host.send(Message::of(MessageType::ping)), outcome);
  tally(outcome);
}

constexpr Outcome kWrongSize{Code::policy, Text::store_bytes_wrong};

const PlaceCase kPlaces[] = {
    {"FileOutside", kOutside,
     [](Host& h, auto& r) { r.file.offset = h.payload().size() - r.file.bytes + 1; }},
    {"FileBeyond", kOutside, [](Host& h, auto& r) { r.file.offset = h.payload().size() + 1; }},
    {"FileOverflows", kOutside, [](Host&, auto& r) { r.file.offset = kHuge - r.file.bytes + 1; }},
    {"FileHuge", kOutside, [](Host&, auto& r) { r.file.bytes = kHuge; }},
    {"FileElsewhere", kOtherFormat, [](Host&, auto& r) { r.file.offset = 0; }},
    {"NoFile", kOtherFormat, [](Host&, auto& r) { r.file = {}; }},
    {"SpillTooShort", kWrongSize, [](Host&, auto& r) { --r.spill.bytes; }},
    {"NoSpill", kWrongSize, [](Host&, auto& r) { r.spill = {}; }},
    {"TheTwoSwapped", kOtherFormat, [](Host&, auto& r) { std::swap(r.spill, r.file); }},
    {"SpillOutside", kOutside,
     [](Host& h, auto& r) { r.spill.offset = h.payload().size() - r.spill.bytes + 1; }},
    {"SpillBeyond", kOutside, [](Host& h, auto& r) { r.spill.offset = h.payload().size() + 1; }},
    {"SpillOverflows", kOutside,
     [](Host&, auto& r) { r.spill.offset = kHuge - r.spill.bytes + 1; }},
    {"SpillHuge", kOutside, [](Host&, auto& r) { r.spill.bytes = kHuge; }},
    {"SpillOverFile", kOverlap, [](Host&, auto& r) { r.spill.offset = r.file.offset; }},
    {"TheyShareAByte", kOverlap,
     [](Host&, auto& r) { r.spill.offset = r.file.offset + r.file.bytes - 1; }},
};

INSTANTIATE_TEST_SUITE_P(Cases, PackagePlace, ::testing::ValuesIn(kPlaces),
                         [](const auto& info) { return std::string(info.param.name); });

// Whichever way each of two programs came.
TEST(PackageAttack, TheSpillAreaOfAnotherProgram) {
  for (const bool is_first_packaged : {true, false}) {
    for (const bool is_apart : {false, true}) {
      Host host(large_sample(), tight_budget());
      host.load_everything(is_first_packaged ? Host::Way::package : Host::Way::session);
      PackageContext context = host.package_context();
      context.package[0] ^= std::byte{1};
      auto request = host.seal_packaged(plain_of(host.sample()), context).as<LoadPackaged>();
      if (is_apart) {
        request.spill = {};
      } else {
        request.spill.offset += request.spill.bytes - 1;
        request.spill.bytes = 1;
      }
      // Apart there is no wrong but that the memory is taken.
      EXPECT_EQ(host.send(load_message(request)),
                is_apart ? (Outcome{Code::resource_exhausted, Text::arena_too_small}) : kOverlap);
    }
  }
  // A session's program over the spill area of a packaged one.
  Host host(large_sample(), tight_budget());
  host.load_everything(Host::Way::package);
  EXPECT_EQ(host.send(host.seal_program()), kOverlap);
}

TEST(PackageAttack, AnOutputOverWhatIsKeptOutside) {
  for (const bool over_weights : {true, false}) {
    for (const bool is_first_byte : {true, false}) {
      Host host(large_sample(), tight_budget());
      host.load_everything(Host::Way::package);
      const Message good = host.run_message(0, host.sample().input(0, 1));
      const auto request = good.as<wire::RunSegment>();
      auto* slots = reinterpret_cast<wire::Range*>(host.part(request.slots).data());
      wire::Range& last = slots[request.slots.bytes / sizeof(wire::Range) - 1];
      const wire::Range kept = over_weights ? host.regions().weights : host.regions().spill;
      last.offset = is_first_byte ? kept.offset - last.bytes + 1 : kept.offset + kept.bytes - 1;
      if (last.offset + last.bytes > host.payload().size()) last.offset = kept.offset;
      const Outcome outcome = host.send(good);
      EXPECT_EQ(outcome, kOverlap) << over_weights;
      tally(outcome);
    }
  }
}

}  // namespace
}  // namespace taoism::attack
