#include "onnx/beneath.h"

#include "onnx/test_model.h"

namespace taoism::onnx {
namespace {

namespace fs = std::filesystem;

class BeneathTest : public testing::Test {
 protected:
  BeneathTest() {
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
  ~BeneathTest() override { fs::current_path(home_); }

  static std::string text(const Result<SourceFile>& file) {
    if (!file.ok()) return file.status().message();
    std::string read(file->size(), '\0');
    EXPECT_TRUE(file->read(0, std::as_writable_bytes(std::span(read))).ok());
    return read;
  }

  fs::path home_ = fs::current_path();
  TestFolder models_, outside_;
};

TEST_F(BeneathTest, OpensWhatLiesInTheFolder) {
  for (const char* location : {"sub/w.bin", "in", "in_folder/w.bin", "./sub/./w.bin"}) {
    EXPECT_EQ(text(open_beside(models_.file("m.onnx"), location)), "weights") << location;
  }
  EXPECT_EQ(open_beside(models_.file("m.onnx"), "none").code(), Code::not_found);
  EXPECT_EQ(open_beside(models_.file("m.onnx"), "sub").code(), Code::invalid_argument);
}

// A model that is named without its folder lies in the current one.
TEST_F(BeneathTest, NothingElseHoweverTheModelIsNamed) {
  fs::current_path(models_.file(""));
  const std::string outside = outside_.file("w.bin");
  for (const std::string& model : {std::string("m.onnx"), std::string("./m.onnx"),
                                   std::string("sub/../m.onnx"), models_.file("m.onnx")}) {
    for (const std::string& location :
         {outside, fs::relative(outside).string(), std::string("out"),
          std::string("out_folder/w.bin"), std::string("magic/etc/passwd"),
          std::string("sub/../../x"), std::string(), std::string("."), std::string("in\0x", 4)}) {
      const auto file = open_beside(model, location);
      EXPECT_EQ(file.code(), Code::invalid_argument) << model << " " << location;
      EXPECT_NE(file.status().message().find("outside"), std::string::npos)
          << file.status().message();
    }
    EXPECT_EQ(text(open_beside(model, "in")), "weights");
  }
}

// As HuggingFace keeps what it has downloaded.
TEST_F(BeneathTest, AModelThatIsALinkHasTheFolderThatItLiesIn) {
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

// What was resolved to names without links is opened by them: a link made since is not followed.
TEST_F(BeneathTest, TheOpeningFollowsNoLink) {
  for (const Confinement confinement : {Confinement::kernel, Confinement::walk}) {
    const auto open = [&](const char* relative) {
      return open_beneath(models_.file(""), relative, confinement);
    };
    EXPECT_EQ(text(open("sub/w.bin")), "weights");
    for (const char* bad : {"out", "out_folder/w.bin", "in", "in_folder/w.bin", "magic/etc/passwd",
                            "../x", "sub/../../x", "sub/deep/../../../x", "/etc/passwd"}) {
      EXPECT_FALSE(open(bad).ok()) << bad;
    }
    EXPECT_EQ(open("sub/none").code(), Code::not_found);
    EXPECT_EQ(open("sub").code(), Code::invalid_argument);
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

TEST_F(BeneathTest, AModelHoldsNoWeightsOfItsOwnFile) {
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

TEST_F(BeneathTest, AWeightIsInTheModelOrInAFile) {
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

// A value inside a node is no weight: it names no file, neither here nor in the current folder.
TEST_F(BeneathTest, AnAttributeNamesNoFile) {
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
