#include "files/descriptor.h"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace taoism::files {
namespace {

bool is_open(int fd) { return fcntl(fd, F_GETFD) != -1; }
Descriptor opened() { return Descriptor(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

// What it had is closed at once, and not with the one that it came from.
TEST(Descriptor, TakesTheOthersAndClosesItsOwn) {
  Descriptor a = opened(), b = opened();
  const int of_a = a.get(), of_b = b.get();
  ASSERT_TRUE(is_open(of_a) && is_open(of_b));
  a = std::move(b);
  EXPECT_EQ(a.get(), of_b);
  EXPECT_FALSE(b.is_open());
  EXPECT_FALSE(is_open(of_a));
  EXPECT_TRUE(is_open(of_b));
  Descriptor& same = a;
  a = std::move(same);
  EXPECT_EQ(a.get(), of_b);
  EXPECT_TRUE(is_open(of_b));
  a.reset();
  EXPECT_FALSE(is_open(of_b));
}

}  // namespace
}  // namespace taoism::files
