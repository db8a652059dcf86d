#include "files/output_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "base/test_folder.h"

namespace taoism::files {
namespace {

class OutputFileTest : public testing::Test {
 protected:
  size_t entries() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_),
                                             std::filesystem::directory_iterator()));
  }
  static mode_t mode(const std::string& path) {
    struct stat status = {};
    EXPECT_EQ(stat(path.c_str(), &status), 0);
    return status.st_mode & 0777;
  }
  const TestFolder temporary_;
  const std::string folder_ = temporary_.path();
};

TEST_F(OutputFileTest, AppearsOnlyWhenCommitted) {
  std::string path = folder_ + "/a.json";
  {
    Result<OutputFile> file = OutputFile::create(path);
    ASSERT_TRUE(file.ok()) << file.status().message();
    ASSERT_TRUE(file->append("lost").ok());
    EXPECT_FALSE(std::filesystem::exists(path));
  }
  EXPECT_EQ(entries(), 0U);
  ASSERT_TRUE(write_file(path, "one").ok());
  ASSERT_TRUE(write_file(path, "two").ok());
  EXPECT_EQ(file_text(path), "two");
  EXPECT_EQ(entries(), 1U);
}

TEST_F(OutputFileTest, FullDiskIsAnError) {
  Status status = write_file("/dev/full", "x");
  EXPECT_EQ(status.code(), Code::resource_exhausted);
  EXPECT_NE(status.message().find("/dev/full"), std::string::npos);
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/full"));
}

TEST_F(OutputFileTest, BadPathsAreErrors) {
  EXPECT_EQ(write_file(folder_ + "/no/such/a", "x").code(), Code::not_found);
  EXPECT_EQ(write_file(folder_, "x").code(), Code::invalid_argument);
  EXPECT_EQ(write_file("", "x").code(), Code::not_found);
  EXPECT_EQ(entries(), 0U);
}

TEST_F(OutputFileTest, WhereThereMustBeNone) {
  const std::string path = folder_ + "/a";
  for (const bool is_there : {false, true}) {
    Result<OutputFile> file = OutputFile::create(path);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file->append(is_there ? "second" : "first").ok());
    EXPECT_EQ(file->commit_new().ok(), !is_there);
  }
  EXPECT_EQ(file_text(path), "first");
  EXPECT_EQ(entries(), 1U);
}

// The umask counts and is not touched, for other threads make files too.
TEST_F(OutputFileTest, Modes) {
  const mode_t mask = umask(027);
  ASSERT_TRUE(write_file(folder_ + "/usual", "x").ok());
  ASSERT_TRUE(write_file(folder_ + "/secret", "x", Access::owner_only).ok());
  EXPECT_EQ(mode(folder_ + "/usual"), 0640U);
  EXPECT_EQ(mode(folder_ + "/secret"), 0600U);
  ASSERT_EQ(chmod((folder_ + "/usual").c_str(), 0604), 0);
  ASSERT_EQ(chmod((folder_ + "/secret").c_str(), 0604), 0);
  ASSERT_TRUE(write_file(folder_ + "/usual", "y").ok());
  ASSERT_TRUE(write_file(folder_ + "/secret", "y", Access::owner_only).ok());
  EXPECT_EQ(mode(folder_ + "/usual"), 0604U);
  EXPECT_EQ(mode(folder_ + "/secret"), 0600U);
  EXPECT_EQ(umask(mask), 027U);
}

// What a kill has left is removed; what another process is about to rename is not.
TEST_F(OutputFileTest, WhatWasLeftIsRemoved) {
  const std::string path = folder_ + "/a";
  ASSERT_TRUE(write_file(path, "old").ok());
  const std::string left = folder_ + "/.a.tmp.0123456789abcdef";
  const std::string used = folder_ + "/.a.tmp.fedcba9876543210";
  const std::string other = folder_ + "/.b.tmp.0123456789abcdef";
  for (const std::string& name : {left, used, other}) std::ofstream(name) << "left";
  const int held = open(used.c_str(), O_RDONLY);
  ASSERT_EQ(flock(held, LOCK_EX), 0);
  ASSERT_TRUE(write_file(path, "new").ok());
  close(held);
  EXPECT_EQ(file_text(path), "new");
  EXPECT_FALSE(std::filesystem::exists(left));
  EXPECT_TRUE(std::filesystem::exists(used));
  EXPECT_TRUE(std::filesystem::exists(other));
}

TEST_F(OutputFileTest, ManyWritersOneName) {
  const std::string path = folder_ + "/a";
  std::vector<std::thread> writers;
  for (int w = 0; w < 8; ++w) {
    writers.emplace_back([&, w] {
      for (int i = 0; i < 20; ++i) {
        EXPECT_TRUE(write_file(path, std::string(1000, static_cast<char>('a' + w))).ok());
        EXPECT_EQ(file_text(path).size(), 1000U);
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  const std::string text = file_text(path);
  EXPECT_EQ(text, std::string(1000, text[0]));
  EXPECT_EQ(entries(), 1U);
}

}  // namespace
}  // namespace taoism::files
