// Nodes that no operator may accept, and nodes that nobody sane would write: each is rejected with
// one line, or accepted with sizes that can be relied on. None crashes.
#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "case_builder.h"
#include "ops/op.h"

namespace taoism::conformance {
namespace {

using testing::HasSubstr;

// A node as plain types: shapes of any value, no data.
struct Bare {
  std::string op;
  ir::Attrs attrs;
  std::vector<ops::Input> inputs;
};

ops::Input input(ir::Shape shape, bool is_weight = false, ir::DType dtype = ir::DType::f32) {
  return {{dtype, shape}, true, is_weight, nullptr};
}
ops::Input constant(ir::Shape shape) { return input(shape, true); }

Bare bare_of(const OpCase& op_case) {
  Bare bare{op_case.op, op_case.attrs, {}};
  for (const CaseInput& in : op_case.inputs) {
    if (in.kind == CaseInput::absent) {
      bare.inputs.emplace_back();
    } else {
      bare.inputs.push_back(input(in.shape, in.kind == CaseInput::weight, dtype_of(in)));
    }
  }
  return bare;
}

// Asks the rules of packing and running about a node that passed the others.
void ask_of_packed(const ops::OpDef& def, const ops::NodeView& view) {
  for (size_t i = 0; def.packed_bytes != nullptr && i < view.inputs.size(); ++i) {
    if (view.inputs[i].present && view.inputs[i].is_weight) def.packed_bytes(view, i);
  }
  if (def.scratch_bytes != nullptr) def.scratch_bytes(view, 3);
}

// Asks every rule about the node, as lowering does, and of what it may have been packed for
// already.
Status ask(const Bare& bare) {
  const ops::OpDef& def = *ops::find_op(bare.op);
  ir::TensorDesc output;
  ops::NodeView view{"layer1/n", bare.attrs, bare.inputs, {}};
  Status status = check_and_infer(def, view, std::span<ir::TensorDesc>(&output, 1));
  if (!status.ok()) return status;
  EXPECT_TRUE(output.shape.is_bounded());
  view.outputs = std::span<const ir::TensorDesc>(&output, 1);
  if (def.cost != nullptr) def.cost(view);
  if (def.applies != nullptr && def.applies(view)) ask_of_packed(def, view);
  const ir::Attrs chosen = ops::chosen_attrs(def, view);
  ask_of_packed(def, {view.name, chosen, view.inputs, view.outputs});
  return status;
}

struct BadNode {
  const char* op;
  ir::Attrs attrs;
  std::vector<ops::Input> inputs;
  const char* message;  // part of it
  Code code = Code::invalid_argument;
};

const ops::Input kX = input({1, 4, 8, 8});
const ops::Input kX64 = input({3}, false, ir::DType::i64);
const ops::Input kW = constant({6, 4, 3, 3});
constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();

std::vector<BadNode> bad_nodes() {
  const auto unsupported = Code::unsupported;
  return {
      // Arity, types and attribute kinds: the same check for every operator.
      {"Conv", {}, {kX}, "Conv 'layer1/n': input 1 is missing"},
      {"Relu", {}, {}, "input 0 is missing"},
      {"Relu", {}, {kX, kX}, "takes at most 1 inputs, got 2"},
      {"Relu", attrs({{"alpha", 1.0F}}), {kX}, "unknown attribute alpha", unsupported},
      {"Clip", attrs({{"min", int64_t{0}}}), {kX}, "min must be a number, got an integer"},
      {"Concat", {}, {kX}, "attribute axis is missing"},
      {"Relu",
       {},
       {input({1, 2}, false, ir::DType::i64)},
       "must be float32, got int64",
       unsupported},
      {"Relu", {}, {input({-1, 2})}, "must have a static shape, got ?x2", unsupported},
      {"Relu", {}, {input({0, 2})}, "is empty: 0x2", unsupported},
      {"Relu", {}, {input({kHuge, 2})}, "is too large"},
      {"Conv", attrs({{"strides", Ints(100, 1)}}), {kX, kW}, "at most 64 elements"},
      // Windows.
      {"Conv",
       attrs({{"strides", Ints{0, 1}}}),
       {kX, kW},
       "Conv 'layer1/n': strides must be >= 1, got 0"},
      {"Conv", attrs({{"strides", Ints{1, -2}}}), {kX, kW}, "strides must be >= 1, got -2"},
      {"Conv", attrs({{"strides", Ints{kHuge, 1}}}), {kX, kW}, "strides must be <= 1048576"},
      {"Conv", attrs({{"strides", Ints{1}}}), {kX, kW}, "strides must have 2 elements, got [1]"},
      {"Conv", attrs({{"dilations", Ints{0, 0}}}), {kX, kW}, "dilations must be >= 1, got 0"},
      {"Conv", attrs({{"dilations", Ints{1 << 20, 1}}}), {kX, kW}, "does not fit an input of 8"},
      {"Conv", attrs({{"pads", Ints{-1, 0, 0, 0}}}), {kX, kW}, "pads must be >= 0, got -1"},
      {"Conv", attrs({{"pads", Ints{1, 1}}}), {kX, kW}, "pads must have 4 elements, got [1, 1]"},
      {"Conv", attrs({{"kernel_shape", Ints{5, 5}}}), {kX, kW}, "contradicts the weight's [3, 3]"},
      {"Conv", attrs({{"group", int64_t{0}}}), {kX, kW}, "group must divide"},
      {"Conv", attrs({{"group", int64_t{-2}}}), {kX, kW}, "got -2"},
      {"Conv", attrs({{"group", int64_t{3}}}), {kX, kW}, "group must divide 4 input and 6 output"},
      {"Conv", attrs({{"group", int64_t{2}}}), {kX, kW}, "w must have shape 6x2x3x3"},
      {"Conv", {}, {kX, input({6, 4, 3, 3})}, "w must be a constant", unsupported},
      {"Conv", {}, {kX, constant({6, 4, 9, 9})}, "does not fit an input of 8"},
      {"Conv", {}, {kX, kW, constant({5})}, "bias must have shape 6, got 5"},
      {"Conv",
       {},
       {kX, kW, {}, input({1, 6, 6, 5})},
       "residual must have the output's shape 1x6x6x6"},
      {"Conv", attrs({{"activation", "Gulp"}}), {kX, kW}, "unknown activation Gulp", unsupported},
      {"Conv",
       {},
       {input({1, 4, 8, 8, 8}), constant({6, 4, 3, 3, 3})},
       "x must have rank 3 to 4",
       unsupported},
      {"MaxPool", {}, {kX}, "kernel_shape is missing"},
      {"MaxPool", attrs({{"kernel_shape", Ints{2, 0}}}), {kX}, "kernel_shape must be >= 1, got 0"},
      {"MaxPool",
       attrs({{"kernel_shape", Ints{2, 2}}, {"pads", Ints{2, 0, 0, 0}}}),
       {kX},
       "pads must be smaller than the kernel, which spans 2, got 2"},
      {"AveragePool", attrs({{"kernel_shape", Ints{9, 9}}}), {kX}, "does not fit"},
      {"GlobalAveragePool", {}, {input({4, 4})}, "x must have rank 3", unsupported},
      // Products.
      {"Linear", {}, {input({2, 5}), constant({3, 6})}, "w must have shape 3x5, got 3x6"},
      {"Linear", {}, {input({2, 5}), input({3, 5})}, "w must be a constant", unsupported},
      {"Linear",
       attrs({{"trans_w", int64_t{7}}}),
       {input({2, 5}), constant({3, 5})},
       "trans_w must be 0 or 1, got 7"},
      {"Linear", {}, {input(ir::Shape{}), constant({3, 5})}, "x must have rank 1", unsupported},
      {"MatMul", {}, {input({2, 5}), input({6, 3})}, "2x5 and 6x3 do not multiply"},
      {"MatMul", {}, {input({2, 4, 5}), input({3, 5, 3})}, "do not broadcast"},
      {"MatMul", {}, {input(ir::Shape{}), input({3, 5})}, "a must have rank 1", unsupported},
      // Pointwise.
      {"BatchNormalization",
       {},
       {kX, constant({4}), constant({4}), constant({4}), constant({5})},
       "var must have shape 4, got 5"},
      {"BatchNormalization", {}, {input({4}), kW, kW, kW, kW}, "x must have rank 2", unsupported},
      {"Add", {}, {input({2, 3}), input({2, 4})}, "2x3 and 2x4 do not broadcast"},
      {"Mul", {}, {input({1 << 25, 1}), input({1, 1 << 25})}, "output 0 is too large"},
      {"Softmax", attrs({{"axis", int64_t{4}}}), {kX}, "axis must be in [-4, 3], got 4"},
      {"Softmax", {}, {input(ir::Shape{})}, "axis must be in"},
      {"ArgMax", attrs({{"axis", int64_t{4}}}), {kX}, "axis must be in [-4, 3], got 4"},
      {"ReduceMean", attrs({{"axes", Ints{1, -3}}}), {kX}, "axes must differ"},
      {"ReduceMean", attrs({{"axes", Ints{-5}}}), {kX}, "axes must be in [-4, 3], got -5"},
      // Types.
      {"Add",
       {},
       {input({2}), input({2}, false, ir::DType::i64)},
       "input 1 must be float32 like input 0, got int64",
       unsupported},
      {"And", {}, {kX, kX}, "must be bool, got float32", unsupported},
      {"Sqrt", {}, {input({2}, false, ir::DType::i64)}, "must be float32, got int64", unsupported},
      {"Where", {}, {kX, kX, kX}, "needs a bool", unsupported},
      {"Cast", attrs({{"to", "float64"}}), {kX}, "not from float32 to float64", unsupported},
      {"Cast",
       attrs({{"to", "float32"}}),
       {input({2}, false, ir::DType::u64)},
       "not from uint64 to float32",
       unsupported},
      {"Gather", {}, {kX, kX}, "indices must be int64", unsupported},
      {"Gather", attrs({{"axis", int64_t{4}}}), {kX, kX64}, "axis must be in [-4, 3], got 4"},
      {"GatherElements", {}, {kX, kX64}, "indices of shape 3 for an x of 1x4x8x8"},
      {"GatherND",
       attrs({{"batch_dims", int64_t{-1}}}),
       {kX, kX64},
       "indices of shape 3 for an x of 1x4x8x8 and batch_dims -1"},
      {"GatherND", {}, {input({2, 2}), kX64}, "indices of shape 3"},
      {"ScatterND", {}, {kX, kX64, kX}, "updates of 1x4x8x8 for an x of 1x4x8x8"},
      {"ScatterND", attrs({{"reduction", "sum"}}), {kX, kX64, kX}, "got sum", unsupported},
      {"ScatterND", {}, {kX, kX, kX}, "int64 indices", unsupported},
      {"ScatterElements", {}, {kX, kX64, kX64}, "of one type", unsupported},
      {"ScatterElements", attrs({{"axis", int64_t{4}}}), {kX, kX64, kX}, "axis must be in"},
      {"Expand", attrs({{"shape", Ints{2, 4, 8, 9}}}), {kX}, "do not broadcast"},
      {"Expand", attrs({{"shape", Ints{1, 1, 8, 8}}}), {kX}, "does not expand"},
      {"Expand", attrs({{"shape", Ints{kHuge, 4, 8, 8}}}), {kX}, "out of bounds"},
      // Normalisation.
      {"LayerNormalization", {}, {kX, input({7})}, "scale must have shape 8, got 7", unsupported},
      {"LayerNormalization", attrs({{"axis", int64_t{5}}}), {kX, kX}, "axis must be in"},
      {"GroupNormalization",
       attrs({{"num_groups", int64_t{3}}}),
       {kX, constant({4}), constant({4})},
       "num_groups must divide 4 channels, got 3"},
      {"GroupNormalization",
       attrs({{"num_groups", int64_t{2}}}),
       {kX, constant({4}), constant({2})},
       "bias must have shape 4, got 2"},
      {"Gelu", attrs({{"approximate", "some"}}), {kX}, "approximate must be", unsupported},
      {"PRelu", {}, {input({2, 3}), input({4, 1, 3})}, "does not broadcast to 2x3"},
      {"CumSum", attrs({{"axis", int64_t{4}}}), {kX}, "axis must be in [-4, 3], got 4"},
      {"LRN", attrs({{"size", int64_t{0}}}), {kX}, "size must be in [1, 1048576], got 0"},
      {"Trilu", {}, {input({4})}, "x must have rank 2", unsupported},
      // Layout.
      {"Concat", attrs({{"axis", int64_t{9}}}), {kX}, "axis must be in [-4, 3], got 9"},
      {"Concat", attrs({{"axis", int64_t{1}}}), {kX, input({1, 4, 8, 9})}, "does not join"},
      {"Concat", attrs({{"axis", int64_t{0}}}), {kX, input({4})}, "does not join"},
      {"Pad", attrs({{"pads", Ints{1}}}), {kX}, "pads must have 8 elements, got [1]"},
      {"Pad", attrs({{"pads", Ints{0, -5, 5, -9}}}), {input({3, 5})}, "leave nothing"},
      {"Pad", attrs({{"pads", Ints{kHuge, 0}}}), {input({3})}, "pads of axis 0 must be in"},
      {"Pad", attrs({{"pads", Ints{3, 0}}, {"mode", "reflect"}}), {input({3})}, "got 3"},
      {"Pad", attrs({{"pads", Ints{-1, 0}}, {"mode", "edge"}}), {input({3})}, "got -1"},
      {"Pad",
       attrs({{"pads", Ints{0, 0}}, {"mode", "mirror"}}),
       {input({3})},
       "got mirror",
       unsupported},
      {"Transpose", attrs({{"perm", Ints{0, 0, 1, 2}}}), {kX}, "perm must be a permutation"},
      {"Transpose", attrs({{"perm", Ints{0, 1, 2, 4}}}), {kX}, "perm must be a permutation"},
      {"Transpose", attrs({{"perm", Ints{0, 1}}}), {kX}, "perm must be a permutation of 4 axes"},
      {"Reshape",
       attrs({{"shape", Ints{-1, 4}}}),
       {kX},
       "shape must have the input's 256 elements"},
      {"Reshape", attrs({{"shape", Ints{kHuge, kHuge}}}), {kX}, "shape must have the input's"},
      {"Reshape", attrs({{"shape", Ints(9, 1)}}), {kX}, "at most 8 dimensions", unsupported},
      {"Slice", attrs({{"starts", Ints{0}}, {"ends", Ints{1, 2}}}), {kX}, "same length"},
      {"Slice",
       attrs({{"starts", Ints{0}}, {"ends", Ints{1}}, {"steps", Ints{0}}}),
       {kX},
       "steps must not be 0"},
      {"Slice",
       attrs({{"starts", Ints{5}}, {"ends", Ints{5}}, {"axes", Ints{2}}}),
       {kX},
       "select nothing",
       unsupported},
      {"Slice",
       attrs({{"starts", Ints{0, 0}}, {"ends", Ints{1, 1}}, {"axes", Ints{1, 1}}}),
       {kX},
       "axes must differ"},
      {"Resize", attrs({{"sizes", Ints{1, 4, 0, 8}}}), {kX}, "sizes must be >= 1"},
      {"Resize", attrs({{"sizes", Ints{8, 8}}}), {kX}, "sizes must have 4 elements, got [8, 8]"},
      {"Resize",
       attrs({{"sizes", Ints{2, 4, 8, 8}}}),
       {kX},
       "last two dimensions alone",
       unsupported},
      {"Resize",
       attrs({{"sizes", Ints{1, 4, 9, 9}}, {"mode", "cubic"}}),
       {kX},
       "got cubic",
       unsupported},
      {"Resize",
       attrs({{"sizes", Ints{1, 4, 9, 9}}, {"scales", Floats{1, 1, NAN, 1}}}),
       {kX},
       "scales must give the sizes"},
      {"Resize",
       attrs({{"sizes", Ints{1, 4, 9, 9}}, {"scales", Floats{1, 1, 1e-30F, 1}}}),
       {kX},
       "scales must give the sizes"},
  };
}

TEST(BadNodes, AreRejectedWithOneLine) {
  for (const BadNode& bad : bad_nodes()) {
    SCOPED_TRACE(std::string(bad.op) + ": " + bad.message);
    const Status status = ask({bad.op, bad.attrs, bad.inputs});
    EXPECT_EQ(status.code(), bad.code) << status.message();
    EXPECT_THAT(status.message(), HasSubstr(bad.message));
    EXPECT_EQ(status.message().find('\n'), std::string::npos);
  }
}

TEST(BadNodes, OfTheProtocol) {
  const auto list = [](int64_t n, ir::DType dtype) { return input({n}, true, dtype); };
  const ir::DType i64 = ir::DType::i64;
  const ir::Attrs good = attrs({{"out_channels", int64_t{6}}, {"kernel_shape", Ints{3, 3}}});
  const auto node = [&](ir::Attrs a, ops::Input y, ops::Input values, ops::Input columns,
                        ops::Input rows) {
    return ask({"taoism.SparseResidual", std::move(a), {y, kX, values, columns, rows}});
  };
  const ops::Input y = input({1, 6, 6, 6});
  const auto f32 = ir::DType::f32;
  EXPECT_TRUE(node(good, y, list(9, f32), list(9, i64), list(7, i64)).ok());
  EXPECT_TRUE(node(good, y, list(0, f32), list(0, i64), list(7, i64)).ok());
  EXPECT_THAT(node(good, y, list(9, f32), list(8, i64), list(7, i64)).message(),
              HasSubstr("w_index"));
  EXPECT_THAT(node(good, y, list(9, f32), list(9, i64), list(6, i64)).message(),
              HasSubstr("w_rows"));
  EXPECT_THAT(node(good, y, list(9, f32), list(9, f32), list(7, i64)).message(),
              HasSubstr("input 3 must be int32 or int64, got float32"));
  EXPECT_THAT(node(good, y, input({9}), list(9, i64), list(7, i64)).message(),
              HasSubstr("w_values must be a constant"));
  EXPECT_THAT(node(good, input({1, 6, 6, 7}), list(9, f32), list(9, i64), list(7, i64)).message(),
              HasSubstr("y must have shape 1x6x6x6"));
  ir::Attrs bad = good;
  bad.set("out_channels", kHuge);
  EXPECT_FALSE(node(bad, y, list(9, f32), list(9, i64), list(7, i64)).ok());
  bad = good;
  bad.set("kind", "lstm");
  EXPECT_THAT(node(bad, y, list(9, f32), list(9, i64), list(7, i64)).message(),
              HasSubstr("got lstm"));
  EXPECT_THAT(ask({"taoism.Restore", attrs({{"scale", 1.0F}}), {kX, constant({5})}}).message(),
              HasSubstr("bias must have shape 4, got 5"));
}

std::vector<ir::AttrValue> hostile_values(const ir::AttrValue& value) {
  constexpr int64_t kInts[] = {0,     -1,        1, 2, 63, 1 << 20, 1 << 30, int64_t{1} << 40,
                               kHuge, -kHuge - 1};
  constexpr float kReals[] = {0.0F,
                              -1.0F,
                              1e30F,
                              -1e30F,
                              1e-40F,
                              std::numeric_limits<float>::infinity(),
                              std::numeric_limits<float>::quiet_NaN()};
  std::vector<ir::AttrValue> result = {
      std::string(), std::string("constant"), Ints{}, Floats{}, int64_t{3}, 3.0F};
  for (int64_t i : kInts) result.emplace_back(i);
  for (float f : kReals) result.emplace_back(f);
  if (const auto* ints = std::get_if<Ints>(&value)) {
    for (int64_t i : kInts) {
      result.emplace_back(Ints(ints->size(), i));
      for (size_t at = 0; at < ints->size(); ++at) {
        Ints one = *ints;
        one[at] = i;
        result.emplace_back(std::move(one));
      }
    }
    result.emplace_back(Ints(ints->size() + 1, 1));
  }
  if (const auto* reals = std::get_if<Floats>(&value)) {
    for (float f : kReals) result.emplace_back(Floats(reals->size(), f));
  }
  return result;
}

std::vector<ir::Shape> hostile_shapes(const ir::Shape& shape) {
  std::vector<ir::Shape> result = {ir::Shape{}, ir::Shape{1}, ir::Shape{1, 1, 1, 1, 1, 1, 1, 1}};
  for (size_t i = 0; i < shape.rank(); ++i) {
    for (int64_t dim :
         {int64_t{0}, int64_t{-1}, int64_t{1}, int64_t{1} << 20, int64_t{1} << 40, kHuge}) {
      ir::Shape changed = shape;
      changed[i] = dim;
      result.push_back(changed);
    }
  }
  return result;
}

// One thing of every good case is replaced by something hostile. The sanitizer presets make this
// the test that no rule overflows, divides by zero or reads past a list.
TEST(BadNodes, HostileValuesAreSafe) {
  size_t accepted = 0, rejected = 0;
  for (const OpCase& op_case : all_cases()) {
    const Bare good = bare_of(op_case);
    ASSERT_TRUE(ask(good).ok()) << op_case.name;
    const auto count = [&](const Status& status) {
      ++(status.ok() ? accepted : rejected);
      EXPECT_EQ(status.message().find('\n'), std::string::npos);
      EXPECT_LT(status.message().size(), 400u) << status.message();
    };
    for (const auto& entry : good.attrs.entries()) {
      for (const ir::AttrValue& value : hostile_values(entry.value)) {
        Bare bad = good;
        bad.attrs.set(entry.name, value);
        count(ask(bad));
      }
    }
    for (size_t i = 0; i < good.inputs.size(); ++i) {
      if (!good.inputs[i].present) continue;
      for (const ir::Shape& shape : hostile_shapes(good.inputs[i].desc.shape)) {
        Bare bad = good;
        bad.inputs[i].desc.shape = shape;
        count(ask(bad));
      }
      Bare bad = good;
      bad.inputs[i].present = false;
      count(ask(bad));
      bad = good;
      bad.inputs[i].is_weight = !bad.inputs[i].is_weight;
      count(ask(bad));
      bad = good;
      bad.inputs[i].desc.dtype = static_cast<ir::DType>(200);
      count(ask(bad));
    }
  }
  EXPECT_GT(rejected, accepted);
  EXPECT_GT(accepted, 1000u);
}

}  // namespace
}  // namespace taoism::conformance
