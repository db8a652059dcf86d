#include "package/owner_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/test_folder.h"
#include "base/text.h"

namespace taoism::package {
namespace {

using ::testing::HasSubstr;

class OwnerKeyTest : public testing::Test {
 protected:
  const TestFolder temporary_;
  const std::string folder_ = temporary_.path();
  const std::string path_ = folder_ + "/settings/owner.key";
};

TEST_F(OwnerKeyTest, IsMadeOnceAndKept) {
  const auto made = open_owner_key(path_);
  ASSERT_TRUE(made.ok()) << made.status().message();
  EXPECT_TRUE(made->is_new);
  struct stat status = {};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  const auto again = open_owner_key(path_);
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_FALSE(again->is_new);
  EXPECT_EQ(again->key.public_key(), made->key.public_key());
  const auto owners = read_owners(public_path(path_));
  ASSERT_TRUE(owners.ok()) << owners.status().message();
  EXPECT_EQ(owners->keys, (std::vector{made->key.public_key()}));
}

// Where a group may write what its users make, too.
TEST_F(OwnerKeyTest, AFolderThatIsMadeForItIsItsUsersAlone) {
  const mode_t mask = umask(002);
  const std::string path = folder_ + "/new/settings/owner.key";
  const auto made = open_owner_key(path);
  umask(mask);
  ASSERT_TRUE(made.ok()) << made.status().message();
  for (const char* folder : {"/new", "/new/settings"}) {
    EXPECT_EQ(std::filesystem::status(folder_ + folder).permissions(),
              std::filesystem::perms::owner_all);
  }
}

// As openssl writes and reads them; its own programs are asked.
TEST_F(OwnerKeyTest, OpensslUnderstandsIt) {
  ASSERT_TRUE(open_owner_key(path_).ok());
  const std::string out = folder_ + "/out.pub";
  ASSERT_EQ(system(("openssl pkey -in " + path_ + " -pubout -out " + out + " 2>/dev/null").c_str()),
            0);
  EXPECT_EQ(file_text(out), file_text(public_path(path_)));
  const std::string other = folder_ + "/other.key";
  ASSERT_EQ(
      system(("umask 077; openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out " +
              other + " 2>/dev/null")
                 .c_str()),
      0);
  const auto read = read_owner_key(other);
  ASSERT_TRUE(read.ok()) << read.status().message();
}

TEST_F(OwnerKeyTest, NothingElseIsOne) {
  const auto made = open_owner_key(path_);
  ASSERT_TRUE(made.ok());
  const std::string text = file_text(path_);
  const auto refused = [&](const std::string& other) {
    std::ofstream(path_) << other;
    const Code code = read_owner_key(path_).code();
    return code == Code::invalid_argument;
  };
  EXPECT_TRUE(refused(""));
  EXPECT_TRUE(refused("-----BEGIN PRIVATE KEY-----"));
  EXPECT_TRUE(refused(file_text(public_path(path_))));
  for (size_t at = 28; at < text.size() - 28; ++at) {
    if (text[at] == '\n' || text[at] == '=') continue;
    std::string other = text;
    other[at] = other[at] == 'A' ? 'B' : 'A';
    EXPECT_TRUE(refused(other)) << at;
  }
  EXPECT_TRUE(!refused(text));
  std::filesystem::permissions(path_, std::filesystem::perms(0644));
  EXPECT_THAT(read_owner_key(path_).status().message(), HasSubstr("chmod 600"));
}

TEST_F(OwnerKeyTest, OwnersThatComeAndGo) {
  const auto a = crypto::SigningKey::create();
  const auto b = crypto::SigningKey::create();
  const std::string gone = id_text(*store::owner_id(a->public_key()));
  const auto owners = parse_owners("# Ours:\n\n" + public_pem(a->public_key()) + "# since May\r\n" +
                                   public_pem(b->public_key()) + "revoked: " + gone + "\n");
  ASSERT_TRUE(owners.ok()) << owners.status().message();
  EXPECT_EQ(owners->keys.size(), 2U);
  EXPECT_EQ(*store::judge(*owners, a->public_key()), store::Signer::revoked);
  EXPECT_EQ(*store::judge(*owners, b->public_key()), store::Signer::accepted);
  EXPECT_FALSE(parse_owners("").ok());
  EXPECT_FALSE(parse_owners("revoked: " + gone).ok());
  EXPECT_FALSE(parse_owners(public_pem(a->public_key()) + "revoked: 12").ok());
}

// What looks like a revocation and is none must not pass for a file without one.
TEST_F(OwnerKeyTest, WhatIsNotUnderstoodIsAnError) {
  const auto key = crypto::SigningKey::create();
  const std::string pem = public_pem(key->public_key());
  const std::string id = id_text(*store::owner_id(key->public_key()));
  for (const std::string& good :
       {"revoked: " + id, "revoked: " + id + " \r\n", "#\n\n \t\nrevoked: " + id}) {
    const auto owners = parse_owners(pem + good);
    ASSERT_TRUE(owners.ok()) << good << owners.status().message();
    EXPECT_EQ(owners->revoked.size(), 1U) << good;
  }
  const std::string nul(1, '\0');
  for (const std::string& bad : {"revoked " + id,
                                 "revoked : " + id,
                                 "Revoked: " + id,
                                 "REVOKED: " + id,
                                 "revoked:" + id,
                                 "revoked:\t" + id,
                                 "revoked:  " + id,
                                 " revoked: " + id,
                                 "revoked: " + id + " # lost",
                                 "revoked: " + id + "0",
                                 "revoked: " + id.substr(1),
                                 "revoked: 0x" + id,
                                 std::string("revoked:"),
                                 "revoked: " + id + " " + id,
                                 "revoke: " + id,
                                 "\xef\xbb\xbfrevoked: " + id,
                                 id,
                                 "# lost\rrevoked: " + id,
                                 "#" + nul + "\rrevoked: " + id,
                                 nul,
                                 std::string("owner.pub")}) {
    for (const bool is_before : {false, true}) {
      const auto owners = parse_owners(is_before ? bad + "\n" + pem : pem + bad);
      ASSERT_FALSE(owners.ok()) << bad;
      EXPECT_THAT(owners.status().message(), HasSubstr(is_before ? "line 1:" : "line 5:")) << bad;
    }
  }
  // A revocation within a block, and blocks of another kind or cut short.
  const size_t first = pem.find('\n') + 1;
  for (const std::string& bad :
       {pem.substr(0, first) + "revoked: " + id + "\n" + pem.substr(first),
        pem + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        pem + pem.substr(0, pem.size() - 4), "x" + pem, pem.substr(0, first - 1) + pem}) {
    EXPECT_EQ(parse_owners(bad).code(), Code::invalid_argument) << bad;
  }
}

// Who writes a pipe may take its time between two lines.
TEST_F(OwnerKeyTest, APipeIsReadToItsEnd) {
  const auto key = crypto::SigningKey::create();
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const auto write_text = [&](const std::string& text) {
    ASSERT_EQ(write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  };
  const std::string path = "/proc/self/fd/" + std::to_string(ends[0]);
  write_text(public_pem(key->public_key()));
  std::thread writer([&] {
    int unread = 1;
    while (ioctl(ends[0], FIONREAD, &unread) == 0 && unread > 0) std::this_thread::yield();
    write_text("revoked: " + id_text(*store::owner_id(key->public_key())) + "\n");
    close(ends[1]);
  });
  const auto owners = read_owners(path);
  writer.join();
  close(ends[0]);
  ASSERT_TRUE(owners.ok()) << owners.status().message();
  EXPECT_EQ(owners->revoked.size(), 1U);
  EXPECT_EQ(read_owners("/dev/zero").code(), Code::invalid_argument);
}

}  // namespace
}  // namespace taoism::package
