#include "store/layout.h"

#include <gtest/gtest.h>

#include "sample.h"

namespace taoism::store {
namespace {

using attack::large_sample;
using attack::Sample;
using attack::small_sample;
using attack::tight_budget;

TEST(WeightLayout, PiecesCoverEveryWeightAndTheStoreWithoutOverlap) {
  for (const Sample* sample : {&small_sample(), &large_sample()}) {
    const WeightLayout layout(sample->program());
    uint64_t next_offset = 0;
    uint64_t next_counter = 0;
    for (program::WeightId w = 0; w < sample->program().weights.size(); ++w) {
      uint64_t next_byte = 0;
      for (uint32_t piece = 0; piece < layout.pieces(w); ++piece) {
        EXPECT_EQ(layout.begin(w, piece), next_byte);
        EXPECT_GT(layout.end(w, piece), next_byte);
        next_byte = layout.end(w, piece);
        EXPECT_EQ(layout.offset(w, piece), next_offset);
        EXPECT_EQ(layout.sealed_bytes(w, piece),
                  layout.end(w, piece) - layout.begin(w, piece) + crypto::kTagBytes);
        next_offset += layout.sealed_bytes(w, piece);
        EXPECT_EQ(layout.counter(w, piece), next_counter);
        ++next_counter;
      }
      EXPECT_EQ(next_byte, sample->program().weights[w].packed_bytes);
    }
    EXPECT_EQ(next_offset, layout.bytes());
  }
}

TEST(WeightLayout, LargeWeightsHaveSeveralPieces) {
  const WeightLayout layout(large_sample().program());
  uint32_t most = 0;
  for (program::WeightId w = 0; w < large_sample().program().weights.size(); ++w) {
    most = std::max(most, layout.pieces(w));
  }
  EXPECT_GT(most, 2U);
}

TEST(WeightLayout, DoesNotDependOnTheSchedule) {
  const auto tight = large_sample().schedule(tight_budget());
  const auto roomy = large_sample().schedule(0);
  const WeightLayout layout(large_sample().program());
  for (program::WeightId w = 0; w < large_sample().program().weights.size(); ++w) {
    EXPECT_EQ(tight->weights[w].ends, roomy->weights[w].ends);
    ASSERT_EQ(tight->weights[w].ends.size(), layout.pieces(w));
    for (uint32_t piece = 0; piece < layout.pieces(w); ++piece) {
      EXPECT_EQ(tight->weights[w].ends[piece], layout.end(w, piece));
    }
  }
}

TEST(SpillArea, HasRoomForEveryChunk) {
  const program::Schedule& schedule = *large_sample().schedule(tight_budget());
  std::vector<int> owners(schedule.spill_chunks, 0);
  for (const program::SpillPlan& plan : schedule.spills) {
    const uint64_t count = uint64_t{plan.images} * plan.chunks_per_image;
    ASSERT_LE(plan.first_chunk + count, schedule.spill_chunks);
    for (uint64_t i = 0; i < count; ++i) ++owners[plan.first_chunk + i];
    if (plan.images == 0) continue;
    EXPECT_GE(plan.chunks_per_image * program::kPieceBytes, plan.image_bytes);
    EXPECT_LT((plan.chunks_per_image - 1) * program::kPieceBytes, plan.image_bytes);
  }
  EXPECT_EQ(owners, std::vector<int>(schedule.spill_chunks, 1));
  EXPECT_EQ(spill_bytes(schedule), schedule.spill_chunks * kSpillChunkBytes);
}

}  // namespace
}  // namespace taoism::store
