#include "case_builder.h"

namespace taoism::conformance {
namespace {

struct LinearShape {
  const char* name;
  int64_t batch, in, out;
  bool bias = true;
  bool transposed = true;  // weight [out, in]
};

constexpr LinearShape kLinear[] = {
    // What the predecessor computed wrong.
    {"600_inputs", 4, 600, 100},
    {"768_inputs", 4, 768, 96},
    {"25088_inputs", 2, 25088, 64},
    {"25088_inputs_batch1", 1, 25088, 96},
    {"512x1000_batch512", 512, 512, 1000},
    // Classifiers, and edges of blocking.
    {"classifier", 1, 512, 10},
    {"classifier_batch8", 8, 512, 100, true},
    {"1x1", 1, 1, 1},
    {"1_output", 5, 77, 1},
    {"odd", 3, 33, 17, false},
    {"odd_in_out", 7, 129, 65, true, false},
    {"in_out", 1, 300, 200, false, false},
    {"in_out_batch33", 33, 64, 48, true, false},
};

}  // namespace

void add_linear_cases(std::vector<OpCase>& cases) {
  for (const LinearShape& s : kLinear) {
    OpCase c{std::string("linear_") + s.name, "Linear", {}, {tensor({s.batch, s.in})}};
    if (!s.transposed) c.attrs.set("trans_w", int64_t{0});
    c.inputs.push_back(s.transposed ? weight({s.out, s.in}) : weight({s.in, s.out}));
    if (s.bias) c.inputs.push_back(weight({s.out}, CaseInput::wide));
    cases.push_back(std::move(c));
  }
  cases.push_back({"linear_rank3",
                   "Linear",
                   attrs({{"activation", "Relu"}}),
                   {tensor({2, 9, 40}), weight({24, 40}), weight({24})}});
  cases.push_back({"linear_rank1", "Linear", {}, {tensor({40}), weight({24, 40})}});
  cases.push_back({"linear_relu",
                   "Linear",
                   attrs({{"activation", "Relu"}}),
                   {tensor({3, 100}), weight({70, 100}), weight({70})}});
  cases.push_back({"linear_tanh",
                   "Linear",
                   attrs({{"activation", "Tanh"}}),
                   {tensor({3, 100}), weight({70, 100}), absent()}});

  const auto matmul = [&](const char* name, CaseInput a, CaseInput b) {
    cases.push_back({std::string("matmul_") + name, "MatMul", {}, {std::move(a), std::move(b)}});
  };
  matmul("2d", tensor({13, 37}), tensor({37, 29}));
  matmul("large", tensor({100, 128}), tensor({128, 200}));
  matmul("batched", tensor({2, 3, 16, 24}), tensor({2, 3, 24, 20}));
  matmul("batch3", tensor({3, 5, 17}), tensor({3, 17, 9}));
  matmul("square", tensor({6, 6}), tensor({6, 6}));
  matmul("broadcast_right", tensor({4, 3, 5, 7}), tensor({7, 6}));
  matmul("broadcast_both", tensor({4, 1, 5, 7}), tensor({3, 7, 6}));
  matmul("broadcast_left", tensor({5, 7}), tensor({2, 2, 7, 9}));
  matmul("vector_left", tensor({16}), tensor({3, 16, 10}));
  matmul("vector_right", tensor({3, 10, 16}), tensor({16}));
  matmul("dot", tensor({50}), tensor({50}));
  matmul("weight_batched", tensor({2, 6, 8}), weight({2, 8, 5}));
  matmul("weight_left", weight({6, 8}), tensor({2, 8, 5}));
}

}  // namespace taoism::conformance
