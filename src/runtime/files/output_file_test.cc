#include "runtime/files/output_file.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace taoism::files {
namespace {

class OutputFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "output_file_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  size_t entries() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_),
                                             std::filesystem::directory_iterator()));
  }
  static std::string content(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  std::string folder_;
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
  EXPECT_EQ(content(path), "two");
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

}  // namespace
}  // namespace taoism::files
