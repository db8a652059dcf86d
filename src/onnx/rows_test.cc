// What is proven of the rows of small models, whatever their number is bound to.
#include <gtest/gtest.h>

#include <map>

#include "onnx/test_model.h"

namespace taoism::onnx {
namespace {

struct RowCase {
  const char* name;
  // From x of N x 4 x 6, y of N x 4 x 6 and ids of N x 3 (int64) to "out".
  void (*build)(TestModel& m);
  const char* mixed = nullptr;  // what the reason says; null: independent
  int axis = 0;                 // of the output's rows
};

void axis(::onnx::NodeProto& node, int64_t value) { set_int(node, "axis", value); }
void reduce(TestModel& m, std::vector<int64_t> axes, bool keep = false) {
  auto& node = m.node("ReduceMean", {"x"}, {"out"}, "mean");
  set_ints(node, "axes", axes);
  set_int(node, "keepdims", keep);
}
// "n": the number of rows, one element.
void count(TestModel& m) {
  m.ints("i0", {0});
  m.node("Shape", {"x"}, {"s"});
  m.node("Gather", {"s", "i0"}, {"n"});
}
// "target": n and `rest`.
void target(TestModel& m, const std::vector<int64_t>& rest) {
  count(m);
  m.ints("rest", rest);
  axis(m.node("Concat", {"n", "rest"}, {"target"}), 0);
}

const RowCase kCases[] = {
    {"relu", [](TestModel& m) { m.node("Relu", {"x"}, {"out"}); }},
    {"mean of rows", [](TestModel& m) { reduce(m, {0}); }, "'mean' (ReduceMean)"},
    {"mean of all",
     [](TestModel& m) {
       reduce(m, {0, 1, 2});
     },
     "reduces over them"},
    {"mean of columns", [](TestModel& m) { reduce(m, {1}); }},
    {"softmax of rows", [](TestModel& m) { axis(m.node("Softmax", {"x"}, {"out"}), 0); },
     "(Softmax) mixes rows"},
    {"softmax", [](TestModel& m) { axis(m.node("Softmax", {"x"}, {"out"}), 1); }},
    {"sum up rows",
     [](TestModel& m) {
       m.ints("i0", {0});
       m.node("CumSum", {"x", "i0"}, {"out"}, "cum");
     },
     "'cum' (CumSum)"},
    {"transposed and back",
     [](TestModel& m) {
       set_ints(m.node("Transpose", {"x"}, {"a"}), "perm", {1, 0, 2});
       m.node("Sigmoid", {"a"}, {"b"});
       set_ints(m.node("Transpose", {"b"}, {"out"}), "perm", {1, 0, 2});
     }},
    {"transposed",
     [](TestModel& m) {
       set_ints(m.node("Transpose", {"x"}, {"out"}), "perm", {1, 0, 2});
     },
     nullptr, 1},
    {"transposed and reduced",
     [](TestModel& m) {
       set_ints(m.node("Transpose", {"x"}, {"a"}), "perm", {1, 0, 2});
       set_ints(m.node("ReduceSum", {"a"}, {"out"}, "sum"), "axes", {1});
     },
     "'sum' (ReduceSum)"},
    {"into one dimension and back",
     [](TestModel& m) {
       m.ints("flat", {-1, 6});
       m.weight("w", {6, 5}, std::vector<float>(30, 0.5F));
       m.node("Reshape", {"x", "flat"}, {"a"});
       m.node("MatMul", {"a", "w"}, {"b"});
       target(m, {4, 5});
       m.node("Reshape", {"b", "target"}, {"out"});
     }},
    {"time first, into one dimension and back",
     [](TestModel& m) {
       m.ints("flat", {-1, 6}).ints("open", {4, -1, 6});
       set_ints(m.node("Transpose", {"x"}, {"a"}), "perm", {1, 0, 2});
       m.node("Reshape", {"a", "flat"}, {"b"});
       m.node("Relu", {"b"}, {"c"});
       m.node("Reshape", {"c", "open"}, {"out"});
     },
     nullptr, 1},
    {"time first, into one dimension",
     [](TestModel& m) {
       m.ints("flat", {-1, 6});
       set_ints(m.node("Transpose", {"x"}, {"a"}), "perm", {1, 0, 2});
       m.node("Reshape", {"a", "flat"}, {"out"});
     },
     "inside of dimension 0"},
    {"a number that is the rows' by chance",
     [](TestModel& m) {
       m.ints("two", {2, -1});
       m.node("Reshape", {"x", "two"}, {"out"});
     },
     "(Reshape) mixes rows"},
    {"numbers that are the rows' by chance",
     [](TestModel& m) {
       m.ints("two", {2, 4, 6});
       m.node("Reshape", {"x", "two"}, {"out"});
     },
     "(Reshape) mixes rows"},
    {"rows in columns",
     [](TestModel& m) {
       m.ints("t", {6, 4, -1});
       m.node("Reshape", {"x", "t"}, {"out"}, "turn");
     },
     "'turn' (Reshape)"},
    {"attention",
     [](TestModel& m) {
       set_ints(m.node("Transpose", {"y"}, {"k"}), "perm", {0, 2, 1});
       m.node("MatMul", {"x", "k"}, {"a"});
       axis(m.node("Softmax", {"a"}, {"b"}), -1);
       m.node("MatMul", {"b", "y"}, {"out"});
     }},
    {"attention over rows",
     [](TestModel& m) {
       m.ints("t", {-1, 24});
       m.node("Reshape", {"x", "t"}, {"q"});
       set_ints(m.node("Transpose", {"q"}, {"k"}), "perm", {1, 0});
       m.node("MatMul", {"q", "k"}, {"out"}, "scores");
     },
     "'scores' (MatMul)"},
    {"table by rows",
     [](TestModel& m) {
       m.weight("table", {9, 5}, std::vector<float>(45, 1));
       m.node("Gather", {"table", "ids"}, {"out"});
     }},
    {"column picked",
     [](TestModel& m) {
       m.ints("i", {2});
       axis(m.node("Gather", {"x", "i"}, {"out"}), 1);
     }},
    {"row picked",
     [](TestModel& m) {
       m.ints("i", {0});
       axis(m.node("Gather", {"x", "i"}, {"out"}, "pick"), 0);
     },
     "'pick' (Gather)"},
    {"concatenated",
     [](TestModel& m) {
       axis(m.node("Concat", {"x", "y"}, {"out"}), 2);
     }},
    {"rows concatenated",
     [](TestModel& m) {
       axis(m.node("Concat", {"x", "y"}, {"out"}), 0);
     },
     "(Concat) mixes rows"},
    {"weight for each row",
     [](TestModel& m) {
       m.weight("w", {2, 1, 1}, {1, 2});
       m.node("Add", {"x", "w"}, {"out"});
     },
     "(Add) mixes rows"},
    {"weight for all rows",
     [](TestModel& m) {
       m.weight("w", {1, 4, 1}, {1, 2, 3, 4});
       m.node("Mul", {"w", "x"}, {"out"});
     }},
    {"one row against all",
     [](TestModel& m) {
       m.ints("a0", {0});
       m.node("Unsqueeze", {"y", "a0"}, {"a"});
       m.ints("a1", {1});
       m.node("Unsqueeze", {"x", "a1"}, {"b"});
       m.node("Sub", {"a", "b"}, {"out"});
     },
     "(Sub) mixes rows"},
    {"first rows",
     [](TestModel& m) {
       m.ints("from", {0}).ints("to", {2});
       m.node("Slice", {"x", "from", "to"}, {"out"});
     },
     "takes some of them"},
    {"all rows",
     [](TestModel& m) {
       count(m);
       m.ints("from", {0});
       m.node("Slice", {"x", "from", "n", "from"}, {"a"});
       m.ints("end", {INT64_MAX});
       m.node("Slice", {"a", "from", "end", "from"}, {"out"});
     }},
    {"as many columns as rows",
     [](TestModel& m) {
       count(m);
       m.ints("from", {0}).ints("a1", {1});
       m.node("Slice", {"x", "from", "n", "a1"}, {"out"});
     },
     "takes some of them"},
    {"divided by their number",
     [](TestModel& m) {
       count(m);
       set_int(m.node("Cast", {"n"}, {"f"}), "to", ::onnx::TensorProto::FLOAT);
       m.node("Div", {"x", "f"}, {"out"}, "share");
     },
     "'share' (Div) mixes rows: what it computes with changes"},
    {"clipped by their number",
     [](TestModel& m) {
       count(m);
       set_int(m.node("Cast", {"n"}, {"f"}), "to", ::onnx::TensorProto::FLOAT);
       m.ints("none", {0});
       m.node("Squeeze", {"f", "none"}, {"g"});
       m.node("Clip", {"x", "g"}, {"out"});
     },
     "changes with their number"},
    {"padded by their number",
     [](TestModel& m) {
       count(m);
       m.ints("two", {2}).ints("zeros", {0, 0, 0, 0, 0});
       m.node("Sub", {"n", "two"}, {"p"});  // 0 for two rows
       axis(m.node("Concat", {"zeros", "p"}, {"pads"}), 0);
       m.node("Pad", {"x", "pads"}, {"out"});
     },
     "changes with their number"},
    {"numbered",
     [](TestModel& m) {
       m.node("Shape", {"x"}, {"s"});
       m.ints("i0", {0}).ints("shape", {-1, 1, 1});
       auto& zero = *m.graph().add_initializer();
       zero.set_name("zero");
       zero.set_data_type(::onnx::TensorProto::INT64);
       zero.add_int64_data(0);
       auto& one = *m.graph().add_initializer();
       one = zero;
       one.set_name("one");
       one.set_int64_data(0, 1);
       m.node("Gather", {"s", "zero"}, {"n"});
       m.node("Range", {"zero", "n", "one"}, {"r"}, "range");
       m.node("Reshape", {"r", "shape"}, {"q"});
       set_int(m.node("Cast", {"q"}, {"f"}), "to", ::onnx::TensorProto::FLOAT);
       m.node("Add", {"x", "f"}, {"out"});
     },
     "'range' (Range)"},
    {"a token for every row",
     [](TestModel& m) {
       m.weight("token", {1, 1, 6}, {1, 2, 3, 4, 5, 6});
       target(m, {1, 6});
       m.node("Expand", {"token", "target"}, {"t"});
       axis(m.node("Concat", {"t", "x"}, {"out"}), 1);
     }},
    {"expanded to a number that is the rows' by chance",
     [](TestModel& m) {
       m.ints("i", {0}).ints("t", {2, 4, 6});
       axis(m.node("Gather", {"x", "i"}, {"a"}), 1);
       m.node("Expand", {"a", "t"}, {"out"});
     },
     "(Expand) mixes rows"},
    {"flattened, with the rows last",
     [](TestModel& m) {
       set_ints(m.node("Transpose", {"x"}, {"a"}), "perm", {1, 2, 0});
       axis(m.node("Flatten", {"a"}, {"out"}), 2);
     },
     nullptr, 1},
    {"expanded columns",
     [](TestModel& m) {
       m.ints("i", {0}).ints("t", {1, 4, 6});
       axis(m.node("Gather", {"x", "i"}, {"a"}), 1);
       m.node("Expand", {"a", "t"}, {"out"});
     }},
    {"tiled for every row",
     [](TestModel& m) {
       m.weight("token", {1, 1, 6}, {1, 2, 3, 4, 5, 6});
       target(m, {1, 1});
       m.node("Tile", {"token", "target"}, {"t"});
       axis(m.node("Concat", {"t", "x"}, {"out"}), 1);
     }},
    {"zeros for every row",
     [](TestModel& m) {
       target(m, {4, 6});
       m.node("ConstantOfShape", {"target"}, {"z"});
       m.node("Max", {"z", "x"}, {"out"});
     }},
    {"exported expand",
     [](TestModel& m) {
       m.weight("mask", {1, 4, 6}, std::vector<float>(24, 2));
       target(m, {4, -1});
       m.ints("minus", {-1}).ints("three", {3});
       auto& ones = m.node("ConstantOfShape", {"three"}, {"ones"});
       auto& value = *ones.add_attribute();
       value.set_name("value");
       value.set_type(::onnx::AttributeProto::TENSOR);
       value.mutable_t()->set_data_type(::onnx::TensorProto::INT64);
       value.mutable_t()->add_dims(1);
       value.mutable_t()->add_int64_data(1);
       m.node("Equal", {"target", "minus"}, {"open"});
       m.node("Where", {"open", "ones", "target"}, {"sizes"});
       m.node("Expand", {"mask", "sizes"}, {"e"});
       m.node("Add", {"x", "e"}, {"out"});
     }},
    {"arithmetic of the shape",
     [](TestModel& m) {
       m.node("Size", {"x"}, {"all"});
       m.ints("k", {12}).ints("rest", {2, 6});
       m.node("Div", {"all", "k"}, {"m2"});  // two a row
       m.node("Div", {"m2", "two"}, {"m1"});
       m.ints("two", {2});
       axis(m.node("Concat", {"m1", "rest"}, {"t"}), 0);
       m.ints("four", {4});
       axis(m.node("Concat", {"m1", "four", "six"}, {"u"}), 0);
       m.ints("six", {6});
       m.node("Reshape", {"x", "u"}, {"out"});
     }},
    {"half as many rows",
     [](TestModel& m) {
       count(m);
       m.ints("two", {2}).ints("rest", {-1});
       m.node("Div", {"n", "two"}, {"half"});
       axis(m.node("Concat", {"half", "rest"}, {"t"}), 0);
       m.node("Reshape", {"x", "t"}, {"out"});
     },
     "(Reshape) mixes rows"},
    {"squeezed where there is one",
     [](TestModel& m) {
       m.ints("i", {0});
       axis(m.node("Gather", {"x", "i"}, {"a"}), 1);
       m.node("Squeeze", {"a"}, {"out"});
     },
     "drops their dimension"},
    {"squeezed where nothing else is one", [](TestModel& m) { m.node("Squeeze", {"x"}, {"out"}); },
     "drops their dimension"},
    {"filter over rows",
     [](TestModel& m) {
       m.weight("w", {4, 4, 3}, std::vector<float>(48, 1));
       set_ints(m.node("Transpose", {"x"}, {"a"}), "perm", {2, 1, 0});
       set_ints(m.node("Conv", {"a", "w"}, {"out"}, "filter"), "pads", {1, 1});
     },
     "'filter' (Conv)"},
    {"filter",
     [](TestModel& m) {
       m.weight("w", {4, 4, 3}, std::vector<float>(48, 1));
       set_ints(m.node("Conv", {"x", "w"}, {"out"}), "pads", {1, 1});
     }},
    {"scattered",
     [](TestModel& m) {
       m.weight("u", {1, 4, 6}, std::vector<float>(24, 1));
       m.ints("i", {0});
       m.ints("deep", {1, 1});
       m.node("Reshape", {"i", "deep"}, {"j"});
       m.node("ScatterND", {"x", "j", "u"}, {"out"});
     },
     "(ScatterND) mixes rows"},
};

Result<Model> model_of(const RowCase& c) {
  TestModel m(12);
  m.input("x", {-1, 4, 6}).input("y", {-1, 4, 6}).output("out");
  m.input("ids", {-1, 3}, ::onnx::TensorProto::INT64);
  c.build(m);
  return m.load();
}

TEST(Rows, WhatIsProven) {
  for (const RowCase& c : kCases) {
    SCOPED_TRACE(c.name);
    const Result<Model> model = model_of(c);
    ASSERT_TRUE(model.ok()) << model.status().message();
    for (const int64_t rows : {1, 2, 6, 64}) {
      const Result<RowProof> proof = model->prove_rows({.batch = rows});
      if (!proof.ok()) continue;  // some take an even number of them
      const std::string message = proof->independent.message();
      EXPECT_EQ(proof->independent.ok(), c.mixed == nullptr) << rows << ": " << message;
      EXPECT_EQ(proof->inputs, (std::vector<int>{0, 0, 0}));
      if (c.mixed == nullptr) {
        EXPECT_EQ(proof->outputs, std::vector<int>{c.axis}) << rows;
      } else {
        EXPECT_NE(message.find(c.mixed), std::string::npos) << rows << ": " << message;
        EXPECT_TRUE(is_one_line(message)) << message;
      }
    }
    EXPECT_TRUE(model->prove_rows({.batch = 2}).ok());
  }
}

// A plan names nodes: they are the same for every number of rows, with the same weights.
TEST(Rows, TheGraphIsTheSameForAnyNumber) {
  for (const RowCase& c : kCases) {
    SCOPED_TRACE(c.name);
    const Result<Model> model = model_of(c);
    ASSERT_TRUE(model.ok()) << model.status().message();
    std::vector<std::string> names;
    std::map<std::string, ir::Shape> weights;
    for (const int64_t rows : {1, 2, 6, 64}) {
      const Result<ir::Graph> graph = model->bind({.batch = rows});
      if (!graph.ok()) continue;
      std::vector<std::string> here;
      for (const ir::Node& node : graph->nodes()) here.push_back(node.name);
      if (names.empty()) names = here;
      EXPECT_EQ(here, names) << rows;
      for (const ir::Node& node : graph->nodes()) {
        for (const ir::ValueId id : node.inputs) {
          if (id == ir::kNoValue || !graph->value(id).is_constant()) continue;
          const ir::Value& value = graph->value(id);
          if (std::string_view(c.name) == "numbered") continue;  // as many as there are rows
          const auto [it, added] = weights.emplace(node.name + " " + value.name, value.desc.shape);
          EXPECT_EQ(it->second, value.desc.shape) << rows << " " << value.name;
        }
      }
    }
    EXPECT_FALSE(names.empty());
  }
}

TEST(Rows, OfAFixedBatchAreThoseOfEveryBatch) {
  for (const int64_t batch : {1, 3}) {
    TestModel m;
    m.input("x", {batch, 4}).output("y").output("z");
    m.node("Relu", {"x"}, {"y"});
    m.ints("t", {batch, 2, 2});
    m.node("Reshape", {"x", "t"}, {"z"});
    const Result<RowProof> proof = m.load()->prove_rows({.batch = batch});
    ASSERT_TRUE(proof.ok()) << proof.status().message();
    EXPECT_TRUE(proof->independent.ok()) << proof->independent.message();
    EXPECT_EQ(proof->outputs, (std::vector<int>{0, 0}));
  }
}

TEST(Rows, AFileMaySayThatTheyBelongTogether) {
  for (const int64_t declared : {-1, 1, 3}) {
    TestModel m;
    m.input("x", {declared, 4}).output("y");
    m.node("Relu", {"x"}, {"y"});
    auto& entry = *m.proto.add_metadata_props();
    entry.set_key(kRowsTogether);
    entry.set_value("its code\nfixes the batch");
    for (const int64_t rows : {1, 3}) {
      if (declared > 0 && rows != declared) continue;
      const Result<RowProof> proof = m.load()->prove_rows({.batch = rows});
      ASSERT_TRUE(proof.ok()) << proof.status().message();
      const std::string message = proof->independent.message();
      EXPECT_NE(message.find("fixes the batch"), std::string::npos) << message;
      EXPECT_TRUE(is_one_line(message)) << message;
      EXPECT_EQ(proof->inputs, std::vector<int>{0});
    }
  }
}

TEST(Rows, AnInputWithoutThemIsTheSameForAll) {
  TestModel m;
  m.input("x", {-1, 4}).input("w", {4, 4}).output("y");
  m.node("MatMul", {"x", "w"}, {"y"});
  const Result<RowProof> proof =
      m.load()->prove_rows({.batch = 4, .input_shapes = {{"w", {4, 4}}}});
  ASSERT_TRUE(proof.ok()) << proof.status().message();
  EXPECT_TRUE(proof->independent.ok()) << proof->independent.message();
  EXPECT_EQ(proof->inputs, (std::vector<int>{0, -1}));
}

// Inputs x and z whose first dimensions are open and have names of their own, and output y.
TestModel two_open_inputs() {
  TestModel m;
  m.input("x", {-1, 4}).input("z", {-1, 4}).output("y");
  auto& type = *m.graph().mutable_input(1)->mutable_type()->mutable_tensor_type();
  type.mutable_shape()->mutable_dim(0)->set_dim_param("M");
  return m;
}

TEST(Rows, OfOneAndOfSeveralAreNotTheSame) {
  TestModel m = two_open_inputs();
  m.node("Add", {"x", "z"}, {"y"});
  for (const int64_t others : {2, 3}) {
    const Result<RowProof> proof =
        m.load()->prove_rows({.input_shapes = {{"x", {1, 4}}, {"z", {others, 4}}}});
    ASSERT_TRUE(proof.ok()) << proof.status().message();
    EXPECT_FALSE(proof->independent.ok());
    EXPECT_EQ(proof->inputs, (std::vector<int>{0, -1}));
  }
}

// A part of the rows is bound as all of them were, whatever number it happens to have.
TEST(Rows, WhatCountsNoneCountsNoneOfAPartEither) {
  TestModel m = two_open_inputs();
  m.node("Shape", {"z"}, {"s"});
  m.ints("zero", {0}).ints("one", {1});
  m.node("Gather", {"s", "zero"}, {"rows"});
  set_int(m.node("Concat", {"rows", "one"}, {"times"}), "axis", 0);
  m.node("Tile", {"x", "times"}, {"t"});
  m.node("Relu", {"t"}, {"y"});
  const Model model = *m.load();
  const ImportOptions all{.input_shapes = {{"x", {5, 4}}, {"z", {1, 4}}}};
  const size_t nodes = model.bind(all)->node_count();
  for (const int64_t rows : {1, 2, 3}) {
    const Result<ImportOptions> some = model.with_rows(all, rows);
    ASSERT_TRUE(some.ok()) << some.status().message();
    EXPECT_EQ(model.bind(*some)->node_count(), nodes) << rows;
  }
}

TEST(Rows, ADimensionOfTheSameNameIsNoOther) {
  TestModel m;
  m.input("x", {-1, 4}).input("mask", {3, -1}).output("y");
  m.node("MatMul", {"mask", "x"}, {"y"});
  const Result<RowProof> proof =
      m.load()->prove_rows({.batch = 4, .input_shapes = {{"mask", {3, 4}}}});
  ASSERT_TRUE(proof.ok()) << proof.status().message();
  EXPECT_NE(proof->independent.message().find("input 'mask'"), std::string::npos)
      << proof->independent.message();
}

}  // namespace
}  // namespace taoism::onnx
