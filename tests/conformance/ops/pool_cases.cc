#include "case_builder.h"

namespace taoism::conformance {
namespace {

struct Pool2d {
  const char* name;
  int64_t batch, channels, height, width, kernel, stride, pad;
  int64_t dilation = 1;
  bool ceil = false;
};

constexpr Pool2d kPool2d[] = {
    // What the predecessor computed wrong.
    {"2x2_stride2_on_56", 1, 64, 56, 56, 2, 2, 0},
    {"2x2_stride2_on_112", 1, 16, 112, 112, 2, 2, 0},
    {"2x2_stride2_3_channels", 2, 3, 56, 56, 2, 2, 0},
    {"3x3_stride2_pad0_on_112", 1, 3, 112, 112, 3, 2, 0},
    // Zoo models, proxies, edges.
    {"3x3_stride2_pad1", 1, 64, 56, 56, 3, 2, 1},
    {"3x3_stride1_pad1", 2, 5, 13, 17, 3, 1, 1},
    {"5x5_stride4_pad2", 1, 20, 32, 32, 5, 4, 2},
    {"2x2_stride2_odd", 3, 7, 15, 15, 2, 2, 0},
    {"3x3_stride2_ceil", 1, 6, 12, 12, 3, 2, 0, 1, true},
    {"2x2_stride2_ceil_odd", 1, 6, 7, 9, 2, 2, 0, 1, true},
    {"3x3_stride2_pad1_batch3_odd", 3, 5, 13, 9, 3, 2, 1},
    {"3x3_stride2_pad1_ceil", 3, 4, 14, 10, 3, 2, 1, 1, true},
    {"3x3_stride3_pad1_ceil", 1, 4, 10, 11, 3, 3, 1, 1, true},
    {"8x8_stride8_ceil_beyond_the_image", 1, 6, 3, 1, 8, 8, 0, 1, true},
    {"whole_image", 2, 9, 7, 7, 7, 1, 0},
    {"1x1_stride2", 1, 5, 9, 9, 1, 2, 0},
    {"dilation2", 1, 8, 14, 14, 3, 1, 2, 2},
    {"stride_beyond_kernel", 1, 8, 16, 16, 2, 5, 0},
    {"wide_row", 1, 2, 3, 100, 3, 1, 1},
};

}  // namespace

void add_pool_cases(std::vector<OpCase>& cases) {
  for (const Pool2d& p : kPool2d) {
    const ir::Attrs a = attrs({{"kernel_shape", Ints{p.kernel, p.kernel}},
                               {"strides", Ints{p.stride, p.stride}},
                               {"pads", Ints{p.pad, p.pad, p.pad, p.pad}},
                               {"dilations", Ints{p.dilation, p.dilation}},
                               {"ceil_mode", int64_t{p.ceil}}});
    const CaseInput x = tensor({p.batch, p.channels, p.height, p.width});
    cases.push_back({std::string("max_pool_") + p.name, "MaxPool", a, {x}});
    cases.push_back({std::string("average_pool_") + p.name, "AveragePool", a, {x}});
    ir::Attrs with_pad = a;
    with_pad.set("count_include_pad", int64_t{1});
    cases.push_back(
        {std::string("average_pool_include_pad_") + p.name, "AveragePool", with_pad, {x}});
  }
  for (const char* op : {"MaxPool", "AveragePool"}) {
    cases.push_back(
        {std::string(op) + "_not_square",
         op,
         attrs({{"kernel_shape", Ints{2, 3}}, {"strides", Ints{1, 2}}, {"pads", Ints{1, 0, 0, 2}}}),
         {tensor({2, 6, 9, 12})}});
    cases.push_back({std::string(op) + "_1d",
                     op,
                     attrs({{"kernel_shape", Ints{3}}, {"strides", Ints{2}}, {"pads", Ints{1, 1}}}),
                     {tensor({2, 6, 21})}});
    cases.push_back({std::string(op) + "_defaults",
                     op,
                     attrs({{"kernel_shape", Ints{2, 2}}}),
                     {tensor({1, 3, 5, 5})}});
  }
  for (const char* op : {"GlobalAveragePool", "GlobalMaxPool"}) {
    cases.push_back({std::string(op) + "_7x7", op, {}, {tensor({2, 130, 7, 7})}});
    cases.push_back({std::string(op) + "_batch3", op, {}, {tensor({3, 5, 7, 3})}});
    cases.push_back({std::string(op) + "_1x1", op, {}, {tensor({1, 5, 1, 1})}});
    cases.push_back({std::string(op) + "_wide", op, {}, {tensor({1, 3, 50, 61})}});
    cases.push_back({std::string(op) + "_1d", op, {}, {tensor({2, 4, 30})}});
  }
}

}  // namespace taoism::conformance
