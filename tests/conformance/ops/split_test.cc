// An operator that says that it splits is run in parts, of its images and of its rows, and gives
// bit for bit what it gives as a whole.
#include <algorithm>
#include <cstring>
#include <functional>
#include <set>

#include "loaded_case.h"

namespace taoism::conformance {
namespace {

using ops::Rows;

// A tensor as [outer][extent][inner], cut along the middle one.
struct Cut {
  Cut(const ir::TensorDesc& desc, size_t axis)
      : outer(static_cast<size_t>(desc.shape.product(0, axis))),
        extent(static_cast<size_t>(desc.shape[axis])),
        inner_bytes(desc.bytes() / (outer * extent)) {}
  size_t outer, extent, inner_bytes;

  AlignedBuffer part(const std::byte* whole, Rows rows) const {
    const size_t bytes = static_cast<size_t>(rows.size()) * inner_bytes;
    AlignedBuffer result(outer * bytes);
    for (size_t i = 0; i < outer; ++i) {
      std::memcpy(result.data() + i * bytes,
                  whole + (i * extent + static_cast<size_t>(rows.begin)) * inner_bytes, bytes);
    }
    return result;
  }
};

// Runs the node that computes `out` of axis `axis` from in[i] of each tensor, and compares.
void expect_part(const LoadedCase& loaded, Guarded& whole, size_t axis, Rows out,
                 const std::vector<Rows>& in, const ir::Attrs& attrs, bool infers,
                 Parallel& parallel) {
  SCOPED_TRACE("axis " + std::to_string(axis) + " from " + std::to_string(out.begin) + " to " +
               std::to_string(out.end));
  const ops::NodeView& view = loaded.view();
  std::vector<ops::Input> inputs(view.inputs.begin(), view.inputs.end());
  std::vector<const std::byte*> data = loaded.inputs();
  std::vector<AlignedBuffer> parts;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].present || inputs[i].is_weight) continue;
    ASSERT_LE(0, in[i].begin);
    ASSERT_LT(in[i].begin, in[i].end);
    ASSERT_LE(in[i].end, inputs[i].desc.shape[axis]);
    parts.push_back(Cut(inputs[i].desc, axis).part(data[i], in[i]));
    data[i] = parts.back().data();
    inputs[i].desc.shape[axis] = in[i].size();
  }
  ir::TensorDesc output = view.outputs[0];
  output.shape[axis] = out.size();
  ops::NodeView part{view.name, attrs, inputs, {}};
  if (infers) {
    ir::TensorDesc inferred;
    const Status status =
        ops::check_and_infer(loaded.def(), part, std::span<ir::TensorDesc>(&inferred, 1));
    ASSERT_TRUE(status.ok()) << status.message();
    ASSERT_EQ(inferred, output) << inferred.shape.text();
  }
  part.outputs = std::span<const ir::TensorDesc>(&output, 1);
  Guarded actual = loaded.run(part, data, parallel).output;
  const AlignedBuffer expected = Cut(view.outputs[0], axis).part(whole.data(), out);
  EXPECT_EQ(std::memcmp(actual.data(), expected.data(), expected.size()), 0);
}

bool splits_batch(const LoadedCase& loaded) {
  return ops::splits_batch(loaded.def(), loaded.view());
}

bool split_rows(const LoadedCase& loaded, Rows out, std::vector<Rows>& in, ir::Attrs& attrs) {
  return loaded.def().split_rows != nullptr &&
         loaded.def().split_rows(loaded.view(), out, in, attrs);
}

constexpr Rows kUntouched{-1, -1};

class OpSplit : public testing::TestWithParam<OpCase> {};

TEST_P(OpSplit, PartsOfTheBatchGiveTheSameBits) {
  for_each_target([&] {
    const LoadedCase loaded(GetParam());
    if (!splits_batch(loaded)) return;
    SerialParallel serial;
    TwoThreads two;
    auto [whole, outcome] = loaded.run(serial);
    if (!outcome.ok()) return;  // there is nothing to compare with
    const int64_t batch = loaded.view().outputs[0].shape[0];
    for (const int64_t images : {int64_t{1}, int64_t{2}}) {
      Parallel& parallel = images == 1 ? static_cast<Parallel&>(serial) : two;
      for (int64_t n = 0; n < batch && batch > 1 && !HasFailure(); n += images) {
        const Rows part{n, std::min(n + images, batch)};
        expect_part(loaded, whole, 0, part, std::vector(loaded.inputs().size(), part),
                    loaded.view().attrs, false, parallel);
      }
    }
  });
}

TEST_P(OpSplit, BandsOfRowsGiveTheSameBits) {
  for_each_target([&] {
    const LoadedCase loaded(GetParam());
    const ir::Shape& shape = loaded.view().outputs[0].shape;
    if (loaded.def().split_rows == nullptr || shape.rank() != 4) return;
    SerialParallel serial;
    TwoThreads two;
    auto [whole, outcome] = loaded.run(serial);
    if (!outcome.ok()) return;
    const int64_t step =
        loaded.def().row_step != nullptr ? loaded.def().row_step(loaded.view()) : 1;
    for (const int64_t steps : {int64_t{1}, int64_t{3}, shape[2]}) {
      Parallel& parallel = steps == 1 ? static_cast<Parallel&>(serial) : two;
      const int64_t rows = steps * step;
      for (int64_t y = 0; y < shape[2] && !HasFailure(); y += rows) {
        const Rows band{y, std::min(y + rows, shape[2])};
        std::vector<Rows> in(loaded.inputs().size(), kUntouched);
        ir::Attrs attrs = loaded.view().attrs;
        if (!split_rows(loaded, band, in, attrs)) continue;
        for (size_t i = 0; i < in.size(); ++i) {
          const ops::Input& input = loaded.view().inputs[i];
          EXPECT_EQ(in[i] != kUntouched, input.present && !input.is_weight) << "input " << i;
        }
        expect_part(loaded, whole, 2, band, in, attrs, true, parallel);
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Ops, OpSplit, testing::ValuesIn(all_cases()),
                         [](const auto& test) { return test.param.name; });

// The operators of the cases of which `splits` is true.
std::set<std::string> ops_where(const std::function<bool(const LoadedCase&)>& splits) {
  std::set<std::string> result;
  for (const OpCase& op_case : all_cases()) {
    if (!result.contains(op_case.op) && splits(LoadedCase(op_case))) result.insert(op_case.op);
  }
  return result;
}

// The operators that are not in `some`.
std::set<std::string> all_but(const std::set<std::string>& some) {
  std::set<std::string> result;
  for (const ops::OpDef* op : ops::all_ops()) {
    if (!some.contains(op->name)) result.insert(op->name);
  }
  return result;
}

TEST(OpSplitTable, SaysWhichOperatorsDoNotSplitTheirBatch) {
  const std::set<std::string> expected = {"ScatterND"};
  EXPECT_EQ(all_but(ops_where([](const LoadedCase& loaded) {
              return splits_batch(loaded) && loaded.view().outputs[0].shape[0] >= 3;
            })),
            expected);
}

TEST(OpSplitTable, SaysWhichOperatorsDoNotSplitTheirRows) {
  const std::set<std::string> expected = {"ArgMax",
                                          "ArgMin",
                                          "CumSum",
                                          "Expand",
                                          "Gather",
                                          "GatherElements",
                                          "GatherND",
                                          "GlobalAveragePool",
                                          "GlobalMaxPool",
                                          "GroupNormalization",
                                          "LRN",
                                          "LayerNormalization",
                                          "Linear",
                                          "LogSoftmax",
                                          "MatMul",
                                          "Pad",
                                          "RMSNormalization",
                                          "ReduceL1",
                                          "ReduceL2",
                                          "ReduceLogSum",
                                          "ReduceLogSumExp",
                                          "ReduceMax",
                                          "ReduceMean",
                                          "ReduceMin",
                                          "ReduceProd",
                                          "ReduceSum",
                                          "ReduceSumSquare",
                                          "Reshape",
                                          "Resize",
                                          "ScatterElements",
                                          "ScatterND",
                                          "Slice",
                                          "Softmax",
                                          "Transpose",
                                          "Trilu"};
  EXPECT_EQ(all_but(ops_where([](const LoadedCase& loaded) {
              const ir::Shape& shape = loaded.view().outputs[0].shape;
              std::vector<Rows> in(loaded.inputs().size(), kUntouched);
              ir::Attrs attrs = loaded.view().attrs;
              return shape.rank() == 4 && shape[2] > 4 && shape[2] % 2 == 1 &&
                     split_rows(loaded, {1, 4}, in, attrs);
            })),
            expected);
}

LoadedCase loaded_case(const std::string& name) {
  const std::vector<OpCase> cases = all_cases();
  const auto it =
      std::find_if(cases.begin(), cases.end(), [&](const OpCase& c) { return c.name == name; });
  if (it == cases.end()) ADD_FAILURE() << "no case " << name;
  return LoadedCase(it == cases.end() ? cases.front() : *it);
}

TEST(OpSplitTable, RefusesWhatMixesImages) {
  for (const char* name : {"Add_grows_left",
                           "Add_outer",
                           "Add_scalars",
                           "Add_weight_per_image",
                           "Mul_tensor_row",
                           "arg_max_first",
                           "concat_first",
                           "concat_one",
                           "concat_last",
                           "linear_rank1",
                           "matmul_2d",
                           "matmul_square",
                           "matmul_broadcast_right",
                           "matmul_broadcast_both",
                           "matmul_vector_left",
                           "matmul_dot",
                           "matmul_weight_batched",
                           "pad_value",
                           "pad_edge",
                           "reduce_mean_all",
                           "reduce_mean_all_flat",
                           "reduce_mean_first",
                           "resize_rank1",
                           "reshape_scalar",
                           "reshape_unsqueeze",
                           "restore_vector",
                           "slice_no_axes",
                           "softmax_first",
                           "softmax_vector",
                           "transpose_matrix",
                           "transpose_shuffle"}) {
    EXPECT_FALSE(splits_batch(loaded_case(name))) << name;
  }
}

TEST(OpSplitTable, RefusesRowsThatDoNotStandAlone) {
  const auto splits = [](const char* name, Rows out) {
    const LoadedCase loaded = loaded_case(name);
    std::vector<Rows> in(loaded.inputs().size(), kUntouched);
    ir::Attrs attrs = loaded.view().attrs;
    return split_rows(loaded, out, in, attrs);
  };
  for (const char* name :
       {"Add_weight_per_row", "Add_row", "AveragePool_1d", "average_pool_2x2_stride2_ceil_odd",
        "concat_last", "concat_rows", "conv1d", "relu_7", "restore_rows",
        "sparse_residual_linear_rank3", "batch_norm_1d"}) {
    EXPECT_FALSE(splits(name, {0, 1})) << name;
  }
  // 2x2 seen through 3x3 with pads of 3: the first and the last row see nothing of it.
  EXPECT_FALSE(splits("conv_pad_larger_than_image", {0, 1}));
  EXPECT_FALSE(splits("conv_pad_larger_than_image", {5, 6}));
  EXPECT_TRUE(splits("conv_pad_larger_than_image", {0, 2}));
  for (const char* name : {"conv_relu", "relu_large", "max_pool_3x3_stride1_pad1"}) {
    EXPECT_TRUE(splits(name, {0, 12})) << name;
    for (const Rows out : {Rows{0, 0}, Rows{3, 2}, Rows{-1, 1}, Rows{0, 100}, Rows{100, 101}}) {
      EXPECT_FALSE(splits(name, out)) << name << " " << out.begin << " " << out.end;
    }
  }
}

}  // namespace
}  // namespace taoism::conformance
