#include "files/private_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/test_exchange.h"
#include "base/test_folder.h"

namespace taoism::files {
namespace {

using ::testing::HasSubstr;

constexpr uid_t kOther = 12345;

class PrivateFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directory(folder_ + "/in");
    std::filesystem::permissions(folder_ + "/in", std::filesystem::perms(0755));
    path_ = folder_ + "/in/key";
    std::ofstream(path_) << "x";
    set_mode(path_, 0600);
  }
  static void set_mode(const std::string& path, mode_t mode) {
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
  }
  void expect_refused(const char* text) const {
    const Status status = check_private_file(path_);
    EXPECT_EQ(status.code(), Code::invalid_argument);
    EXPECT_THAT(status.message(), HasSubstr(text));
    EXPECT_THAT(status.message(), HasSubstr(path_));
  }
  const TestFolder temporary_;
  const std::string folder_ = temporary_.path();
  std::string path_;
};

TEST_F(PrivateFileTest, OursAloneIsTaken) {
  EXPECT_TRUE(check_private_file(path_).ok()) << check_private_file(path_).message();
  set_mode(path_, 0400);
  EXPECT_TRUE(check_private_file(path_).ok());
  EXPECT_EQ(check_private_file(folder_ + "/none").code(), Code::not_found);
  EXPECT_EQ(check_private_folder(folder_ + "/none/key").code(), Code::not_found);
}

TEST_F(PrivateFileTest, WhatHasTwoNamesIsNotReplaced) {
  EXPECT_TRUE(check_one_name(path_).ok());
  std::filesystem::create_hard_link(path_, folder_ + "/other");
  EXPECT_TRUE(check_private_file(path_).ok());  // it may be read
  const Status status = check_one_name(path_);
  EXPECT_EQ(status.code(), Code::invalid_argument);
  EXPECT_THAT(status.message(), HasSubstr("find / -samefile " + path_));
  std::filesystem::remove(folder_ + "/other");
  EXPECT_TRUE(check_one_name(path_).ok());
  EXPECT_EQ(check_one_name(folder_ + "/none").code(), Code::not_found);
}

TEST_F(PrivateFileTest, ReadsAllOfItOrNothing) {
  std::ofstream(path_) << "secret";
  const auto read = [&](size_t room) -> Result<std::string> {
    std::string text(room, '.');
    TAOISM_ASSIGN_OR_RETURN(
        const size_t bytes,
        read_private_file(path_, std::as_writable_bytes(std::span(text.data(), room))));
    return text.substr(0, bytes);
  };
  for (const size_t room : {6, 7, 100}) EXPECT_EQ(read(room).value(), "secret") << room;
  for (const size_t room : {0, 1, 5}) {
    EXPECT_EQ(read(room).code(), Code::invalid_argument) << room;
  }
  set_mode(path_, 0640);
  EXPECT_THAT(read(6).status().message(), HasSubstr("chmod 600 " + path_));
  std::filesystem::remove(path_);
  EXPECT_EQ(read(6).code(), Code::not_found);
  std::ofstream(folder_ + "/other") << "secret";
  set_mode(folder_ + "/other", 0600);
  std::filesystem::create_symlink(folder_ + "/other", path_);
  EXPECT_THAT(read(6).status().message(), HasSubstr("a link"));
}

// A file that others may write is put in its place, and taken away again, while it is read.
TEST_F(PrivateFileTest, WhatIsCheckedIsWhatIsRead) {
  const std::string other = folder_ + "/in/other";
  std::ofstream(other) << "y";
  set_mode(other, 0666);
  const TestExchange exchange(path_, other);
  int right = 0;
  constexpr int kRounds = 3000, kMost = 100 * kRounds;  // until it was ours once, if ever
  for (int i = 0; i < kRounds || (right == 0 && i < kMost); ++i) {
    char letter = '.';
    const auto bytes = read_private_file(path_, std::as_writable_bytes(std::span(&letter, 1)));
    ASSERT_NE(letter, 'y') << i;
    right += bytes.ok() ? 1 : 0;
  }
  EXPECT_GT(right, 0);
}

TEST_F(PrivateFileTest, WhatOthersMayReadIsNot) {
  for (const mode_t mode : {0640, 0604, 0620, 0602, 0610, 0666}) {
    set_mode(path_, mode);
    expect_refused("chmod 600");
  }
}

TEST_F(PrivateFileTest, WhatOthersMayReplaceIsNot) {
  set_mode(folder_ + "/in", 0777);
  expect_refused("chmod o-w");
  EXPECT_FALSE(check_private_folder(path_).ok());
  // Its user's own group too, and where an access list makes these bits those of its mask.
  set_mode(folder_ + "/in", 0775);
  expect_refused("chmod g-w");
  EXPECT_FALSE(check_private_folder(path_).ok());
  set_mode(folder_ + "/in", 01777);
  EXPECT_TRUE(check_private_file(path_).ok());
  // Whoever may replace a folder replaces what is in it.
  set_mode(folder_ + "/in", 0755);
  set_mode(folder_, 0777);
  expect_refused("chmod o-w");
}

TEST_F(PrivateFileTest, AnotherUsersIsNot) {
  if (geteuid() != 0) GTEST_SKIP() << "only root gives files away";
  // What is of whoever is neither us nor root is refused, whatever its mode.
  ASSERT_EQ(chown(path_.c_str(), kOther, kOther), 0);
  expect_refused("another user");
  ASSERT_EQ(chown(path_.c_str(), 0, 0), 0);
  ASSERT_EQ(chown((folder_ + "/in").c_str(), kOther, kOther), 0);
  expect_refused("another user");
  set_mode(folder_ + "/in", 01777);
  expect_refused("another user");
}

// Who has a folder above may put another in its place, or a link to an older one.
TEST_F(PrivateFileTest, NorIsWhatLiesBelowAnotherUsers) {
  if (geteuid() != 0) GTEST_SKIP() << "only root gives files away";
  const std::string named = path_;
  const std::string above = folder_ + "/above";
  std::filesystem::create_directories(above + "/in");
  std::filesystem::copy(named, above + "/in/key");
  path_ = above + "/in/key";
  EXPECT_TRUE(check_private_file(path_).ok()) << check_private_file(path_).message();
  for (const mode_t mode : {0755, 01777}) {
    set_mode(above, mode);
    ASSERT_EQ(chown(above.c_str(), kOther, kOther), 0);
    expect_refused((above + " belongs to another user").c_str());
    EXPECT_FALSE(check_private_folder(path_).ok());
  }
  std::filesystem::create_directory_symlink(folder_ + "/in", above + "/link");
  path_ = above + "/link/key";
  expect_refused((above + " belongs to another user").c_str());
  path_ = above + "/in/../../in/key";
  expect_refused((above + " belongs to another user").c_str());
  // In a sticky folder of ours a link is its maker's.
  ASSERT_EQ(chown(above.c_str(), 0, 0), 0);
  path_ = above + "/link/key";
  EXPECT_TRUE(check_private_file(path_).ok()) << check_private_file(path_).message();
  ASSERT_EQ(lchown((above + "/link").c_str(), kOther, kOther), 0);
  expect_refused("link belongs to another user");
}

// The same where all is ours: links in a sticky folder, what lies behind "..", what leads nowhere.
TEST_F(PrivateFileTest, EveryFolderAndLinkOnTheWayIsLookedAt) {
  const std::string above = folder_ + "/above";
  std::filesystem::create_directory(above);
  std::filesystem::create_directory_symlink(folder_ + "/in", above + "/link");
  std::filesystem::create_directory_symlink("loop", above + "/loop");
  const std::string ways[] = {"/above/link/key", "/above/../in/key", "/above/link/../in/key"};
  for (const mode_t mode : {0755, 01777}) {
    set_mode(above, mode);
    for (const std::string& way : ways) {
      path_ = folder_ + way;
      EXPECT_TRUE(check_private_file(path_).ok()) << check_private_file(path_).message();
    }
  }
  set_mode(above, 0775);
  for (const std::string& way : ways) {
    path_ = folder_ + way;
    expect_refused(("chmod g-w " + above).c_str());
  }
  set_mode(above, 0755);
  // Each with the folder that is behind it.
  set_mode(folder_ + "/in", 0777);
  path_ = folder_ + "/above/link/key";
  expect_refused(("chmod o-w " + folder_ + "/in").c_str());
  path_ = above + "/loop/key";
  const Status loop = check_private_folder(path_);
  EXPECT_EQ(loop.code(), Code::invalid_argument);
  EXPECT_EQ(loop.message(), above + "/loop: " + std::strerror(ELOOP));
  EXPECT_EQ(check_private_file(path_).code(), Code::invalid_argument);
}

TEST_F(PrivateFileTest, OnlyAFileIs) {
  std::filesystem::rename(path_, folder_ + "/in/other");
  std::filesystem::create_symlink("other", path_);
  expect_refused("a link");
  std::filesystem::remove(path_);
  std::filesystem::create_directory(path_);
  expect_refused("not a file");
}

}  // namespace
}  // namespace taoism::files
