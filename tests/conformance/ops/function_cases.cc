// Operators of many types or by plain definition: functions, comparisons, choices, reductions,
// normalisation.
#include <limits>

#include "case_builder.h"

namespace taoism::conformance {
namespace {

constexpr auto kIntegers = CaseInput::integers;
constexpr auto kFlags = CaseInput::flags;
constexpr auto kWide = CaseInput::wide;
constexpr auto kPositive = CaseInput::positive;
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
const Floats kSpecial{1, kInf, -kInf, kNaN, 0, -0.5F, 0.5F, -3};

void add_unary_cases(std::vector<OpCase>& cases) {
  const auto add = [&](const char* op, CaseInput::Fill fill, const char* suffix = "",
                       const ir::Attrs& a = {}) {
    cases.push_back({std::string(op) + suffix + "_image", op, a, {tensor({3, 5, 7, 9}, fill)}});
    cases.push_back({std::string(op) + suffix + "_7", op, a, {tensor({7}, fill)}});
  };
  for (const char* op : {"Acos", "Asin", "Atanh", "Tan"}) add(op, CaseInput::uniform);
  for (const char* op : {"Log", "Reciprocal", "Sqrt"}) add(op, kPositive);
  for (const char* op :
       {"Abs",   "Asinh",  "Atan",           "Ceil", "Celu",  "Cos",      "Cosh",     "Elu",
        "Erf",   "Exp",    "Floor",          "Gelu", "IsNaN", "Mish",     "Neg",      "Round",
        "Selu",  "Shrink", "Sign",           "Sin",  "Sinh",  "Softplus", "Softsign", "Swish",
        "Acosh", "IsInf",  "ThresholdedRelu"}) {
    add(op, kWide);
  }
  for (const char* op : {"Abs", "Neg", "Sign"}) add(op, kIntegers, "_integers");
  add("Not", kFlags);
  add("Celu", kWide, "_alpha", attrs({{"alpha", 2.5F}}));
  add("Elu", kWide, "_alpha", attrs({{"alpha", 0.3F}}));
  add("Gelu", kWide, "_tanh", attrs({{"approximate", "tanh"}}));
  add("Swish", kWide, "_alpha", attrs({{"alpha", 1.7F}}));
  for (const char* op : {"IsInf", "IsNaN", "Shrink", "ThresholdedRelu"}) {
    cases.push_back({std::string(op) + "_special", op, {}, {numbers(kSpecial)}});
  }
  for (const int64_t below : {0, 1}) {
    cases.push_back({below != 0 ? "IsInf_below" : "IsInf_none",
                     "IsInf",
                     attrs({{"detect_negative", below}, {"detect_positive", int64_t{0}}}),
                     {numbers(kSpecial)}});
  }
  cases.push_back(
      {"IsInf_above", "IsInf", attrs({{"detect_negative", int64_t{0}}}), {numbers(kSpecial)}});
  add("Shrink", kWide, "_shifted", attrs({{"lambd", 2.5F}, {"bias", 1.5F}}));
  add("ThresholdedRelu", kWide, "_alpha", attrs({{"alpha", -2.0F}}));
  for (const char* activation :
       {"Gelu", "taoism.GeluTanh", "Swish", "Elu", "Celu", "Mish", "Erf"}) {
    const std::string name = activation;
    cases.push_back({"Linear_then_" + name.substr(name.find('.') + 1),
                     "Linear",
                     attrs({{"activation", activation}}),
                     {tensor({5, 17}, kWide), weight({9, 17})}});
  }
}

void add_pair_cases(std::vector<OpCase>& cases) {
  struct Operands {
    const char* name;
    ir::Shape a, b;
  };
  const Operands operands[] = {
      {"same", {3, 5, 7, 9}, {3, 5, 7, 9}},
      {"row", {3, 7, 9}, {9}},
      {"outer", {4, 1}, {1, 5}},
      {"scalars", {}, {}},
      {"grows", {5}, {3, 2, 5}},
      {"columns", {3, 5, 7, 9}, {3, 5, 7, 1}},
  };
  const auto add = [&](const char* op, CaseInput::Fill fill, const char* suffix,
                       const ir::Attrs& a = {}) {
    for (const Operands& o : operands) {
      cases.push_back(
          {std::string(op) + "_" + o.name + suffix, op, a, {tensor(o.a, fill), tensor(o.b, fill)}});
    }
    cases.push_back(
        {std::string(op) + "_weight" + suffix, op, a, {tensor({3, 4}, fill), weight({4}, fill)}});
  };
  for (const char* op :
       {"Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Min", "Pow", "Mod"}) {
    add(op, kPositive, "");
    add(op, kIntegers, "_integers");
  }
  for (const char* op : {"Add", "Sub", "Mul", "Div"}) add(op, kIntegers, "_integers");
  for (const char* op : {"And", "Or", "Xor", "Equal"}) add(op, kFlags, "_flags");
  add("Mod", kWide, "_fmod", attrs({{"fmod", int64_t{1}}}));
  add("Mod", kIntegers, "_integers_fmod", attrs({{"fmod", int64_t{1}}}));
  add("Mod", kWide, "_wide");
  // What a division on a CPU has no answer to, and what it rounds.
  const Ints dividends{kLeast, kLeast, kLeast, 7, -7, 7, -7, 5, kLeast},
      divisors{-1, 3, kLeast, -2, 2, 2, -2, -1, 3};
  for (const char* op : {"Div", "Mod"}) {
    cases.push_back({std::string(op) + "_edges", op, {}, {numbers(dividends), numbers(divisors)}});
  }
  cases.push_back({"Mod_edges_fmod",
                   "Mod",
                   attrs({{"fmod", int64_t{1}}}),
                   {numbers(dividends), numbers(divisors)}});
  cases.push_back({"PRelu_channels", "PRelu", {}, {tensor({3, 5, 7, 9}), weight({5, 1, 1})}});
  cases.push_back({"PRelu_one", "PRelu", {}, {tensor({2, 6}), weight({1})}});
  for (const auto fill : {CaseInput::uniform, kIntegers, kFlags}) {
    const std::string suffix = std::to_string(fill);
    cases.push_back(
        {"Where_same_" + suffix,
         "Where",
         {},
         {tensor({3, 5, 7, 9}, kFlags), tensor({3, 5, 7, 9}, fill), tensor({3, 5, 7, 9}, fill)}});
    cases.push_back({"Where_broadcast_" + suffix,
                     "Where",
                     {},
                     {tensor({3, 1, 7}, kFlags), tensor({3, 5, 1}, fill), weight({1}, fill)}});
    for (const char* to : {"float32", "int64", "int32", "bool"}) {
      cases.push_back({std::string("Cast_to_") + to + "_" + suffix,
                       "Cast",
                       attrs({{"to", to}}),
                       {tensor({3, 5, 7, 9}, fill == CaseInput::uniform ? kWide : fill)}});
    }
    // Data movement of every type.
    cases.push_back({"Transpose_" + suffix,
                     "Transpose",
                     attrs({{"perm", Ints{0, 2, 1}}}),
                     {tensor({3, 5, 7}, fill)}});
    cases.push_back({"Slice_" + suffix,
                     "Slice",
                     attrs({{"starts", Ints{1}}, {"ends", Ints{4}}, {"axes", Ints{1}}}),
                     {tensor({3, 5, 7}, fill)}});
    cases.push_back({"Concat_" + suffix,
                     "Concat",
                     attrs({{"axis", int64_t{1}}}),
                     {tensor({3, 5}, fill), tensor({3, 2}, fill)}});
    cases.push_back({"Reshape_" + suffix,
                     "Reshape",
                     attrs({{"shape", Ints{3, 35}}}),
                     {tensor({3, 5, 7}, fill)}});
    cases.push_back({"Pad_" + suffix,
                     "Pad",
                     attrs({{"pads", Ints{0, 1, 2, 0, 3, -1}}, {"value", 1.0F}}),
                     {tensor({3, 5, 7}, fill)}});
    cases.push_back({"Expand_" + suffix,
                     "Expand",
                     attrs({{"shape", Ints{3, 5, 7}}}),
                     {tensor({3, 1, 7}, fill)}});
    cases.push_back({"Expand_front_" + suffix,
                     "Expand",
                     attrs({{"shape", Ints{4, 2, 3}}}),
                     {tensor({2, 1}, fill)}});
    cases.push_back(
        {"Trilu_" + suffix, "Trilu", attrs({{"k", int64_t{1}}}), {tensor({3, 5, 7}, fill)}});
  }
  cases.push_back({"Trilu_lower", "Trilu", attrs({{"upper", int64_t{0}}}), {tensor({6, 4})}});
  const std::pair<const char*, int64_t> diagonals[] = {
      {"left", -2}, {"beyond", 9}, {"far_left", kLeast}};
  for (const auto& [name, k] : diagonals) {
    for (const int64_t upper : {0, 1}) {
      cases.push_back({std::string("Trilu_") + name + (upper != 0 ? "_upper" : "_lower"),
                       "Trilu",
                       attrs({{"upper", upper}, {"k", k}}),
                       {tensor({2, 4, 6})}});
    }
  }
  cases.push_back(
      {"Pad_wrap", "Pad", attrs({{"pads", Ints{0, 7, 0, 9}}, {"mode", "wrap"}}), {tensor({3, 4})}});
}

// One or several dimensions of indices that are all in range, or, `beyond` the dimensions, of which
// some are not.
void add_gather_cases(std::vector<OpCase>& cases, int64_t beyond) {
  const auto add = [&](const std::string& name, const char* op, CaseInput::Fill fill,
                       const ir::Attrs& attributes, std::vector<CaseInput> inputs) {
    cases.push_back({name + (beyond > 0 ? "_out_of_range_" : "_") + std::to_string(fill), op,
                     attributes, std::move(inputs)});
  };
  const auto at = [&](ir::Shape shape, int64_t dim) { return indices(shape, dim + beyond); };
  const auto given = [&](ir::Shape shape, int64_t dim) {
    return indices(shape, dim + beyond, CaseInput::weight);
  };
  const ir::Attrs first = attrs({{"axis", int64_t{1}}}), last = attrs({{"axis", int64_t{-1}}});
  for (const auto fill : {CaseInput::uniform, kIntegers, kFlags}) {
    add("Gather_rows", "Gather", fill, {}, {weight({8, 6}, fill), at({3, 5}, 8)});
    add("Gather_axis", "Gather", fill, first, {tensor({3, 9, 4}, fill), given({7}, 9)});
    add("Gather_one", "Gather", fill, last, {tensor({3, 8}, fill), at(ir::Shape{}, 8)});
    add("GatherElements", "GatherElements", fill, first,
        {tensor({3, 7, 4}, fill), at({3, 5, 2}, 7)});
    add("GatherElements_last", "GatherElements", fill, last, {tensor({3, 8}, fill), at({2, 9}, 8)});
    add("GatherND", "GatherND", fill, {}, {tensor({8, 6, 4}, fill), at({5, 2}, 6)});
    add("GatherND_whole", "GatherND", fill, attrs({{"batch_dims", int64_t{2}}}),
        {tensor({2, 3, 8, 8}, fill), at({2, 3, 4, 2}, 8)});
    add("GatherND_batch", "GatherND", fill, attrs({{"batch_dims", int64_t{1}}}),
        {tensor({3, 8, 4}, fill), at({3, 5, 1}, 8)});
    add("ScatterElements", "ScatterElements", fill, first,
        {tensor({3, 7, 4}, fill), at({3, 5, 2}, 7), tensor({3, 5, 2}, fill)});
    add("ScatterElements_last", "ScatterElements", fill, last,
        {tensor({3, 8}, fill), at({2, 9}, 8), tensor({2, 9}, fill)});
    add("ScatterND", "ScatterND", fill, {},
        {tensor({8, 6, 4}, fill), given({5, 2}, 6), tensor({5, 4}, fill)});
  }
  for (const char* reduction : {"add", "mul", "max", "min"}) {
    for (const auto fill : {CaseInput::uniform, kIntegers}) {
      add(std::string("ScatterND_") + reduction, "ScatterND", fill,
          attrs({{"reduction", reduction}}),
          {tensor({8, 3}, fill), at({9, 1}, 8), tensor({9, 3}, fill)});
      add(std::string("ScatterElements_") + reduction, "ScatterElements", fill,
          attrs({{"axis", int64_t{1}}, {"reduction", reduction}}),
          {tensor({4, 5}, fill), at({3, 9}, 5), tensor({3, 9}, fill)});
    }
  }
}

// An index that is wrong alone, at the ends of its range, of the integers, and among so many that
// several threads look for it.
void add_index_edge_cases(std::vector<OpCase>& cases) {
  const std::pair<const char*, int64_t> edges[] = {
      {"above", 5}, {"below", -6}, {"least", kLeast}, {"greatest", -(kLeast + 1)}};
  for (const auto& [name, index] : edges) {
    std::vector<int64_t> list = {4, -5, index, 0};
    cases.push_back({std::string("Gather_") + name, "Gather", {}, {tensor({5, 3}), numbers(list)}});
    cases.push_back({std::string("ScatterElements_") + name,
                     "ScatterElements",
                     {},
                     {tensor({5}), numbers(list), tensor({4})}});
  }
  std::vector<int64_t> many(100'000, 1);
  many[77'777] = 3;
  many[77'778] = -4;
  cases.push_back({"Gather_many", "Gather", {}, {tensor({3}), numbers(many)}});
}

void add_integer_division_cases(std::vector<OpCase>& cases) {
  Ints dividends, divisors;  // each with each
  for (int64_t a = -9; a <= 9; ++a) {
    for (int64_t b = -4; b <= 4; ++b) {
      if (b == 0) continue;
      dividends.push_back(a);
      divisors.push_back(b);
    }
  }
  for (const int64_t fmod : {0, 1}) {
    const ir::Attrs how = attrs({{"fmod", fmod}});
    const std::string suffix = std::to_string(fmod);
    cases.push_back(
        {"Mod_by_zero_" + suffix, "Mod", how, {numbers(Ints{7, -7, 5}), numbers(Ints{2, 0, -1})}});
    cases.push_back({"Mod_by_any_" + suffix, "Mod", how, {numbers(dividends), numbers(divisors)}});
  }
  cases.push_back({"Div_by_zero", "Div", {}, {numbers(Ints{7, -7}), numbers(Ints{0, 3})}});
  cases.push_back({"Div_by_any", "Div", {}, {numbers(dividends), numbers(divisors)}});
}

void add_reduction_cases(std::vector<OpCase>& cases) {
  const auto add = [&](const std::string& op, CaseInput::Fill fill, const char* suffix) {
    const Ints last{-1}, outer{0, 2};
    cases.push_back({op + "_last" + suffix,
                     op,
                     attrs({{"axes", last}, {"keepdims", int64_t{0}}}),
                     {tensor({3, 5, 7}, fill)}});
    cases.push_back(
        {op + "_outer" + suffix, op, attrs({{"axes", outer}}), {tensor({3, 5, 7}, fill)}});
    cases.push_back({op + "_all" + suffix, op, {}, {tensor({3, 5}, fill)}});
  };
  for (const char* name :
       {"L1", "L2", "LogSum", "LogSumExp", "Max", "Min", "Prod", "Sum", "SumSquare"}) {
    add(std::string("Reduce") + name, kPositive, "");
  }
  for (const char* name : {"Max", "Min", "Prod", "Sum"}) {
    add(std::string("Reduce") + name, kIntegers, "_integers");
  }
  for (const char* op : {"ArgMax", "ArgMin"}) {
    for (const auto fill : {CaseInput::uniform, kIntegers}) {
      for (const int64_t last : {0, 1}) {
        cases.push_back({std::string(op) + "_" + std::to_string(fill) + std::to_string(last),
                         op,
                         attrs({{"axis", int64_t{1}}, {"select_last_index", last}}),
                         {tensor({3, 5, 7}, fill)}});
      }
    }
  }
  for (const char* op : {"ArgMax", "ArgMin"}) {
    cases.push_back({std::string(op) + "_special", op, {}, {numbers(kSpecial)}});
  }
  for (const char* which : {"exclusive", "reverse"}) {
    cases.push_back({std::string("CumSum_") + which,
                     "CumSum",
                     attrs({{"axis", int64_t{1}}, {which, int64_t{1}}}),
                     {tensor({3, 5, 7})}});
  }
  // What an exclusive sum must not find by subtracting.
  cases.push_back({"CumSum_special",
                   "CumSum",
                   attrs({{"axis", int64_t{0}}, {"exclusive", int64_t{1}}}),
                   {numbers(Floats{1, 2, kInf, 3})}});
  for (const int64_t axis : {0, 1, -1}) {
    const std::string suffix = std::to_string(axis + 1);
    cases.push_back({"LogSoftmax_" + suffix,
                     "LogSoftmax",
                     attrs({{"axis", axis}}),
                     {tensor({3, 5, 7}, kWide)}});
    cases.push_back({"CumSum_" + suffix, "CumSum", attrs({{"axis", axis}}), {tensor({3, 5, 7})}});
    cases.push_back({"CumSum_reverse_" + suffix,
                     "CumSum",
                     attrs({{"axis", axis}, {"reverse", int64_t{1}}, {"exclusive", int64_t{1}}}),
                     {tensor({3, 5, 7}, kIntegers)}});
  }
}

void add_normalization_cases(std::vector<OpCase>& cases) {
  const auto layer = [&](const std::string& name, const char* op, ir::Attrs a, CaseInput x,
                         ir::Shape row, bool shifted) {
    std::vector<CaseInput> inputs{std::move(x), weight(row)};
    if (shifted) inputs.push_back(weight(row));
    cases.push_back({name, op, std::move(a), std::move(inputs)});
  };
  for (const char* op : {"LayerNormalization", "RMSNormalization"}) {
    const std::string name = op;
    const bool shifted = name[0] == 'L';
    layer(name + "_tokens", op, {}, tensor({3, 17, 96}, kWide), {96}, shifted);
    layer(name + "_odd", op, attrs({{"epsilon", 0.1F}}), tensor({5, 7}), {7}, false);
    layer(name + "_image", op, attrs({{"axis", int64_t{1}}}), tensor({3, 5, 7, 9}), {5, 7, 9},
          shifted);
    layer(name + "_all", op, attrs({{"axis", int64_t{0}}}), tensor({3, 5}), {3, 5}, shifted);
    layer(name + "_one", op, {}, tensor({4, 1}), {1}, shifted);
    // Far from 0, where the difference of squares would be lost.
    cases.push_back({name + "_computed_scale", op, {}, {tensor({3, 33}, kPositive), tensor({33})}});
  }
  const auto group = [&](const char* name, ir::Shape x, int64_t groups) {
    cases.push_back({std::string("GroupNormalization_") + name,
                     "GroupNormalization",
                     attrs({{"num_groups", groups}}),
                     {tensor(x, kWide), weight({x[1]}), weight({x[1]})}});
  };
  group("image", {3, 6, 7, 9}, 2);
  group("instance", {3, 5, 7, 9}, 5);
  group("layer", {2, 12, 33}, 1);
  group("vector", {3, 8}, 4);
  cases.push_back({"LRN_3",
                   "LRN",
                   attrs({{"size", int64_t{3}}, {"alpha", 0.5F}}),
                   {tensor({3, 5, 7, 9}, kWide)}});
  cases.push_back({"LRN_even",
                   "LRN",
                   attrs({{"size", int64_t{4}}, {"beta", 0.5F}, {"bias", 2.0F}}),
                   {tensor({2, 9, 4}, kWide)}});
  cases.push_back({"LRN_wide",
                   "LRN",
                   attrs({{"size", int64_t{1000}}, {"alpha", 900.0F}}),
                   {tensor({2, 5}, kWide)}});
}

}  // namespace

void add_function_cases(std::vector<OpCase>& cases) {
  add_unary_cases(cases);
  add_pair_cases(cases);
  add_gather_cases(cases, 0);
  add_gather_cases(cases, 3);
  add_index_edge_cases(cases);
  add_integer_division_cases(cases);
  add_reduction_cases(cases);
  add_normalization_cases(cases);
}

}  // namespace taoism::conformance
