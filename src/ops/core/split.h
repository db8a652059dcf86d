// What operators answer to OpDef's splits_batch and split_rows. Trusted.
#pragma once

#include <initializer_list>

#include "ops/core/window.h"
#include "ops/op.h"

namespace taoism::ops {

// Whether those of `inputs` that are present are no weights and have the output's dimension 0.
bool share_batch(const NodeView& node, std::initializer_list<size_t> inputs);

// splits_batch of an operator that treats what dimension 0 of its first input counts one by one.
inline bool splits_batch_of_first(const NodeView& node) { return share_batch(node, {0}); }
// splits_batch of an operator whose inputs broadcast as numpy's do.
bool splits_broadcast_batch(const NodeView& node);

// Whether the output has rank 4 and these rows.
bool has_rows(const NodeView& node, Rows out);
// split_rows of an operator whose row y is made of row y of every input, or of its only row.
bool split_rows_alike(const NodeView& node, Rows out, std::span<Rows> in, ir::Attrs& attrs);
// split_rows of a window over `input`: in[input] and the attribute pads. For has_rows() rows; false
// when nothing but padding is seen.
bool split_window_rows(const NodeView& node, const Window& window, size_t input, Rows out,
                       std::span<Rows> in, ir::Attrs& attrs);

}  // namespace taoism::ops
