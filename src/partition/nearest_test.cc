#include "partition/nearest.h"

#include <gmock/gmock.h>

#include "partition/random.h"

namespace taoism::partition {
namespace {

TEST(Nearest, EditDistance) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("abc", ""), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
}

TEST(Nearest, SuggestsWhatIsNearAlone) {
  const std::vector<std::string> known = {"layer1.conv1", "layer1.conv2", "fc"};
  EXPECT_THAT(nearest("layer1.conv3", known), testing::ElementsAre("layer1.conv1", "layer1.conv2"));
  EXPECT_EQ(did_you_mean("fx", known), "did you mean 'fc'?");
  EXPECT_EQ(did_you_mean("something else", known), "");
}

TEST(Random, IsTheSameEverywhere) {
  Random random(1234567);
  EXPECT_EQ(random.next(), 6457827717110365317u);
  EXPECT_EQ(random.next(), 3203168211198807973u);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_LT(random.below(7), 7u);
    const float u = random.unit();
    EXPECT_TRUE(u >= 0 && u < 1);
  }
}

}  // namespace
}  // namespace taoism::partition
