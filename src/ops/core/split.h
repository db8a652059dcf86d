// What operators answer to OpDef's split_rows. Trusted.
#pragma once

#include "ops/core/rows.h"
#include "ops/core/window.h"
#include "ops/op.h"

namespace taoism::ops {

// Whether the output has rank 4 and these rows.
bool has_rows(const NodeView& node, Rows out);
// split_rows of an operator whose row y is made of row y of every input, or of its only row.
bool split_rows_alike(const NodeView& node, Rows out, std::span<Rows> in, ir::Attrs& attrs);
// split_rows of a window over `input`: in[input] and the attribute pads. For has_rows() rows; false
// when nothing but padding is seen.
bool split_window_rows(const NodeView& node, const Window& window, size_t input, Rows out,
                       std::span<Rows> in, ir::Attrs& attrs);

}  // namespace taoism::ops
