#include "host/memory.h"

#include <gtest/gtest.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <limits>

#include "base/test_folder.h"

namespace taoism::host {
namespace {

constexpr uint64_t kNoBound = std::numeric_limits<uint64_t>::max();

// A tree of groups as the kernel shows it.
class Cgroups : public testing::Test {
 protected:
  void write(const std::string& folder, const std::string& name, const std::string& text) {
    std::filesystem::create_directories(root_.file(folder));
    root_.write(folder + "/" + name, text);
  }
  // A group of version 2.
  void group(const std::string& folder, const std::string& most, const std::string& used) {
    write(folder, "memory.max", most + "\n");
    write(folder, "memory.current", used + "\n");
  }
  uint64_t room(const std::string& groups) const { return cgroup_room_bytes(groups, root_.path()); }

  const TestFolder root_;
};

TEST_F(Cgroups, Version2TakesTheLeastOfAGroupAndThoseAboveIt) {
  group("a", "1000", "400");
  write("a", "memory.stat", "anon 7\ninactive_file 100\nactive_file 3\n");
  group("a/b", "max", "300");
  group("a/c", "500", "450");
  EXPECT_EQ(room("0::/a/b\n"), 700u);
  EXPECT_EQ(room("0::/a/c\n"), 50u);
  EXPECT_EQ(room("0::/a\n"), 700u);
  EXPECT_EQ(room("0::/\n"), kNoBound);
}

TEST_F(Cgroups, Version1KnowsMemoryByItsController) {
  write("memory/x/y", "memory.limit_in_bytes", "2000\n");
  write("memory/x/y", "memory.usage_in_bytes", "2500\n");
  write("memory/x/y", "memory.stat", "inactive_file 1\ntotal_inactive_file 1500\n");
  write("memory", "memory.limit_in_bytes", "9223372036854771712\n");
  write("memory", "memory.usage_in_bytes", "9000\n");
  EXPECT_EQ(room("5:cpu,cpuacct:/x\n4:memory:/x/y\n0::/\n"), 1000u);
  EXPECT_EQ(room("5:cpu:/x/y\n"), kNoBound);
}

TEST_F(Cgroups, WhatIsNotThereBoundsNothing) {
  EXPECT_EQ(room(""), kNoBound);
  EXPECT_EQ(room("nonsense\n0:\n0::/gone/away\n"), kNoBound);
  group("full", "10", "20");
  EXPECT_EQ(room("0::/full"), 0u);
}

TEST(Memory, MoreThanTheMachineHasIsRefused) {
  ASSERT_TRUE(available_memory_bytes().has_value());
  EXPECT_GT(*available_memory_bytes(), uint64_t{1} << 20);
  EXPECT_TRUE(check_memory(0).ok());
  EXPECT_TRUE(check_memory(uint64_t{2} << 20).ok());
  EXPECT_EQ(check_memory(uint64_t{1} << 50).code(), Code::resource_exhausted);
  EXPECT_EQ(take_memory(uint64_t{1} << 50).code(), Code::resource_exhausted);
  const auto buffer = take_memory(uint64_t{2} << 20);
  ASSERT_TRUE(buffer.ok());
  EXPECT_EQ(buffer->size(), size_t{2} << 20);
}

// In a process that may have 8 MiB more than it has: how many of so many allocations are said to
// be there, none of which is made.
int said_to_be_there(uint64_t bytes, int allocations) {
  const pid_t child = ::fork();  // a limit is the whole process's
  if (child == 0) {
    std::ifstream file("/proc/self/statm");
    uint64_t pages = 0;
    file >> pages;
    const rlim_t most = pages * static_cast<uint64_t>(::sysconf(_SC_PAGE_SIZE)) + (8U << 20);
    const rlimit limit{most, most};
    if (::setrlimit(RLIMIT_AS, &limit) != 0) _exit(255);
    int there = 0;
    for (int i = 0; i < allocations; ++i) there += check_memory(bytes).ok() ? 1 : 0;
    _exit(there);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

TEST(Memory, ManySmallAllocationsAreAskedForTogether) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "needs a build without sanitizer, which takes all addresses";
#endif
  EXPECT_EQ(said_to_be_there(1000, 100), 100);
  const int few = said_to_be_there(1000 << 10, 100);  // 98 MiB in all
  EXPECT_GT(few, 0);
  EXPECT_LT(few, 100);
  EXPECT_EQ(said_to_be_there(20 << 20, 1), 0);
}

}  // namespace
}  // namespace taoism::host
