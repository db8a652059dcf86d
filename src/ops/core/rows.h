// What operators answer to OpDef::rows. Trusted.
#pragma once

#include "ops/op.h"

namespace taoism::ops {

// Of an operator that computes each element of the output from the same one of its first input.
const char* rows_alike(const NodeView& node, std::span<const RowAxis> in, RowAxis& out);
// Of one that treats what dimension 0 of its first input counts one by one.
const char* rows_of_images(const NodeView& node, std::span<const RowAxis> in, RowAxis& out);
// Of one whose first input has its rows before dimension `end`, and keeps them there.
const char* rows_before(size_t end, std::span<const RowAxis> in, RowAxis& out);
// Of one whose inputs broadcast as numpy's do.
const char* rows_broadcast(const NodeView& node, std::span<const RowAxis> in, RowAxis& out);
// Of one that joins along `axis` of its first input, or sums or orders what lies there, and keeps
// every dimension.
const char* rows_beside(size_t axis, std::span<const RowAxis> in, RowAxis& out);

// Whether no input but `input` has rows.
bool has_rows_alone(std::span<const RowAxis> in, size_t input);

inline constexpr const char* kMixesInputs = "it combines rows of one input with another input";
inline constexpr const char* kMixesAcross = "it computes across them";

}  // namespace taoism::ops
