#include "case_builder.h"

namespace taoism::conformance {
namespace {

CaseInput given(std::shared_ptr<const ir::Constant> constant) {
  return {CaseInput::weight, constant->desc.shape, CaseInput::uniform, std::move(constant)};
}

std::shared_ptr<const ir::Constant> index_list(const Ints& values, bool as_i32) {
  const ir::Shape shape{static_cast<int64_t>(values.size())};
  if (!as_i32) return ir::make_i64_constant(shape, values);
  auto [constant, data] = ir::make_constant({ir::DType::i32, shape});
  for (size_t i = 0; i < values.size(); ++i) {
    reinterpret_cast<int32_t*>(data)[i] = static_cast<int32_t>(values[i]);
  }
  return constant;
}

// y, x, w_values, w_index, w_rows: about one entry in `every` of a dense weight, rows of all
// lengths.
std::vector<CaseInput> sparse_inputs(const ir::Shape& y, const ir::Shape& x, int64_t rows,
                                     int64_t columns, int64_t every, bool as_i32) {
  Ints index, row_begin = {0};
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = r % every; c < columns; c += every + (c % 3)) {
      if (r % 5 != 4) index.push_back(c);  // every fifth row is empty
    }
    row_begin.push_back(static_cast<int64_t>(index.size()));
  }
  return {tensor(y), tensor(x), weight({static_cast<int64_t>(index.size())}),
          given(index_list(index, as_i32)), given(index_list(row_begin, as_i32))};
}

struct SparseConv {
  const char* name;
  int64_t batch, in, size, out, kernel, stride, pad, group, every;
  bool bias, as_i32;
  const char* activation;
};

constexpr SparseConv kSparseConv[] = {
    {"3x3", 2, 16, 12, 24, 3, 1, 1, 1, 100, true, false, ""},
    {"3x3_stride2", 1, 9, 15, 17, 3, 2, 1, 1, 20, true, true, ""},
    {"1x1", 1, 32, 10, 40, 1, 1, 0, 1, 10, false, false, ""},
    {"7x7_stem", 1, 3, 40, 16, 7, 2, 3, 1, 30, true, false, ""},
    {"depthwise", 1, 18, 11, 18, 3, 1, 1, 18, 3, true, false, ""},
    {"grouped_relu", 2, 8, 9, 12, 3, 1, 1, 4, 4, true, false, "Relu"},
    {"batch3_stride2", 3, 6, 13, 5, 3, 2, 1, 1, 4, true, false, "HardSwish"},
    {"dense", 1, 4, 6, 6, 3, 1, 1, 1, 1, false, false, ""},
    {"empty", 1, 4, 6, 6, 3, 1, 1, 1, 1000, true, false, ""},
};

}  // namespace

void add_protocol_cases(std::vector<OpCase>& cases) {
  for (const SparseConv& s : kSparseConv) {
    const int64_t out_size = (s.size + 2 * s.pad - s.kernel) / s.stride + 1;
    const int64_t columns = s.in / s.group * s.kernel * s.kernel;
    OpCase c{std::string("sparse_residual_conv_") + s.name, "taoism.SparseResidual",
             attrs({{"out_channels", s.out},
                    {"kernel_shape", Ints{s.kernel, s.kernel}},
                    {"strides", Ints{s.stride, s.stride}},
                    {"pads", Ints{s.pad, s.pad, s.pad, s.pad}},
                    {"group", s.group},
                    {"activation", s.activation}}),
             sparse_inputs({s.batch, s.out, out_size, out_size}, {s.batch, s.in, s.size, s.size},
                           s.out, columns, s.every, s.as_i32)};
    if (s.bias) c.inputs.push_back(weight({s.out}));
    cases.push_back(std::move(c));
  }
  cases.push_back({"sparse_residual_conv1d", "taoism.SparseResidual",
                   attrs({{"out_channels", int64_t{7}}, {"kernel_shape", Ints{3}}}),
                   sparse_inputs({2, 7, 18}, {2, 5, 20}, 7, 15, 4, false)});
  const auto linear = attrs({{"kind", "linear"}, {"out_channels", int64_t{30}}});
  cases.push_back({"sparse_residual_linear", "taoism.SparseResidual", linear,
                   sparse_inputs({5, 30}, {5, 120}, 30, 120, 9, false)});
  cases.push_back({"sparse_residual_linear_rank3", "taoism.SparseResidual", linear,
                   sparse_inputs({2, 4, 30}, {2, 4, 50}, 30, 50, 5, true)});

  const auto restore = [&](const char* name, ir::Shape shape, bool bias, const char* activation) {
    OpCase c{std::string("restore_") + name,
             "taoism.Restore",
             attrs({{"scale", 0.37F}, {"activation", activation}}),
             {tensor(shape)}};
    if (bias) c.inputs.push_back(weight({shape[shape.rank() == 1 ? 0 : 1]}));
    cases.push_back(std::move(c));
  };
  restore("image", {2, 21, 9, 9}, true, "");
  restore("image_no_bias", {2, 21, 9, 9}, false, "");
  restore("image_relu", {1, 64, 14, 14}, true, "Relu");
  restore("batch3", {3, 5, 7, 9}, true, "Relu");
  restore("rows", {5, 37}, true, "");
  restore("vector", {10}, true, "");
}

}  // namespace taoism::conformance
