#include "onnx/model_folder.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

#include "base/test_exchange.h"
#include "onnx/external_files.h"
#include "onnx/test_model.h"

namespace taoism::onnx {
namespace {

namespace fs = std::filesystem;
using files::Descriptor;

class ModelFolderTest : public testing::Test {
 protected:
  ModelFolderTest() {
    fs::create_directories(models_.file("sub/deep"));
    models_.write("m.onnx", "model");
    models_.write("sub/w.bin", "weights");
    outside_.write("w.bin", "secret");
    fs::create_symlink(outside_.file("w.bin"), models_.file("out"));
    fs::create_symlink(outside_.file(""), models_.file("out_folder"));
    fs::create_symlink("sub/w.bin", models_.file("in"));
    fs::create_symlink("sub", models_.file("in_folder"));
    fs::create_symlink("/proc/self/root", models_.file("magic"));
  }
  ~ModelFolderTest() override { fs::current_path(home_); }

  static std::string text(const Result<SourceFile>& file) {
    if (!file.ok()) return file.status().message();
    std::string read(file->size(), '\0');
    EXPECT_TRUE(file->read(0, std::as_writable_bytes(std::span(read))).ok());
    return read;
  }

  static Result<SourceFile> open_beside(const std::string& model, const std::string& location) {
    TAOISM_ASSIGN_OR_RETURN(const ModelFolder folder, ModelFolder::of(model));
    return folder.open(location);
  }

  fs::path home_ = fs::current_path();
  TestFolder models_, outside_;
};

TEST_F(ModelFolderTest, OpensWhatLiesInTheFolder) {
  for (const char* location : {"sub/w.bin", "in", "in_folder/w.bin", "./sub/./w.bin"}) {
    EXPECT_EQ(text(open_beside(models_.file("m.onnx"), location)), "weights") << location;
  }
  EXPECT_EQ(open_beside(models_.file("m.onnx"), "none").code(), Code::not_found);
  for (const char* folder : {"sub", ".", "in_folder"}) {
    EXPECT_EQ(open_beside(models_.file("m.onnx"), folder).code(), Code::invalid_argument);
  }
}

// A model that is named without its folder lies in the current one.
TEST_F(ModelFolderTest, NothingElseHoweverTheModelIsNamed) {
  fs::current_path(models_.file(""));
  const std::string outside = outside_.file("w.bin");
  for (const std::string& model : {std::string("m.onnx"), std::string("./m.onnx"),
                                   std::string("sub/../m.onnx"), models_.file("m.onnx")}) {
    for (const std::string& location :
         {outside, fs::relative(outside).string(), std::string("out"),
          std::string("out_folder/w.bin"), std::string("magic/etc/passwd"),
          std::string("sub/../../x"), std::string(), std::string("in\0x", 4)}) {
      const auto file = open_beside(model, location);
      EXPECT_EQ(file.code(), Code::invalid_argument) << model << " " << location;
      EXPECT_NE(file.status().message().find("outside the model's folder: put the file"),
                std::string::npos)
          << file.status().message();
    }
    EXPECT_EQ(text(open_beside(model, "in")), "weights");
  }
}

// As HuggingFace keeps what it has downloaded.
TEST_F(ModelFolderTest, AModelThatIsALinkHasTheFolderThatItLiesIn) {
  fs::create_directories(models_.file("snapshots/1"));
  fs::create_directories(models_.file("blobs"));
  models_.write("blobs/a", "model");
  models_.write("blobs/b", "data");
  fs::create_symlink("../../blobs/a", models_.file("snapshots/1/model.onnx"));
  fs::create_symlink("../../blobs/b", models_.file("snapshots/1/model.onnx_data"));
  fs::create_symlink("../../sub/w.bin", models_.file("snapshots/1/other"));
  const std::string model = models_.file("snapshots/1/model.onnx");
  EXPECT_EQ(text(open_beside(model, "model.onnx_data")), "data");
  EXPECT_EQ(open_beside(model, "other").code(), Code::invalid_argument);
}

// A link to a link, one of them whole and one of them to a folder; and a file that has no name.
TEST_F(ModelFolderTest, LinksToModelsAreFollowedToTheirEnd) {
  fs::create_directories(models_.file("a"));
  fs::create_symlink("../../m.onnx", models_.file("sub/deep/one"));
  fs::create_symlink(models_.file("in_folder/deep/one"), models_.file("a/two"));
  EXPECT_EQ(open_beside(models_.file("a/two"), "sub/w.bin").code(), Code::not_found);
  fs::create_symlink("../sub", models_.file("a/sub"));
  EXPECT_EQ(text(open_beside(models_.file("a/two"), "sub/w.bin")), "weights");
  fs::create_symlink("loop", models_.file("loop"));
  EXPECT_EQ(ModelFolder::of(models_.file("loop")).code(), Code::invalid_argument);
  EXPECT_EQ(ModelFolder::of(models_.file("none")).code(), Code::not_found);
  EXPECT_EQ(ModelFolder::of(models_.file("none/m")).code(), Code::not_found);
  EXPECT_EQ(ModelFolder::of(models_.file("sub")).code(), Code::invalid_argument);
  EXPECT_EQ(ModelFolder::of(models_.file("sub/")).code(), Code::invalid_argument);

  const Descriptor nameless(::memfd_create("m", MFD_CLOEXEC));
  ASSERT_EQ(::write(nameless.get(), "model", 5), 5);
  const auto model = ModelFolder::of("/dev/fd/" + std::to_string(nameless.get()));
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(model->model().size(), 5U);
}

// What was resolved to names without links is opened by them: a link made since is not followed.
TEST_F(ModelFolderTest, TheOpeningFollowsNoLink) {
  const Descriptor folder(::open(models_.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  for (const Confinement confinement : {Confinement::kernel, Confinement::walk}) {
    const auto open = [&](const char* relative) {
      return SourceFile::of_descriptor(
          files::Descriptor(open_beneath(folder.get(), relative, confinement)), relative);
    };
    EXPECT_EQ(text(open("sub/w.bin")), "weights");
    for (const char* link :
         {"out", "out_folder/w.bin", "in", "in_folder/w.bin", "magic/etc/passwd"}) {
      EXPECT_FALSE(open(link).ok()) << link;
      EXPECT_EQ(open_beneath(folder.get(), link, confinement), -1);
      EXPECT_EQ(errno, ELOOP) << link;
    }
    for (const char* out : {"../x", "sub/../../x", "sub/deep/../../../x", "/etc/passwd"}) {
      EXPECT_EQ(open_beneath(folder.get(), out, confinement), -1);
      EXPECT_EQ(errno, EXDEV) << out;
    }
    EXPECT_EQ(open("sub/none").code(), Code::not_found);
    EXPECT_EQ(open("m.onnx/none").code(), Code::not_found);
    EXPECT_EQ(open("sub").code(), Code::invalid_argument);
  }
}

// Has the kernel answer openat2 with this error from here on, as filters of containers do.
bool forbid_openat2(int error) {
  const sock_filter code[] = {
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_openat2},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | static_cast<uint32_t>(error)},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  };
  const sock_fprog filter{std::size(code), const_cast<sock_filter*>(code)};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

TEST_F(ModelFolderTest, OpensTheSameWhereOpenat2IsForbidden) {
  for (const int error : {ENOSYS, EPERM, EACCES}) {
    const pid_t child = ::fork();
    if (child == 0) {
      bool right = forbid_openat2(error);
      const auto folder = ModelFolder::of(models_.file("m.onnx"));
      for (const char* location : {"sub/w.bin", "in", "in_folder/w.bin", "./sub/./w.bin"}) {
        right = right && text(folder->open(location)) == "weights";
      }
      for (const char* location : {"out", "out_folder/w.bin", "magic/etc/passwd", "sub"}) {
        right = right && folder->open(location).code() == Code::invalid_argument;
      }
      right = right && folder->open("none").code() == Code::not_found;
      _exit(right ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << error;
  }
}

TestModel external_model(const std::string& location) {
  TestModel source;
  source.input("x", {-1, 2}).output("y");
  auto& tensor = source.weight("w", {2, 2}, {});
  tensor.set_data_location(::onnx::TensorProto::EXTERNAL);
  auto& entry = *tensor.add_external_data();
  entry.set_key("location");
  entry.set_value(location);
  source.node("MatMul", {"x", "w"}, {"y"});
  return source;
}

TEST_F(ModelFolderTest, AModelHoldsNoWeightsOfItsOwnFile) {
  for (const char* location : {"m.onnx", "again"}) {
    const std::string path = models_.write("m.onnx", external_model(location).bytes());
    fs::remove(models_.file("again"));
    fs::create_hard_link(path, models_.file("again"));
    const auto model = Model::load(path);
    EXPECT_EQ(model.code(), Code::invalid_argument);
    EXPECT_NE(model.status().message().find("is the model itself"), std::string::npos)
        << model.status().message();
  }
}

// A model that is taken from somebody else, into a folder with keys, and sealed there.
TEST_F(ModelFolderTest, AKeyIsNoWeight) {
  const std::string pem = "-----BEGIN PRIVATE KEY-----\n";
  models_.write("m.key", "taoism key 2\nsecret");
  models_.write("owner.key", pem);
  models_.write("sub/other.pem", "of mine:\n" + pem);
  fs::create_symlink("sub/other.pem", models_.file("weights"));
  fs::create_hard_link(models_.file("m.key"), models_.file("w"));
  for (const char* location : {"m.key", "owner.key", "sub/other.pem", "weights", "w"}) {
    const auto model = Model::load(models_.write("m.onnx", external_model(location).bytes()));
    EXPECT_EQ(model.code(), Code::invalid_argument) << location;
    EXPECT_NE(model.status().message().find("is a key file, no weights"), std::string::npos)
        << model.status().message();
    EXPECT_TRUE(is_one_line(model.status().message()));
  }
}

// Of every tensor, read or not; no weight is read for it.
TEST_F(ModelFolderTest, ListsWhatAModelNames) {
  TestModel source = external_model("sub/w.bin");
  const auto name = [](::onnx::TensorProto& tensor, const std::string& location) {
    auto& entry = *tensor.add_external_data();
    entry.set_key("location");
    entry.set_value(location);
  };
  const std::vector<std::string> locations = {"attribute", "function", "in_graph", "indices",
                                              "list",      "sparse",   "sub/w.bin"};
  for (const std::string& location : locations) {
    if (location != "sub/w.bin") models_.write(location, "");
  }
  auto& node = *source.graph().mutable_node(0);
  name(*node.add_attribute()->mutable_t(), "attribute");
  name(*node.add_attribute()->mutable_g()->add_initializer(), "in_graph");
  name(*node.add_attribute()->add_tensors(), "list");
  name(*source.graph().add_sparse_initializer()->mutable_values(), "sparse");
  name(*node.add_attribute()->mutable_sparse_tensor()->mutable_indices(), "indices");
  name(*source.proto.add_functions()->add_node()->add_attribute()->mutable_t(), "function");
  name(*node.add_attribute()->mutable_t(), "is not there");
  name(*node.add_attribute()->mutable_t(), outside_.file("w.bin"));
  const auto files = external_files(models_.write("m.onnx", source.bytes()));
  ASSERT_TRUE(files.ok()) << files.status().message();
  std::vector<std::string> expected;
  for (const std::string& location : locations) expected.push_back(models_.file(location));
  EXPECT_EQ(*files, expected);
  fs::create_symlink("m.onnx", models_.file("linked.onnx"));
  EXPECT_EQ(external_files(models_.file("linked.onnx"))->size(), locations.size());
  EXPECT_EQ(external_files(models_.file("none")).code(), Code::not_found);
  EXPECT_EQ(external_files(models_.write("m.onnx", "no model")).code(), Code::invalid_argument);
}

TEST_F(ModelFolderTest, AWeightIsInTheModelOrInAFile) {
  TestModel source = external_model("sub/w.bin");
  for (int i = 0; i < 4; ++i) source.graph().mutable_initializer(0)->add_float_data(1);
  auto model = Model::load(models_.write("m.onnx", source.bytes()));
  EXPECT_EQ(model.code(), Code::invalid_argument);
  EXPECT_NE(model.status().message().find("'w': holds data, and names a file"), std::string::npos)
      << model.status().message();
  source.graph().mutable_initializer(0)->clear_float_data();
  source.graph().mutable_initializer(0)->set_raw_data("0123456789abcdef");
  EXPECT_EQ(Model::load(models_.write("m.onnx", source.bytes())).code(), Code::invalid_argument);
}

constexpr int kRaces = 3000;

// Who may write where the model's folder lies puts a link in the folder's place while the model is
// read: its data are never had from where the link leads. The model is a file or a link, its data
// are not there, or are a link that leads nowhere.
TEST_F(ModelFolderTest, TheFolderExchangedForALinkMeanwhile) {
  outside_.write("w", std::string(16, 'x'));
  outside_.write("link", std::string(16, 'x'));
  fs::create_directories(models_.file("f"));
  fs::create_symlink(outside_.path(), models_.file("l"));
  models_.write("f/w.onnx", external_model("w").bytes());
  models_.write("f/link.onnx", external_model("link").bytes());
  fs::create_symlink("w", models_.file("f/link"));
  fs::create_symlink("w.onnx", models_.file("f/linked.onnx"));
  const TestExchange exchange(models_.file("f"), models_.file("l"));
  for (const char* name : {"f/w.onnx", "f/link.onnx", "f/linked.onnx"}) {
    int from_outside = 0;
    for (int i = 0; i < kRaces; ++i) from_outside += Model::load(models_.file(name)).ok() ? 1 : 0;
    EXPECT_EQ(from_outside, 0) << name;
  }
}

// Two versions of a model are exchanged while one is read: it is one or the other.
TEST_F(ModelFolderTest, AModelAndItsDataAreOfOneFolder) {
  for (const char* version : {"1", "2"}) {
    const fs::path folder = models_.file(version);
    fs::create_directories(folder);
    models_.write(folder.filename() / version, std::string(16, 'x'));
    models_.write(folder.filename() / "m.onnx", external_model(version).bytes());
  }
  const TestExchange exchange(models_.file("1"), models_.file("2"));
  for (int i = 0; i < kRaces; ++i) {
    const auto model = Model::load(models_.file("1/m.onnx"));
    ASSERT_TRUE(model.ok()) << i << ": " << model.status().message();
  }
}

// A value inside a node is no weight: it names no file, neither here nor in the current folder.
TEST_F(ModelFolderTest, AnAttributeNamesNoFile) {
  models_.write("four", "0123");
  fs::current_path(models_.file(""));
  TestModel source;
  source.input("x", {-1, 2}).output("y").ints("shape", {2});
  auto& node = source.node("ConstantOfShape", {"shape"}, {"c"});
  auto& attribute = *node.add_attribute();
  attribute.set_name("value");
  attribute.set_type(::onnx::AttributeProto::TENSOR);
  auto& value = *attribute.mutable_t();
  value.set_data_type(::onnx::TensorProto::FLOAT);
  value.add_dims(1);
  value.set_data_location(::onnx::TensorProto::EXTERNAL);
  auto& entry = *value.add_external_data();
  entry.set_key("location");
  entry.set_value("four");
  source.node("Add", {"x", "c"}, {"y"});
  const auto model = Model::load(models_.write("m.onnx", source.bytes()));
  ASSERT_TRUE(model.ok()) << model.status().message();
  const auto graph = model->bind();
  ASSERT_FALSE(graph.ok());
  EXPECT_NE(graph.status().message().find("external data"), std::string::npos)
      << graph.status().message();
}

}  // namespace
}  // namespace taoism::onnx
