#include "program/bands.h"

#include <algorithm>

namespace taoism::program {
namespace {

int64_t rows_of(const Analysis& analysis, SlotId slot) {
  const ir::Shape& shape = analysis.program().slots[slot].desc.shape;
  return shape.rank() == 4 ? shape[2] : 0;
}

uint64_t row_bytes(const Analysis& analysis, SlotId slot) {
  const int64_t rows = rows_of(analysis, slot);
  return rows == 0 ? 0 : analysis.unit_bytes(slot) / static_cast<uint64_t>(rows);
}

bool is_empty(const ops::Rows& rows) { return rows.end <= rows.begin; }

void widen(ops::Rows& rows, const ops::Rows& by) {
  if (is_empty(by)) return;
  rows =
      is_empty(rows) ? by : ops::Rows{std::min(rows.begin, by.begin), std::max(rows.end, by.end)};
}

// `rows` and those that are computed with them, of `height`.
ops::Rows stepped(const ops::Rows& rows, int64_t step, int64_t height) {
  return {rows.begin / step * step, std::min((rows.end + step - 1) / step * step, height)};
}

// The longest step of the nodes: between such rows of the last output bands are cut.
int64_t longest_step(const Analysis& analysis, Range32 nodes) {
  int64_t step = 1;
  for (uint32_t n = nodes.begin; n < nodes.end; ++n) {
    step = std::max(step, analysis.nodes()[n].row_step);
  }
  return step;
}

// The rows of the last output that band `index` is for: cut between steps while there are enough.
ops::Rows band_rows(int64_t rows, int64_t step, int64_t count, int64_t index) {
  const int64_t steps = (rows + step - 1) / step;
  if (steps < count) return {rows * index / count, rows * (index + 1) / count};
  return {steps * index / count * step, std::min(steps * (index + 1) / count * step, rows)};
}

// The place of a node's output in `wanted`: stretches are short, a linear search does.
struct Wanted {
  SlotId slot;
  ops::Rows rows;
};

}  // namespace

bool uses_whole(const Analysis& analysis, SlotId slot, const ops::Rows& rows) {
  return rows.begin == 0 && rows.end == rows_of(analysis, slot);
}

bool can_band(const Analysis& analysis, Range32 nodes) {
  if (nodes.end - nodes.begin < 1) return false;
  for (uint32_t n = nodes.begin; n < nodes.end; ++n) {
    const Node& node = analysis.nodes()[n];
    if (!node.splits_rows || (analysis.batch() > 1 && !node.splits_batch)) return false;
    const SlotId output = node.instruction->outputs[0];
    const bool is_last = n + 1 == nodes.end;
    const bool is_needed_later =
        analysis.life(output).last >= nodes.end || analysis.is_output(output);
    if (is_last != is_needed_later) return false;
  }
  return true;
}

int64_t most_bands(const Analysis& analysis, Range32 nodes) {
  return rows_of(analysis, analysis.nodes()[nodes.end - 1].instruction->outputs[0]);
}

std::vector<BandNode> plan_band(const Analysis& analysis, Range32 nodes, int64_t count,
                                int64_t index) {
  const uint32_t size = nodes.end - nodes.begin;
  std::vector<BandNode> band(size);
  std::vector<Wanted> wanted;
  const SlotId last = analysis.nodes()[nodes.end - 1].instruction->outputs[0];
  wanted.push_back(
      {last, band_rows(rows_of(analysis, last), longest_step(analysis, nodes), count, index)});
  for (uint32_t i = size; i-- > 0;) {
    const uint32_t id = nodes.begin + i;
    const Instruction& instruction = *analysis.nodes()[id].instruction;
    const auto found = std::find_if(wanted.begin(), wanted.end(), [&](const Wanted& w) {
      return w.slot == instruction.outputs[0];
    });
    if (found == wanted.end() || is_empty(found->rows)) return {};
    BandNode& node = band[i];
    node.output =
        stepped(found->rows, analysis.nodes()[id].row_step, rows_of(analysis, found->slot));
    node.inputs.resize(instruction.inputs.size());
    node.attrs = instruction.attrs;
    const InstructionView holder(analysis.program(), instruction);
    if (!instruction.op->split_rows(holder.view(), node.output, node.inputs, node.attrs)) return {};
    for (size_t k = 0; k < instruction.inputs.size(); ++k) {
      if (instruction.inputs[k].kind != Operand::slot) continue;
      if (is_empty(node.inputs[k])) return {};
      const SlotId slot = instruction.inputs[k].index;
      const auto known = std::find_if(wanted.begin(), wanted.end(),
                                      [&](const Wanted& w) { return w.slot == slot; });
      if (known == wanted.end()) {
        wanted.push_back({slot, node.inputs[k]});
      } else {
        widen(known->rows, node.inputs[k]);
      }
    }
  }
  return band;
}

BandCost band_cost(const Analysis& analysis, Range32 nodes, int64_t count) {
  BandCost cost;
  const uint32_t size = nodes.end - nodes.begin;
  std::vector<int64_t> computed_rows(size, 0);
  for (int64_t b = 0; b < count; ++b) {
    const std::vector<BandNode> band = plan_band(analysis, nodes, count, b);
    if (band.empty()) return {};
    uint64_t peak = 0;
    for (uint32_t i = 0; i < size; ++i) {
      computed_rows[i] += band[i].output.size();
      const Instruction& instruction = *analysis.nodes()[nodes.begin + i].instruction;
      // What lives while this node runs: its output, copies of its inputs, and outputs of the
      // band's earlier nodes that it or later ones read.
      uint64_t live = static_cast<uint64_t>(band[i].output.size()) *
                      row_bytes(analysis, instruction.outputs[0]);
      for (size_t k = 0; k < instruction.inputs.size(); ++k) {
        if (instruction.inputs[k].kind != Operand::slot) continue;
        const SlotId slot = instruction.inputs[k].index;
        if (!uses_whole(analysis, slot, band[i].inputs[k])) {
          live += static_cast<uint64_t>(band[i].inputs[k].size()) * row_bytes(analysis, slot);
        }
      }
      for (uint32_t j = 0; j < i; ++j) {
        const SlotId slot = analysis.nodes()[nodes.begin + j].instruction->outputs[0];
        if (analysis.life(slot).last >= nodes.begin + i) {
          live += static_cast<uint64_t>(band[j].output.size()) * row_bytes(analysis, slot);
        }
      }
      peak = std::max(peak, live);
    }
    cost.band_bytes = std::max(cost.band_bytes, peak);
  }
  std::vector<SlotId> whole;
  for (uint32_t i = 0; i < size; ++i) {
    const Node& node = analysis.nodes()[nodes.begin + i];
    const SlotId output = node.instruction->outputs[0];
    const int64_t all = rows_of(analysis, output);
    cost.repeated_macs += node.macs *
                          static_cast<uint64_t>(std::max<int64_t>(computed_rows[i] - all, 0)) /
                          static_cast<uint64_t>(std::max<int64_t>(all, 1));
    for (const SlotId slot : analysis.touched(nodes.begin + i)) {
      const auto maker = analysis.maker(slot);
      const bool is_inside = maker.has_value() && nodes.contains(*maker);
      if (is_inside && slot != analysis.nodes()[nodes.end - 1].instruction->outputs[0]) continue;
      if (std::find(whole.begin(), whole.end(), slot) != whole.end()) continue;
      whole.push_back(slot);
      cost.whole_bytes += analysis.unit_bytes(slot);
    }
  }
  cost.is_possible = true;
  return cost;
}

const BandCost& BandCosts::of(Range32 nodes, int64_t count) {
  const auto [it, is_new] = known_.try_emplace({nodes.begin, nodes.end, count});
  if (is_new) it->second = band_cost(analysis_, nodes, count);
  return it->second;
}

}  // namespace taoism::program
