// Runs one operator on literal values: what the operators' unit tests are written with. Tests only.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ops/op.h"

namespace taoism::ops {

struct Literal {
  ir::Shape shape;
  std::vector<float> values;
  bool is_weight = false;
  std::vector<int64_t> indices;  // instead of values: an int64 weight

  ir::DType dtype() const { return indices.empty() ? ir::DType::f32 : ir::DType::i64; }
  const std::byte* data() const {
    return indices.empty() ? reinterpret_cast<const std::byte*>(values.data())
                           : reinterpret_cast<const std::byte*>(indices.data());
  }
};

struct Evaluated {
  Status status;
  ir::Shape shape;
  std::vector<float> values;
  std::vector<float> reference;
  Cost cost;
  Outcome outcome;  // the reference's
  Outcome run_outcome;
};

inline ir::Attrs attrs_for_testing(
    const std::vector<std::pair<const char*, ir::AttrValue>>& entries) {
  ir::Attrs attrs;
  for (const auto& [name, value] : entries) attrs.set(name, value);
  return attrs;
}

inline Evaluated evaluate_for_testing(const char* op, const ir::Attrs& attrs,
                                      const std::vector<Literal>& literals) {
  Evaluated result;
  const OpDef* def = find_op(op);
  TAOISM_CHECK(def != nullptr);
  std::vector<Input> inputs;
  inputs.reserve(literals.size());
  for (const Literal& l : literals)
    inputs.push_back({{l.dtype(), l.shape}, true, l.is_weight, nullptr});
  std::vector<ir::TensorDesc> outputs(1);
  const NodeView bare{"n", attrs, inputs, {}};
  result.status = check_and_infer(*def, bare, outputs);
  if (!result.status.ok()) return result;
  const ir::Attrs chosen = chosen_attrs(*def, bare);
  const NodeView view{"n", chosen, inputs, outputs};
  result.shape = outputs[0].shape;
  if (def->cost != nullptr) result.cost = def->cost(view);

  std::vector<AlignedBuffer> memory;
  std::vector<const std::byte*> raw, packed;
  for (size_t i = 0; i < inputs.size(); ++i) {
    AlignedBuffer& copy = memory.emplace_back(inputs[i].desc.bytes());
    std::memcpy(copy.data(), literals[i].data(), copy.size());
    raw.push_back(copy.data());
    const bool packs = inputs[i].is_weight && def->packed_bytes != nullptr;
    memory.emplace_back(packs ? def->packed_bytes(view, i) : 0);
    if (memory.back().size() > 0) def->pack(view, i, raw[i], memory.back().data());
    packed.push_back(memory.back().size() > 0 ? memory.back().data() : raw[i]);
  }
  AlignedBuffer scratch(def->scratch_bytes != nullptr ? def->scratch_bytes(view, 1) : 0);
  SerialParallel serial;
  const auto compute = [&](Outcome (*function)(const RunContext&),
                           std::span<const std::byte* const> in) {
    AlignedBuffer out(outputs[0].bytes());
    std::byte* out_data = out.data();
    const RunContext context{view, in, std::span<std::byte* const>(&out_data, 1), scratch.span(),
                             serial};
    result.outcome = function(context);
    const auto* values = out.as<float>();
    return std::vector<float>(values, values + result.shape.elements());
  };
  result.values = compute(def->run, packed);
  result.run_outcome = result.outcome;
  result.reference = compute(def->reference != nullptr ? def->reference : def->run, raw);
  return result;
}

}  // namespace taoism::ops
