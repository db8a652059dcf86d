// Runs an operator by pieces of its packed weight: what the tests of OpDef::run_part are written
// with. Tests only.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "ops/core/evaluate_for_testing.h"

namespace taoism::ops {

// Values that no two neighbours share.
inline std::vector<float> varied_for_testing(size_t count) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i * 37 % 101) / 101.0F - 0.4F;
  return values;
}

// Input 1 is the weight. Expects the bits of run() from its smallest pieces and from larger ones.
inline void expect_parts_equal_run(const char* op, const ir::Attrs& attrs,
                                   const std::vector<Literal>& literals) {
  const Evaluated whole = evaluate_for_testing(op, attrs, literals);
  ASSERT_TRUE(whole.status.ok()) << whole.status.message();
  const OpDef& def = *find_op(op);
  std::vector<Input> inputs;
  std::vector<const std::byte*> data;
  for (const Literal& l : literals) {
    inputs.push_back({{l.dtype(), l.shape}, true, l.is_weight, nullptr});
    data.push_back(l.data());
  }
  const ir::TensorDesc output{ir::DType::f32, whole.shape};
  const ir::Attrs chosen = chosen_attrs(def, {"n", attrs, inputs, {}});
  const NodeView view{"n", chosen, inputs, std::span<const ir::TensorDesc>(&output, 1)};
  AlignedBuffer packed(def.packed_bytes(view, 1));
  def.pack(view, 1, literals[1].data(), packed.data());
  for (const size_t target : {size_t{1}, packed.size() / 3}) {
    AlignedBuffer scratch(def.part_scratch_bytes(view, 1));
    AlignedBuffer out(output.bytes());
    std::byte* out_data = out.data();
    SerialParallel serial;
    size_t pieces = 0;
    for (size_t begin = 0, end = 0; begin < packed.size(); begin = end, ++pieces) {
      end = def.piece_end(view, 1, begin, target);
      ASSERT_GT(end, begin);
      ASSERT_LE(end, packed.size());
      AlignedBuffer piece(end - begin);
      std::memcpy(piece.data(), packed.data() + begin, piece.size());
      data[1] = piece.data();
      const RunContext context{view, data, std::span<std::byte* const>(&out_data, 1),
                               scratch.span(), serial};
      ASSERT_TRUE(def.run_part(context, 1, begin, end).ok());
    }
    EXPECT_GT(pieces, 1U);
    EXPECT_EQ(std::memcmp(out.data(), whole.values.data(), out.size()), 0) << pieces << " pieces";
  }
}

}  // namespace taoism::ops
