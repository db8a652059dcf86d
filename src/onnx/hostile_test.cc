// Files that no exporter writes: every one must end in a Status of one line.
#include <random>

#include "onnx/test_model.h"

namespace taoism::onnx {
namespace {

// A model with most of what import looks at.
std::string varied_model() {
  TestModel m;
  m.input("x", {-1, 2, 6, 6}).output("y");
  m.weight("w", {4, 2, 3, 3}, std::vector<float>(72, 0.5F));
  m.weight("s", {4}, {1, 2, 3, 4});
  m.weight("fc", {4, 16}, std::vector<float>(64, 0.25F));
  m.ints("zero", {0}).ints("minus", {-1}).ints("pads", {0, 0, 1, 1, 0, 0, 1, 1});
  m.weight("scales", {4}, {1, 1, 2, 2});
  auto& conv = m.node("Conv", {"x", "w"}, {"c"}, "conv");
  set_ints(conv, "kernel_shape", {3, 3});
  set_ints(conv, "strides", {2, 2});
  set_ints(conv, "pads", {1, 1, 1, 1});
  m.node("BatchNormalization", {"c", "s", "s", "s", "s"}, {"b"}, "bn");
  m.node("Relu", {"b"}, {"r"}, "relu");
  m.node("Pad", {"r", "pads"}, {"p"}, "pad");
  auto& pool = m.node("MaxPool", {"p"}, {"q"}, "pool");
  set_ints(pool, "kernel_shape", {2, 2});
  m.node("Resize", {"q", "", "scales"}, {"z"}, "resize");
  set_int(m.node("Split", {"z"}, {"h1", "h2"}, "split"), "axis", 1);
  set_int(m.node("Concat", {"h2", "h1"}, {"j"}, "join"), "axis", 1);
  m.node("Shape", {"j"}, {"shape"}, "shape");
  m.node("Slice", {"shape", "zero", "two"}, {"nc"}, "slice");
  m.ints("two", {2});
  set_int(m.node("Concat", {"nc", "minus"}, {"target"}, "target"), "axis", 0);
  m.node("Reshape", {"j", "target"}, {"t"}, "reshape");
  set_ints(m.node("Transpose", {"t"}, {"u"}, "transpose"), "perm", {0, 2, 1});
  m.node("MatMul", {"u", "fc"}, {"v"}, "fc");
  set_ints(m.node("ReduceMean", {"v"}, {"y"}, "mean"), "axes", {1});
  return m.bytes();
}

class HostileTest : public ::testing::Test {
 protected:
  // Loads and, where that goes well, binds; returns what became of it.
  Status import(const std::string& bytes) {
    const auto model = Model::load(folder_.write("m.onnx", bytes));
    if (!model.ok()) return checked(model.status());
    const auto list = model->unsupported({.batch = 0});
    if (!list.ok()) return checked(list.status());
    for (const Unsupported& entry : *list) EXPECT_TRUE(is_one_line(entry.text()));
    const auto graph = model->bind({.batch = 0});
    if (!graph.ok()) return checked(graph.status());
    EXPECT_TRUE(graph->verify().ok());
    return {};
  }

  Status checked(const Status& status) {
    EXPECT_TRUE(is_one_line(status.message())) << status.message();
    EXPECT_TRUE(status.code() == Code::invalid_argument || status.code() == Code::unsupported ||
                status.code() == Code::not_found || status.code() == Code::resource_exhausted)
        << status.message();
    return status;
  }

  TestFolder folder_;
};

TEST_F(HostileTest, TheModelItselfIsFine) {
  const Status status = import(varied_model());
  EXPECT_TRUE(status.ok()) << status.message();
}

TEST_F(HostileTest, TruncatedAtEveryLength) {
  const std::string bytes = varied_model();
  for (size_t length = 0; length < bytes.size(); ++length) {
    (void)import(bytes.substr(0, length));
  }
  EXPECT_EQ(import(bytes.substr(0, bytes.size() / 2)).code(), Code::invalid_argument);
}

TEST_F(HostileTest, EveryByteChanged) {
  const std::string bytes = varied_model();
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string changed = bytes;
      changed[at] = static_cast<char>(changed[at] ^ flip);
      (void)import(changed);
    }
  }
}

TEST_F(HostileTest, BytesDroppedAndRepeated) {
  const std::string bytes = varied_model();
  std::mt19937 random(1);
  for (int i = 0; i < 1000; ++i) {
    std::string changed = bytes;
    const size_t at = random() % changed.size(), count = 1 + random() % 20;
    if (i % 2 == 0)
      changed.erase(at, count);
    else
      changed.insert(at, changed.substr(random() % changed.size(), count));
    (void)import(changed);
  }
}

TEST_F(HostileTest, RandomBytes) {
  std::mt19937 random(2);
  for (int i = 0; i < 1000; ++i) {
    std::string bytes(random() % 300, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    EXPECT_FALSE(import(bytes).ok());
  }
}

TEST_F(HostileTest, WhatIsNoFile) {
  EXPECT_EQ(Model::load(folder_.file("missing.onnx")).code(), Code::not_found);
  EXPECT_EQ(Model::load(folder_.file("")).code(), Code::invalid_argument);  // the folder
  EXPECT_EQ(Model::load("/dev/zero").code(), Code::invalid_argument);
  EXPECT_EQ(import("").code(), Code::invalid_argument);
  const auto text = import("this is not a model at all, but a longer line of text");
  EXPECT_EQ(text.code(), Code::invalid_argument);
  EXPECT_NE(text.message().find("cannot be read as ONNX"), std::string::npos);
}

struct Broken {
  const char* name;
  void (*change)(TestModel& model);
  Code code;
  const char* says;
};

// Changes to a model of one Relu from x to y.
const Broken kBroken[] = {
    {"cycle",
     [](TestModel& m) {
       m.node("Add", {"y", "b"}, {"a"}, "first");
       m.node("Relu", {"a"}, {"b"}, "second");
       m.output("b");
     },
     Code::invalid_argument, "first"},
    {"itself",
     [](TestModel& m) {
       m.node("Relu", {"s"}, {"s"}, "loop");
       m.output("s");
     },
     Code::invalid_argument, "loop"},
    {"missing input",
     [](TestModel& m) {
       m.node("Relu", {"gone"}, {"z"}, "n");
       m.output("z");
     },
     Code::invalid_argument, "'gone', which nothing produces"},
    {"missing output", [](TestModel& m) { m.output("gone"); }, Code::invalid_argument, "gone"},
    {"no output", [](TestModel& m) { m.graph().clear_output(); }, Code::invalid_argument, "output"},
    {"no node", [](TestModel& m) { m.graph().clear_node(); }, Code::invalid_argument, "empty"},
    {"no graph", [](TestModel& m) { m.proto.clear_graph(); }, Code::invalid_argument, "graph"},
    {"produced twice", [](TestModel& m) { m.node("Relu", {"x"}, {"y"}); }, Code::invalid_argument,
     "'y' is produced twice"},
    {"input produced", [](TestModel& m) { m.node("Relu", {"x"}, {"x"}); }, Code::invalid_argument,
     "'x' is produced twice"},
    {"two inputs", [](TestModel& m) { m.input("x", {1}); }, Code::invalid_argument, "two inputs"},
    {"two initialisers",
     [](TestModel& m) {
       m.weight("w", {1}, {1});
       m.weight("w", {1}, {1});
     },
     Code::invalid_argument, "two initialisers"},
    {"opset 6", [](TestModel& m) { m.proto.mutable_opset_import(0)->set_version(6); },
     Code::unsupported, "opset 6"},
    {"opset 29", [](TestModel& m) { m.proto.mutable_opset_import(0)->set_version(29); },
     Code::unsupported, "opset 29"},
    {"no opset", [](TestModel& m) { m.proto.clear_opset_import(); }, Code::unsupported, "opset"},
    {"short weight", [](TestModel& m) { m.weight("w", {1000}, {1}); }, Code::invalid_argument,
     "'w'"},
    {"negative dimension", [](TestModel& m) { m.weight("w", {-1}, {}); }, Code::invalid_argument,
     "'w'"},
    {"huge weight",
     [](TestModel& m) {
       m.weight("w", {1L << 40, 1L << 40}, {});
     },
     Code::invalid_argument, "'w'"},
    {"float64 input",
     [](TestModel& m) {
       m.graph().mutable_input(0)->mutable_type()->mutable_tensor_type()->set_elem_type(
           ::onnx::TensorProto::DOUBLE);
     },
     Code::unsupported, "float64"},
    {"input without type", [](TestModel& m) { m.graph().mutable_input(0)->clear_type(); },
     Code::unsupported, "'x'"},
    {"huge constant",
     [](TestModel& m) {
       m.ints("n", {1L << 20, 1L << 20});
       m.node("ConstantOfShape", {"n"}, {"c"}, "big");
       m.node("Add", {"x", "c"}, {"z"});
       m.output("z");
     },
     Code::unsupported, "too large"},
    {"division by zero",
     [](TestModel& m) {
       m.ints("a", {1}).ints("b", {0});
       m.node("Div", {"a", "b"}, {"c"}, "div");
       m.node("Reshape", {"x", "c"}, {"z"});
       m.output("z");
     },
     Code::invalid_argument, "divides an integer by 0"},
    {"integers for a transposed bias",
     [](TestModel& m) {
       m.input("i", {1, 1, 4, 4}).ints("b", {1, 2}).output("z");
       m.weight("w", {1, 2, 3, 3}, std::vector<float>(18));
       set_ints(m.node("ConvTranspose", {"i", "w", "b"}, {"z"}, "up"), "strides", {2, 2});
     },
     Code::invalid_argument, "must be of one type"},
    {"stride beyond every model",
     [](TestModel& m) {
       m.input("i", {1, 1, 4, 4}).output("z");
       m.weight("w", {1, 2, 3, 3}, std::vector<float>(18));
       set_ints(m.node("ConvTranspose", {"i", "w"}, {"z"}, "up"), "strides", {1 << 20, 1 << 20});
     },
     Code::invalid_argument, "too large"},
    {"no inputs",
     [](TestModel& m) {
       m.node("Relu", {}, {"z"}, "n");
       m.output("z");
     },
     Code::invalid_argument, "input 0"},
    {"subgraph",
     [](TestModel& m) {
       m.weight("c", {}, {1});
       auto& node = m.node("If", {"c"}, {"z"}, "branch");
       auto* attribute = node.add_attribute();
       attribute->set_name("then_branch");
       attribute->set_type(::onnx::AttributeProto::GRAPH);
       auto* graph = attribute->mutable_g();
       for (int depth = 0; depth < 15; ++depth) {
         auto* inner = graph->add_node()->add_attribute();
         inner->set_type(::onnx::AttributeProto::GRAPH);
         graph = inner->mutable_g();
       }
       m.output("z");
     },
     Code::unsupported, "If 'branch'"},
};

TEST_F(HostileTest, BrokenModels) {
  for (const Broken& broken : kBroken) {
    TestModel model;
    model.input("x", {-1, 2}).output("y");
    model.node("Relu", {"x"}, {"y"}, "relu");
    broken.change(model);
    const Status status = import(model.bytes());
    EXPECT_EQ(status.code(), broken.code) << broken.name << ": " << status.message();
    EXPECT_NE(status.message().find(broken.says), std::string::npos)
        << broken.name << ": " << status.message();
  }
}

TEST_F(HostileTest, DeeplyNestedSubgraphsDoNotOverflowTheStack) {
  // graph > node > attribute > graph > ..., written by hand: field numbers 1, 5 and 6.
  std::string inner;
  for (int depth = 0; depth < 2000; ++depth) {
    const char fields[] = {0x32, 0x2a, 0x0a};
    const char field = fields[depth % 3];
    std::string length;
    for (size_t rest = inner.size();; rest >>= 7) {
      length += static_cast<char>((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
      if (rest <= 0x7f) break;
    }
    length.insert(length.begin(), field);
    inner.insert(0, length);
  }
  TestModel model;
  model.input("x", {1}).output("x");
  EXPECT_FALSE(import(model.bytes() + std::string("\x3a\x80\x40", 3) + inner).ok());
}

}  // namespace
}  // namespace taoism::onnx
