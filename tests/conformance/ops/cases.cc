#include "cases.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "case_builder.h"
#include "ops/graph_view.h"
#include "ops/op.h"

namespace taoism::conformance {
namespace {

// splitmix64: small, seeded by the case's name and the input's index, the same on every machine.
class Random {
 public:
  Random(const std::string& name, size_t input) : state_(input * 0x9E3779B97F4A7C15u + 1) {
    for (char c : name) state_ = state_ * 1099511628211u + static_cast<unsigned char>(c);
  }
  // In [0, 1).
  float next() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return static_cast<float>((z ^ (z >> 31)) >> 40) * 0x1p-24F;
  }

 private:
  uint64_t state_;
};

std::shared_ptr<const ir::Constant> data_of(const OpCase& op_case, size_t input) {
  const CaseInput& description = op_case.inputs[input];
  if (description.given) return description.given;
  auto [constant, data] = ir::make_constant({dtype_of(description), description.shape});
  Random random(op_case.name, input);
  auto* values = reinterpret_cast<float*>(data);
  auto* integers = reinterpret_cast<int64_t*>(data);
  const int64_t elements = description.shape.elements();
  for (int64_t i = 0; i < elements; ++i) {
    const float u = random.next();
    switch (description.fill) {
      case CaseInput::uniform: values[i] = 2 * u - 1; break;
      case CaseInput::positive: values[i] = u + 0.5F; break;
      case CaseInput::wide: values[i] = 16 * u - 8; break;
      case CaseInput::integers:
        integers[i] =
            static_cast<int64_t>(2 * static_cast<float>(description.bound) * u) - description.bound;
        break;
      case CaseInput::flags: data[i] = std::byte{u < 0.5F}; break;
    }
  }
  return constant;
}

const ops::OpDef& op_of(const OpCase& op_case) {
  const ops::OpDef* def = ops::find_op(op_case.op);
  if (def == nullptr)
    std::fprintf(stderr, "case %s: no operator %s\n", op_case.name.c_str(), op_case.op.c_str());
  TAOISM_CHECK(def != nullptr);
  return *def;
}

Result<ir::Graph> try_graph_of(const OpCase& op_case) {
  ir::Graph graph;
  graph.name = op_case.name;
  ir::Node node;
  node.op = op_case.op;
  node.name = op_case.name;
  node.attrs = op_case.attrs;
  for (size_t i = 0; i < op_case.inputs.size(); ++i) {
    const CaseInput& input = op_case.inputs[i];
    const std::string name = "in" + std::to_string(i);
    switch (input.kind) {
      case CaseInput::absent: node.inputs.push_back(ir::kNoValue); break;
      case CaseInput::weight:
        node.inputs.push_back(graph.add_constant(name, data_of(op_case, i)));
        break;
      case CaseInput::tensor:
        node.inputs.push_back(graph.add_input(name, {dtype_of(input), input.shape}));
        break;
    }
  }
  ir::TensorDesc output;
  const Status status = ops::check_and_infer(op_of(op_case), ops::GraphNodeView(graph, node).view(),
                                             std::span<ir::TensorDesc>(&output, 1));
  if (!status.ok()) return status;
  const ir::ValueId out = graph.add_value("out", output);
  node.outputs = {out};
  graph.add_node(std::move(node));
  graph.set_outputs({out});
  return graph;
}

}  // namespace

std::vector<OpCase> all_cases() {
  std::vector<OpCase> cases;
  add_conv_cases(cases);
  add_linear_cases(cases);
  add_pointwise_cases(cases);
  add_function_cases(cases);
  add_pool_cases(cases);
  add_layout_cases(cases);
  add_protocol_cases(cases);
  return cases;
}

ir::Graph graph_of(const OpCase& op_case) {
  Result<ir::Graph> graph = try_graph_of(op_case);
  if (!graph.ok())
    std::fprintf(stderr, "case %s: %s\n", op_case.name.c_str(), graph.status().message().c_str());
  TAOISM_CHECK(graph.ok());
  return std::move(*graph);
}

bool is_accepted(const OpCase& op_case) { return try_graph_of(op_case).ok(); }

std::vector<std::shared_ptr<const ir::Constant>> inputs_of(const OpCase& op_case) {
  std::vector<std::shared_ptr<const ir::Constant>> result;
  for (size_t i = 0; i < op_case.inputs.size(); ++i) {
    if (op_case.inputs[i].kind == CaseInput::tensor) result.push_back(data_of(op_case, i));
  }
  return result;
}

Expected expected_of(const OpCase& op_case) {
  const ir::Graph graph = graph_of(op_case);
  const ops::OpDef& def = op_of(op_case);
  const ops::GraphNodeView holder(graph, graph.node(0));
  const ops::NodeView view = holder.view();
  std::vector<std::shared_ptr<const ir::Constant>> data;
  std::vector<const std::byte*> inputs;
  for (size_t i = 0; i < op_case.inputs.size(); ++i) {
    const bool present = op_case.inputs[i].kind != CaseInput::absent;
    data.push_back(present ? data_of(op_case, i) : nullptr);
    inputs.push_back(present ? data.back()->data : nullptr);
  }
  auto [result, out] = ir::make_constant(view.outputs[0]);
  SerialParallel serial;
  const bool runs = def.reference == nullptr && def.scratch_bytes != nullptr;
  AlignedBuffer scratch(runs ? def.scratch_bytes(view, 1) : 0);
  const ops::RunContext context{view, inputs, std::span<std::byte* const>(&out, 1), scratch.span(),
                                serial};
  Expected expected;
  expected.outcome = (def.reference != nullptr ? def.reference : def.run)(context);
  if (expected.outcome.ok()) expected.values = result;
  return expected;
}

std::string difference(const OpCase& op_case, const ir::Constant& expected, const float* actual) {
  const ops::Tolerance tolerance = op_of(op_case).tolerance;
  const int64_t elements = expected.desc.shape.elements();
  if (expected.desc.dtype != ir::DType::f32) {
    const size_t bytes = ir::dtype_bytes(expected.desc.dtype);
    const auto* got = reinterpret_cast<const std::byte*>(actual);
    for (int64_t i = 0; i < elements; ++i) {
      const size_t at = static_cast<size_t>(i) * bytes;
      if (std::memcmp(got + at, expected.data + at, bytes) == 0) continue;
      return "element " + std::to_string(i) + " differs";
    }
    return "";
  }
  double largest = 0;
  for (int64_t i = 0; i < elements; ++i) {
    if (std::isfinite(expected.f32()[i]))
      largest = std::max(largest, std::fabs(static_cast<double>(expected.f32()[i])));
  }
  const double allowed = tolerance.absolute + tolerance.relative * largest;
  int64_t wrong = 0, worst = -1;
  double worst_by = -1;
  for (int64_t i = 0; i < elements; ++i) {
    const double r = expected.f32()[i], x = actual[i];
    if (r == x || (std::isnan(r) && std::isnan(x))) continue;
    const double by = std::fabs(x - r);
    if (by <= allowed) continue;
    ++wrong;
    if (worst < 0 || by > worst_by || std::isnan(by)) {
      worst = i;
      worst_by = by;
    }
  }
  if (wrong == 0) return "";
  char text[256];
  std::snprintf(text, sizeof text,
                "%lld of %lld elements are off; element %lld is %.9g, expected %.9g (allowed %.3g)",
                static_cast<long long>(wrong), static_cast<long long>(elements),
                static_cast<long long>(worst), static_cast<double>(actual[worst]),
                static_cast<double>(expected.f32()[worst]), allowed);
  return text;
}

}  // namespace taoism::conformance
