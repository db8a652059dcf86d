// Constant folding, seen from outside: the folded integers become a Reshape's target or a Slice.
#include <malloc.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "onnx/reference_run.h"
#include "onnx/test_model.h"

namespace taoism::onnx {
namespace {

struct FoldCase {
  const char* name;
  // Builds "target" from x of N x 4 x 6 and constants.
  void (*build)(TestModel& m);
  std::vector<int64_t> target;
};

const FoldCase kFolds[] = {
    {"shape and concat",
     [](TestModel& m) {
       m.node("Shape", {"x"}, {"s"});
       m.node("Gather", {"s", "zero"}, {"n"});
       m.node("Unsqueeze", {"n", "axis0"}, {"n1"});
       set_int(m.node("Concat", {"n1", "rest"}, {"target"}), "axis", 0);
     },
     {2, 24}},
    {"shape with bounds",
     [](TestModel& m) {
       auto& shape = m.node("Shape", {"x"}, {"s"});
       set_int(shape, "start", -1);
       set_int(m.node("Concat", {"rest", "s"}, {"target"}), "axis", 0);
     },
     {8, 6}},
    {"size and arithmetic",
     [](TestModel& m) {
       m.node("Size", {"x"}, {"count"});
       m.node("Div", {"count", "six"}, {"a"});  // 8
       m.node("Sub", {"a", "six"}, {"b"});      // 2
       m.node("Mul", {"b", "six"}, {"c"});      // 12
       m.node("Add", {"c", "b"}, {"d"});        // 14
       m.node("Sub", {"d", "six"}, {"e"});      // 8
       m.node("Unsqueeze", {"e", "axis0"}, {"f"});
       set_int(m.node("Concat", {"f", "rest"}, {"target"}), "axis", 0);
     },
     {8, 6}},
    {"float round trip",
     [](TestModel& m) {
       m.node("Shape", {"x"}, {"s"});
       set_int(m.node("Cast", {"s"}, {"f"}), "to", ::onnx::TensorProto::FLOAT);
       m.weight("factor", {3}, {1, 1.5F, 0.7F});
       m.node("Mul", {"f", "factor"}, {"g"});  // 2, 6, 4.2
       m.node("Floor", {"g"}, {"h"});
       set_int(m.node("Cast", {"h"}, {"target"}), "to", ::onnx::TensorProto::INT64);
     },
     {2, 6, 4}},
    {"gather of several",
     [](TestModel& m) {
       m.ints("order", {2, -3, 1});
       m.node("Shape", {"x"}, {"s"});
       m.node("Gather", {"s", "order"}, {"target"});
     },
     {6, 2, 4}},
    {"slice backwards",
     [](TestModel& m) {
       m.ints("from", {-1}).ints("to", {-100}).ints("back", {-1});
       m.node("Shape", {"x"}, {"s"});
       m.node("Slice", {"s", "from", "to", "axis0", "back"}, {"target"});
     },
     {6, 4, 2}},
    {"product of a slice",
     [](TestModel& m) {
       m.ints("one", {1}).ints("three", {3});
       m.node("Shape", {"x"}, {"s"});
       m.node("Slice", {"s", "one", "three"}, {"t"});
       m.node("ReduceProd", {"t"}, {"p"});
       set_int(m.node("Concat", {"rest", "p"}, {"target"}), "axis", 0);
     },
     {2, 24}},
    {"where equal",
     [](TestModel& m) {
       m.ints("asked", {2, -1}).ints("instead", {3, 16});
       m.node("ConstantOfShape", {"two"}, {"zeros"});
       m.ints("two", {2});
       set_int(m.node("Cast", {"zeros"}, {"z"}), "to", ::onnx::TensorProto::INT64);
       m.node("Add", {"z", "rest"}, {"minus"});
       m.node("Equal", {"asked", "minus"}, {"is"});
       m.node("Where", {"is", "instead", "asked"}, {"target0"});
       m.ints("fix", {1, 0});
       m.node("Add", {"target0", "fix"}, {"target"});
     },
     {3, 16}},
    {"range, expand and squeeze",
     [](TestModel& m) {
       m.ints("start", {4}).ints("stop", {13}).ints("step", {8}).ints("ones", {1, 2});
       for (const char* name : {"start", "stop", "step"}) {
         m.node("Squeeze", {name}, {std::string(name) + "0"});
       }
       m.node("Range", {"start0", "stop0", "step0"}, {"r"});  // 4, 12
       m.node("Expand", {"r", "ones"}, {"e"});
       m.node("Squeeze", {"e", "axis0"}, {"target"});
     },
     {4, 12}},
    {"range to the largest number",
     [](TestModel& m) {
       constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
       m.ints("start", {-kMost}).ints("stop", {kMost}).ints("step", {kMost - 1});
       for (const char* name : {"start", "stop", "step"}) {
         m.node("Squeeze", {name}, {std::string(name) + "0"});
       }
       m.node("Range", {"start0", "stop0", "step0"}, {"r"});  // -most, -1, most - 2
       m.ints("shift", {kMost, 0, 2 - kMost}).ints("from", {1}).ints("to", {3});
       m.node("Add", {"r", "shift"}, {"s"});  // 0, -1, 0
       m.node("Slice", {"s", "from", "to"}, {"t"});
       m.ints("more", {9, 6});
       m.node("Add", {"t", "more"}, {"target"});
     },
     {8, 6}},
    {"split and transpose",
     [](TestModel& m) {
       m.weight("unused", {1}, {0});
       auto& tensor = m.weight("table", {2, 2}, {});
       tensor.set_data_type(::onnx::TensorProto::INT32);
       for (const int value : {3, 8, 16, 6}) tensor.add_int32_data(value);
       m.node("Transpose", {"table"}, {"t"});  // 3 16 / 8 6
       set_int(m.node("Split", {"t"}, {"a", "b"}), "axis", 0);
       m.node("Squeeze", {"b", "axis0"}, {"target"});
     },
     {8, 6}},
};

TEST(FoldTest, ShapeArithmeticBecomesConstants) {
  for (const FoldCase& c : kFolds) {
    TestModel m;
    m.input("x", {-1, 4, 6}).output("y");
    m.ints("axis0", {0}).ints("rest", {-1});
    for (const auto& [name, value] : {std::pair<const char*, int64_t>{"zero", 0}, {"six", 6}}) {
      m.ints(name, {value});
      m.graph().mutable_initializer(m.graph().initializer_size() - 1)->clear_dims();
    }
    c.build(m);
    m.node("Reshape", {"x", "target"}, {"y"});
    const auto model = m.load();
    ASSERT_TRUE(model.ok()) << c.name << ": " << model.status().message();
    const auto graph = model->bind({.batch = 2});
    ASSERT_TRUE(graph.ok()) << c.name << ": " << graph.status().message();
    EXPECT_EQ(op_names(*graph), std::vector<std::string>{"Reshape"}) << c.name;
    EXPECT_EQ(graph->value(graph->outputs()[0]).desc.shape, ir::Shape(c.target)) << c.name;
  }
}

TEST(FoldTest, ConstantNodesOfEveryKind) {
  TestModel m;
  m.input("x", {-1, 2}).output("y");
  auto& list = *m.node("Constant", {}, {"list"}).add_attribute();
  list.set_name("value_floats");
  list.set_type(::onnx::AttributeProto::FLOATS);
  list.add_floats(1);
  list.add_floats(2);
  set_float(m.node("Constant", {}, {"half"}), "value_float", 0.5);
  set_ints(m.node("Constant", {}, {"shape"}), "value_ints", {2, 1});
  auto& value = *m.node("Constant", {}, {"tensor"}).add_attribute();
  value.set_name("value");
  value.set_type(::onnx::AttributeProto::TENSOR);
  value.mutable_t()->set_data_type(::onnx::TensorProto::FLOAT16);
  value.mutable_t()->add_int32_data(0x4900);  // 10
  m.node("Add", {"x", "list"}, {"a"});
  m.node("Mul", {"a", "half"}, {"b"});
  set_int(m.node("Cast", {"tensor"}, {"ten"}), "to", ::onnx::TensorProto::FLOAT);
  m.node("Add", {"b", "ten"}, {"c"});
  m.node("Reshape", {"c", "shape"}, {"y"});
  const auto model = m.load();
  ASSERT_TRUE(model.ok()) << model.status().message();
  const auto graph = model->bind();
  ASSERT_TRUE(graph.ok()) << graph.status().message();
  EXPECT_EQ(reference_run(*graph, {{3, 4}}), (std::vector<float>{12, 13}));
}

// A small file that asks for much work: 256 MiB, made once and read a thousand times.
TEST(Fold, WorkHasABudget) {
  TestModel source;
  source.input("x", {-1, 1}).output("y").ints("size", {1 << 26});
  source.node("ConstantOfShape", {"size"}, {"large"});
  std::string sum = "x";
  for (int i = 0; i < 1000; ++i) {
    const std::string n = std::to_string(i);
    set_int(source.node("ReduceMax", {"large"}, {"m" + n}), "keepdims", 0);
    source.node("Add", {sum, "m" + n}, {i == 999 ? "y" : "s" + n});
    sum = "s" + n;
  }
  const auto model = source.load();
  ASSERT_TRUE(model.ok()) << model.status().message();
  const auto graph = model->bind();
  EXPECT_EQ(graph.code(), Code::unsupported);
  EXPECT_NE(graph.status().message().find("operations to compute ahead"), std::string::npos)
      << graph.status().message();
  EXPECT_NE(graph.status().message().find("ReduceMax '"), std::string::npos);
}

// How many MiB a process has at most more than it begins with while it reads `model`.
int peak_mib(const Model& model) {
  ::malloc_trim(0);
  const pid_t child = ::fork();  // a peak is the whole process's
  if (child == 0) {
    std::ifstream file("/proc/self/statm");
    int64_t pages = 0, resident = 0;
    file >> pages >> resident;
    const bool ok = model.bind().ok();
    rusage usage = {};
    ::getrusage(RUSAGE_SELF, &usage);
    const int64_t more = usage.ru_maxrss - resident * (::sysconf(_SC_PAGE_SIZE) >> 10);
    _exit(ok ? static_cast<int>(std::min<int64_t>(more >> 10, 254)) : 255);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

TEST(Fold, TakesTheMemoryOfWhatItMakesAndNoMore) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "needs a build without sanitizer, which takes memory of its own";
#endif
  // A constant that is doubled to 32 MiB; all of them are 64 MiB.
  TestModel source;
  source.input("x", {-1, 4}).output("y").weight("c0", {1, 4}, {1, 2, 3, 4});
  for (int i = 0; i < 21; ++i) {
    const std::string from = "c" + std::to_string(i), to = "c" + std::to_string(i + 1);
    set_int(source.node("Concat", {from, from}, {to}), "axis", 0);
  }
  source.ints("at", {-1}).ints("end", {INT32_MAX}).ints("axis", {0});
  source.node("Slice", {"c21", "at", "end", "axis"}, {"last"});
  source.node("Add", {"x", "last"}, {"y"});
  const auto model = source.load();
  ASSERT_TRUE(model.ok()) << model.status().message();
  const int peak = peak_mib(*model);
  EXPECT_GE(peak, 60);
  EXPECT_LE(peak, 96);
}

}  // namespace
}  // namespace taoism::onnx
