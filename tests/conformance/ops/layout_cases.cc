#include "case_builder.h"

namespace taoism::conformance {
namespace {

void add_resize_cases(std::vector<OpCase>& cases) {
  int next = 0;
  for (const char* mode : {"nearest", "linear"}) {
    for (const char* rule : {"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"}) {
      for (const Ints& sizes : {Ints{2, 3, 14, 10}, Ints{2, 3, 11, 3}, Ints{2, 3, 1, 1}}) {
        cases.push_back(
            {std::string("resize_") + mode + "_" + rule + "_" + std::to_string(next++),
             "Resize",
             attrs({{"sizes", sizes}, {"mode", mode}, {"coordinate_transformation_mode", rule}}),
             {tensor({2, 3, 7, 5})}});
      }
    }
  }
  for (const char* rounding : {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}) {
    cases.push_back({std::string("resize_rounding_") + rounding,
                     "Resize",
                     attrs({{"sizes", Ints{1, 2, 16, 9}},
                            {"coordinate_transformation_mode", "asymmetric"},
                            {"nearest_mode", rounding}}),
                     {tensor({1, 2, 8, 6})}});
  }
  cases.push_back(
      {"resize_scales",
       "Resize",
       attrs(
           {{"sizes", Ints{1, 2, 7, 7}}, {"scales", Floats{1, 1, 1.5F, 1.5F}}, {"mode", "linear"}}),
       {tensor({1, 2, 5, 5})}});
  cases.push_back({"resize_batch3",
                   "Resize",
                   attrs({{"sizes", Ints{3, 2, 9, 4}}, {"mode", "linear"}}),
                   {tensor({3, 2, 5, 7})}});
  cases.push_back({"resize_rank1", "Resize", attrs({{"sizes", Ints{9}}}), {tensor({4})}});
}

void add_slice_cases(std::vector<OpCase>& cases) {
  constexpr int64_t kEnd = INT64_MAX;
  const auto slice = [&](const char* name, Ints starts, Ints ends, Ints axes, Ints steps) {
    ir::Attrs a = attrs({{"starts", std::move(starts)}, {"ends", std::move(ends)}});
    if (!axes.empty()) a.set("axes", std::move(axes));
    if (!steps.empty()) a.set("steps", std::move(steps));
    cases.push_back({std::string("slice_") + name, "Slice", a, {tensor({3, 10, 6, 7})}});
  };
  slice("channels", {2}, {7}, {1}, {});
  slice("inner", {0, 1}, {5, -1}, {2, 3}, {});
  slice("steps", {1, 0}, {kEnd, kEnd}, {1, 3}, {3, 2});
  slice("reversed", {-1, kEnd}, {INT64_MIN, -kEnd}, {1, 3}, {-1, -2});
  slice("no_axes", {1, 2}, {3, 9}, {}, {});
  slice("huge_step", {1}, {kEnd}, {2}, {INT64_MAX});
  slice("huge_negative_step", {kEnd}, {INT64_MIN}, {2}, {INT64_MIN});
  slice("everything", {-100}, {100}, {-1}, {});
}

}  // namespace

void add_layout_cases(std::vector<OpCase>& cases) {
  cases.push_back({"concat_channels",
                   "Concat",
                   attrs({{"axis", int64_t{1}}}),
                   {tensor({2, 3, 5, 7}), tensor({2, 8, 5, 7}), tensor({2, 1, 5, 7})}});
  cases.push_back({"concat_batch3",
                   "Concat",
                   attrs({{"axis", int64_t{1}}}),
                   {tensor({3, 2, 5, 7}), tensor({3, 4, 5, 7})}});
  cases.push_back({"concat_rows",
                   "Concat",
                   attrs({{"axis", int64_t{2}}}),
                   {tensor({2, 3, 4, 5}), tensor({2, 3, 2, 5})}});
  cases.push_back(
      {"concat_last", "Concat", attrs({{"axis", int64_t{-1}}}), {tensor({4, 3}), weight({4, 2})}});
  cases.push_back(
      {"concat_first", "Concat", attrs({{"axis", int64_t{0}}}), {tensor({1, 9}), tensor({5, 9})}});
  cases.push_back({"concat_one", "Concat", attrs({{"axis", int64_t{0}}}), {tensor({3, 9})}});

  const auto pad = [&](const char* name, ir::Shape shape, Ints pads, const char* mode,
                       float value) {
    cases.push_back({std::string("pad_") + name,
                     "Pad",
                     attrs({{"pads", std::move(pads)}, {"mode", mode}, {"value", value}}),
                     {tensor(shape)}});
  };
  pad("spatial", {2, 3, 5, 7}, {0, 0, 1, 2, 0, 0, 3, 4}, "constant", 0.0F);
  pad("value", {4, 5}, {1, 0, 0, 2}, "constant", -2.5F);
  pad("crop", {2, 9, 8}, {0, -2, 1, 0, -3, -4}, "constant", 1.0F);
  pad("reflect", {2, 3, 5, 7}, {0, 0, 4, 2, 0, 0, 3, 6}, "reflect", 0.0F);
  pad("batch3", {3, 2, 5, 7}, {0, 1, 1, 2, 0, 0, 3, 4}, "edge", 0.0F);
  pad("edge", {1, 2, 3, 4}, {1, 0, 7, 2, 0, 2, 3, 9}, "edge", 0.0F);
  pad("nothing", {3, 3}, {0, 0, 0, 0}, "constant", 0.0F);
  cases.push_back({"pad_defaults", "Pad", attrs({{"pads", Ints{1, 1}}}), {tensor({6})}});

  cases.push_back({"transpose_to_channels_last",
                   "Transpose",
                   attrs({{"perm", Ints{0, 2, 3, 1}}}),
                   {tensor({2, 19, 11, 13})}});
  cases.push_back({"transpose_to_channels_first",
                   "Transpose",
                   attrs({{"perm", Ints{0, 3, 1, 2}}}),
                   {tensor({2, 11, 13, 19})}});
  cases.push_back({"transpose_matrix", "Transpose", {}, {tensor({65, 130})}});
  cases.push_back({"transpose_batch3",
                   "Transpose",
                   attrs({{"perm", Ints{0, 2, 3, 1}}}),
                   {tensor({3, 4, 5, 6})}});
  cases.push_back({"transpose_heads",
                   "Transpose",
                   attrs({{"perm", Ints{0, 2, 1, 3}}}),
                   {tensor({2, 9, 4, 16})}});
  cases.push_back(
      {"transpose_identity", "Transpose", attrs({{"perm", Ints{0, 1}}}), {tensor({5, 6})}});
  cases.push_back({"transpose_shuffle",
                   "Transpose",
                   attrs({{"perm", Ints{4, 2, 0, 3, 1}}}),
                   {tensor({2, 3, 4, 5, 6})}});

  cases.push_back(
      {"reshape_flatten", "Reshape", attrs({{"shape", Ints{2, 175}}}), {tensor({2, 5, 5, 7})}});
  cases.push_back(
      {"reshape_batch3", "Reshape", attrs({{"shape", Ints{3, 4, 5}}}), {tensor({3, 2, 10})}});
  cases.push_back({"reshape_scalar", "Reshape", attrs({{"shape", Ints{}}}), {tensor({1, 1})}});
  cases.push_back(
      {"reshape_unsqueeze", "Reshape", attrs({{"shape", Ints{1, 4, 1, 3}}}), {tensor({4, 3})}});
  add_slice_cases(cases);
  add_resize_cases(cases);
}

}  // namespace taoism::conformance
