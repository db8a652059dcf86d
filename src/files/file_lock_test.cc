#include "files/file_lock.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/test_folder.h"
#include "files/output_file.h"

namespace taoism::files {
namespace {

class FileLockTest : public testing::Test {
 protected:
  int number() const {
    int number = -1;
    std::ifstream(path_) >> number;
    return number;
  }
  const TestFolder temporary_;
  const std::string folder_ = temporary_.path();
  const std::string path_ = folder_ + "/number";
};

TEST_F(FileLockTest, WhatIsNotThereCannotBeLocked) {
  EXPECT_EQ(FileLock::take(path_).code(), Code::not_found);
  std::filesystem::create_symlink("elsewhere", path_);
  EXPECT_EQ(FileLock::take(path_).code(), Code::invalid_argument);
}

// Every holder reads, adds one and replaces the file: without the second look at what was locked, a
// process that waited for a file that is no more would write an older number.
TEST_F(FileLockTest, NoChangeIsLost) {
  constexpr int kProcesses = 8;
  constexpr int kChanges = 25;
  ASSERT_TRUE(write_file(path_, "0").ok());
  for (int p = 0; p < kProcesses; ++p) {
    if (fork() != 0) continue;
    bool is_ok = true;
    for (int change = 0; change < kChanges && is_ok; ++change) {
      const auto lock = FileLock::take(path_);
      is_ok = lock.ok() && write_file(path_, std::to_string(number() + 1)).ok();
    }
    _exit(is_ok ? 0 : 1);
  }
  for (int p = 0; p < kProcesses; ++p) {
    int status = -1;
    ASSERT_GT(wait(&status), 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(number(), kProcesses * kChanges);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_),
                          std::filesystem::directory_iterator()),
            1);
}

}  // namespace
}  // namespace taoism::files
