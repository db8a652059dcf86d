#include "partition/knowledge.h"

#include <gmock/gmock.h>

namespace taoism::partition {
namespace {

using testing::ElementsAre;

constexpr uint64_t kLarge = 12;

// Constants of so many elements, each computed from some of those before it.
struct Constants {
  ir::Graph graph;

  ir::ValueId add(int64_t elems, std::vector<ir::ValueId> from = {}, bool is_public = false,
                  ir::Box box = {}) {
    ir::Origin origin{.from = {},
                      .elems = static_cast<uint64_t>(elems),
                      .box = std::move(box),
                      .is_public = is_public};
    for (const ir::ValueId source : from) origin.from.push_back(graph.value(source).origin);
    auto constant = ir::make_constant({ir::DType::f32, {elems}}).first;
    const ir::OriginId id = graph.add_origin(std::move(origin));
    return graph.add_constant("c", std::move(constant), id);
  }
  std::vector<uint64_t> known(std::vector<std::pair<ir::ValueId, uint64_t>> had) const {
    Knowledge knowledge(graph);
    for (const auto& [id, elems] : had) knowledge.add(id, elems);
    return knowledge.known();
  }
};

TEST(Knowledge, GoesBothWaysBetweenATableAndWhatIsComputedFromIt) {
  Constants c;
  const auto table = c.add(kLarge), transposed = c.add(kLarge, {table}), other = c.add(kLarge);
  EXPECT_THAT(c.known({}), ElementsAre(0, 0, 0));
  EXPECT_THAT(c.known({{table, kLarge}}), ElementsAre(kLarge, kLarge, 0));
  EXPECT_THAT(c.known({{transposed, kLarge}}), ElementsAre(kLarge, kLarge, 0));
  EXPECT_THAT(c.known({{other, kLarge}}), ElementsAre(0, 0, kLarge));
}

TEST(Knowledge, OfSiblingsAsFarAsTheyTellOfTheirSource) {
  Constants c;
  const auto table = c.add(kLarge), turned = c.add(kLarge, {table}),
             turned_back = c.add(kLarge, {turned});
  const auto doubled = c.add(kLarge, {table});
  EXPECT_THAT(c.known({{turned_back, kLarge}}), ElementsAre(kLarge, kLarge, kLarge, kLarge));
  EXPECT_THAT(c.known({{doubled, 5}}), ElementsAre(5, 5, 5, 5));
}

// Two slices of one tensor tell nothing of each other, but that the whole is half known.
TEST(Knowledge, NothingOfASliceBesideIt) {
  Constants c;
  const auto part = [&](ir::ValueId whole, int64_t begin, int64_t end) {
    return c.add(end - begin, {whole}, false, {{0, begin}, {4, end}});
  };
  const auto whole = c.add(kLarge), first = part(whole, 0, 6);
  part(whole, 6, 12);
  part(whole, 4, 10);
  EXPECT_THAT(c.known({{first, 6}}), ElementsAre(6, 6, 0, 6));
  EXPECT_THAT(c.known({{first, 2}}), ElementsAre(2, 2, 0, 2));
}

// Of parts of which nobody says where they lie, any may be any.
TEST(Knowledge, OfPartsThatMayBeTheSame) {
  Constants c;
  const auto whole = c.add(kLarge), first = c.add(5, {whole});
  c.add(8, {whole});
  EXPECT_THAT(c.known({{first, 5}}), ElementsAre(5, 5, 5));
}

TEST(Knowledge, AFewUnknownNumbersHideAFew) {
  Constants c;
  const auto table = c.add(kLarge), factor = c.add(1), mask = c.add(kLarge);
  c.add(kLarge, {table, factor});
  c.add(kLarge, {table, mask});
  c.add(kLarge, {factor});  // repeated: who does not have the factor has none of it
  EXPECT_THAT(c.known({{table, kLarge}}), ElementsAre(kLarge, 0, 0, kLarge - 1, 0, 0));
}

TEST(Knowledge, OfWhatIsPublicAllIsKnown) {
  Constants c;
  const auto table = c.add(kLarge, {}, true), factor = c.add(1);
  c.add(kLarge, {table, factor});
  EXPECT_THAT(c.known({}), ElementsAre(kLarge, 0, kLarge - 1));
}

TEST(Knowledge, PartsOfOneOriginAreNotAddedUp) {
  Constants c;
  const auto table = c.add(kLarge);
  EXPECT_THAT(c.known({{table, 7}, {table, 5}}), ElementsAre(7));
}

TEST(Knowledge, WithoutAnOriginAConstantIsItsOwn) {
  ir::Graph graph;
  for (int i = 0; i < 2; ++i) {
    graph.add_constant("c", ir::make_constant({ir::DType::f32, {3}}).first);
    graph.value(i).origin = ir::kNoOrigin;
  }
  Knowledge knowledge(graph);
  EXPECT_NE(knowledge.origin_of(0), knowledge.origin_of(1));
  knowledge.add(1, 3);
  EXPECT_EQ(knowledge.known()[knowledge.origin_of(1)], 3U);
}

// A chain that adds a tensor at each step is linear in space and time.
TEST(Knowledge, ALongChain) {
  Constants c;
  ir::ValueId last = c.add(kLarge);
  for (int i = 0; i < 200000; ++i) last = c.add(kLarge, {last, c.add(1)});
  const auto known = c.known({{last, kLarge}});
  EXPECT_EQ(known.front(), kLarge);
  EXPECT_EQ(known.back(), kLarge);
}

}  // namespace
}  // namespace taoism::partition
