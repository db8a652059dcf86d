#include "files/same_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/test_folder.h"

namespace taoism::files {
namespace {

TEST(SameFile, HoweverItIsNamed) {
  const TestFolder folder;
  const std::string file = folder.file("a"), other = folder.file("b");
  std::ofstream(file) << "x";
  std::ofstream(other) << "x";
  std::filesystem::create_symlink("a", folder.file("link"));
  std::filesystem::create_hard_link(file, folder.file("hard"));
  std::filesystem::create_directory_symlink(".", folder.file("here"));
  for (const char* name : {"a", "link", "hard", "here/a", "./here/./a"}) {
    EXPECT_TRUE(is_same_file(file, folder.file(name))) << name;
    EXPECT_TRUE(is_same_file(folder.file(name), file)) << name;
    EXPECT_FALSE(is_same_file(folder.file(name), other)) << name;
  }
}

TEST(SameFile, WhereNoneIsYet) {
  const TestFolder folder;
  const std::string none = folder.file("none");
  std::ofstream(folder.file("a")) << "x";
  std::filesystem::create_directory_symlink(".", folder.file("here"));
  EXPECT_TRUE(is_same_file(none, folder.file("here/none")));
  EXPECT_TRUE(is_same_file(none, std::filesystem::relative(none)));
  EXPECT_FALSE(is_same_file(none, folder.file("nothing")));
  EXPECT_FALSE(is_same_file(none, folder.file("a")));
}

TEST(SameFile, ADeviceIsNobodys) { EXPECT_FALSE(is_same_file("/dev/null", "/dev/null")); }

}  // namespace
}  // namespace taoism::files
