// The operator cases that every executor must compute right: the kernels here, and the same ones
// through a graph by the TEE and device suites. A case is a description; its seeded data is made on
// demand, so that the table may be held in memory as a whole.
// Thread-safety: values and pure functions.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "ops/outcome.h"

namespace taoism::conformance {

struct CaseInput {
  enum Kind : uint8_t { tensor, weight, absent };
  enum Fill : uint8_t {
    uniform,   // in [-1, 1)
    positive,  // in [0.5, 1.5): variances, divisors
    wide,      // in [-8, 8): beyond every activation's bends
    integers,  // int64, in [-bound, bound)
    flags,     // bool
  };
  Kind kind = tensor;
  ir::Shape shape;
  Fill fill = uniform;
  std::shared_ptr<const ir::Constant> given;  // instead of a fill
  int64_t bound = 8;
};

inline ir::DType dtype_of(const CaseInput& input) {
  if (input.given) return input.given->desc.dtype;
  if (input.fill == CaseInput::integers) return ir::DType::i64;
  return input.fill == CaseInput::flags ? ir::DType::boolean : ir::DType::f32;
}

struct OpCase {
  std::string name;  // unique; letters, digits and _
  std::string op;
  ir::Attrs attrs;
  std::vector<CaseInput> inputs;
};

// At least one case of every operator; the predecessor's failures included.
std::vector<OpCase> all_cases();

// One node named like the case; its tensors are the graph's inputs, its weights constants, its
// first output the graph's output, with inferred types. Checks that the operator accepts the case.
ir::Graph graph_of(const OpCase& op_case);
// Whether it does: for cases that are made of others.
bool is_accepted(const OpCase& op_case);
// The seeded contents of the graph's inputs, in their order.
std::vector<std::shared_ptr<const ir::Constant>> inputs_of(const OpCase& op_case);
// What the operator's reference computes from them, or the fault that it meets in them; the values
// are none then.
struct Expected {
  std::shared_ptr<const ir::Constant> values;
  ops::Outcome outcome;
};
Expected expected_of(const OpCase& op_case);
// Empty when `actual` (elements as `expected` has them; all but float32 must be the same) is within
// the operator's tolerance; else where and by how much it is not.
std::string difference(const OpCase& op_case, const ir::Constant& expected, const float* actual);

}  // namespace taoism::conformance
