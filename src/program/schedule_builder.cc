#include "program/schedule_builder.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "program/bands.h"
#include "program/memory_plan.h"

namespace taoism::program {
namespace {

constexpr uint32_t kNone = UINT32_MAX;

// Memory for a tensor, or for a part of one, while it is needed.
class Buffers {
 public:
  uint32_t add(uint64_t bytes, uint32_t time) {
    lives_.push_back({bytes, time, time});
    return static_cast<uint32_t>(lives_.size() - 1);
  }
  void use(uint32_t buffer, uint32_t time) {
    BufferLife& life = lives_[buffer];
    life.first = std::min(life.first, time);
    life.last = std::max(life.last, time);
  }
  void grow(uint32_t buffer, uint64_t bytes) {
    lives_[buffer].bytes = std::max(lives_[buffer].bytes, bytes);
  }
  MemoryPlan plan() const { return plan_memory(lives_); }
  // By time: where the memory ends that is in use then.
  std::vector<uint64_t> ends(const MemoryPlan& plan, uint32_t times) const {
    const auto end_of = [&](size_t b) {
      return round_up(plan.offsets[b] + lives_[b].bytes, kAlignment);
    };
    std::vector<size_t> order(lives_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::sort(order.begin(), order.end(),
              [&](size_t a, size_t b) { return end_of(a) > end_of(b); });
    std::vector<uint64_t> ends(times, 0);
    // From the highest end on, each at the times that have none yet; open[t]: at or before the
    // next of these.
    std::vector<uint32_t> open(times + 1);
    std::iota(open.begin(), open.end(), 0U);
    const auto next_open = [&](uint32_t t) {
      while (open[t] != t) t = open[t] = open[open[t]];
      return t;
    };
    for (const size_t b : order) {
      for (uint32_t t = next_open(lives_[b].first); t <= lives_[b].last; t = next_open(t)) {
        ends[t] = end_of(b);
        open[t] = t + 1;
      }
    }
    return ends;
  }

 private:
  std::vector<BufferLife> lives_;
};

class Builder {
 public:
  Builder(const Analysis& analysis, const std::vector<Stretch>& stretches, Between between,
          size_t threads)
      : analysis_(analysis),
        program_(analysis.program()),
        stretches_(stretches),
        between_(between) {
    out_.threads = threads;
  }

  Schedule run() {
    number_times();
    find_places();
    find_touches();
    share_memory();
    plan_spills();
    out_.segments.resize(program_.segments.size());
    for (uint32_t s = 0; s < stretches_.size(); ++s) {
      const Stretch& stretch = stretches_[s];
      Group group;
      const int64_t batch = analysis_.batch();
      group.full_parts = static_cast<uint32_t>(batch / stretch.images);
      group.full = make_part(s, stretch.images);
      if (const int64_t rest = batch % stretch.images; rest != 0) group.rest = make_part(s, rest);
      out_.segments[stretch.segment].push_back(std::move(group));
    }
    const MemoryPlan plan = buffers_.plan();
    const std::vector<uint64_t> ends = buffers_.ends(plan, times_);
    out_.activation_bytes = plan.total_bytes;
    for (auto& groups : out_.segments) {
      for (Group& group : groups) {
        place(plan, ends, group.full);
        place(plan, ends, group.rest);
      }
    }
    plan_weights();
    return std::move(out_);
  }

 private:
  // Until place() gives them, a step's offsets are the numbers of buffers and its scratch is where
  // its time is.
  static void place(const MemoryPlan& plan, const std::vector<uint64_t>& ends, Part& part) {
    for (Step& step : part.steps) {
      for (uint64_t& offset : step.offsets) offset = offset == kNone ? 0 : plan.offsets[offset];
      step.scratch_offset = step.kind == Step::compute ? ends[step.scratch_offset] : 0;
    }
  }

  // A time for the start and end of each stretch, the start and end of each item, and each node.
  void number_times() {
    uint32_t time = 0;
    node_time_.resize(analysis_.nodes().size());
    for (uint32_t s = 0; s < stretches_.size(); ++s) {
      stretch_begins_.push_back(time++);
      for (const Item& item : stretches_[s].items) {
        ++time;
        for (uint32_t n = item.nodes.begin; n < item.nodes.end; ++n) {
          node_time_[n] = time++;
        }
        ++time;
      }
      stretch_ends_.push_back(time++);
    }
    times_ = time;
  }

  void find_places() {
    input_of_.resize(program_.slots.size());
    outputs_of_.resize(program_.slots.size());
    arrived_.assign(program_.slots.size(), 0);
    for (uint32_t s = 0; s < program_.segments.size(); ++s) {
      const Segment& segment = program_.segments[s];
      for (uint32_t i = 0; i < segment.inputs.size(); ++i) input_of_[segment.inputs[i]] = {s, i};
      for (uint32_t o = 0; o < segment.outputs.size(); ++o) {
        outputs_of_[segment.outputs[o]].push_back({s, o});
      }
    }
  }

  // Which stretches touch a slot.
  void find_touches() {
    touches_.resize(program_.slots.size());
    last_stretch_.assign(program_.segments.size(), 0);
    for (uint32_t s = 0; s < stretches_.size(); ++s) last_stretch_[stretches_[s].segment] = s;
    auto touch = [&](SlotId slot, uint32_t stretch) {
      std::vector<uint32_t>& known = touches_[slot];
      if (known.empty() || known.back() != stretch) known.push_back(stretch);
    };
    for (uint32_t s = 0; s < stretches_.size(); ++s) {
      for (const Item& item : stretches_[s].items) {
        for (uint32_t n = item.nodes.begin; n < item.nodes.end; ++n) {
          for (const SlotId slot : analysis_.touched(n)) touch(slot, s);
        }
      }
      for (const SlotId slot : passed_on_after(s)) touch(slot, s);
    }
  }

  // What the last stretch of a segment does beside its nodes: inputs that only later segments read
  // arrive, outputs that others made leave.
  std::vector<SlotId> passed_on_after(uint32_t stretch) const {
    std::vector<SlotId> slots;
    const uint32_t segment = stretches_[stretch].segment;
    if (last_stretch_[segment] != stretch) return slots;
    for (const SlotId slot : program_.segments[segment].inputs) {
      const Analysis::Life& life = analysis_.life(slot);
      if (!life.is_touched() || life.first >= analysis_.segment_nodes(segment).end) {
        slots.push_back(slot);
      }
    }
    for (const SlotId slot : program_.segments[segment].outputs) {
      if (!is_made_in(slot, segment)) slots.push_back(slot);
    }
    return slots;
  }

  bool is_made_in(SlotId slot, uint32_t segment) const {
    const auto maker = analysis_.maker(slot);
    return maker.has_value() && analysis_.segment_nodes(segment).contains(*maker);
  }
  bool crosses(SlotId slot) const { return touches_[slot].size() > 1; }
  bool is_spilled(SlotId slot) const { return crosses(slot) && between_ == Between::spilled; }

  // Aliases share memory with what they view, and an operator that may writes over its input when
  // nobody reads that afterwards. Not with what waits outside in between, and not in bands.
  void share_memory() {
    class_of_.resize(program_.slots.size());
    class_last_.resize(program_.slots.size());
    for (SlotId slot = 0; slot < class_of_.size(); ++slot) {
      class_of_[slot] = slot;
      class_last_[slot] = analysis_.life(slot).last;
    }
    for (const Stretch& stretch : stretches_) {
      for (const Item& item : stretch.items) {
        if (item.bands == 1) share_output(item.nodes.begin);
      }
    }
    buffer_of_class_.assign(class_of_.size(), kNone);
    class_crosses_.assign(class_of_.size(), false);
    for (SlotId slot = 0; slot < class_of_.size(); ++slot) {
      if (crosses(slot)) class_crosses_[class_of_[slot]] = true;
    }
  }

  void share_output(uint32_t id) {
    const Instruction& instruction = *analysis_.nodes()[id].instruction;
    const ops::Storage storage = instruction.op->storage;
    if (storage == ops::Storage::fresh || instruction.inputs.empty() ||
        instruction.inputs[0].kind != Operand::slot) {
      return;
    }
    const SlotId input = instruction.inputs[0].index;
    const SlotId output = instruction.outputs[0];
    if (program_.slots[input].desc.bytes() != program_.slots[output].desc.bytes()) return;
    if (analysis_.is_per_image(input) != analysis_.is_per_image(output)) return;
    const bool is_local = !crosses(input) && !crosses(output);
    if (!is_local && between_ == Between::spilled) return;
    const SlotId shared = class_of_[input];
    if (storage == ops::Storage::in_place) {
      for (size_t i = 1; i < instruction.inputs.size(); ++i) {
        const Operand& other = instruction.inputs[i];
        if (other.kind == Operand::slot && class_of_[other.index] == shared) return;
      }
      if (class_last_[shared] > id) return;
    }
    class_of_[output] = shared;
    class_last_[shared] = std::max(class_last_[shared], analysis_.life(output).last);
  }

  void plan_spills() {
    out_.spills.resize(program_.slots.size());
    for (SlotId slot = 0; slot < out_.spills.size(); ++slot) {
      if (!is_spilled(slot)) continue;
      SpillPlan& spill = out_.spills[slot];
      spill.image_bytes = analysis_.unit_bytes(slot);
      spill.images = analysis_.is_per_image(slot) ? static_cast<uint32_t>(analysis_.batch()) : 1;
      spill.chunks_per_image =
          static_cast<uint32_t>((spill.image_bytes + kPieceBytes - 1) / kPieceBytes);
      spill.first_chunk = out_.spill_chunks;
      out_.spill_chunks += uint64_t{spill.images} * spill.chunks_per_image;
    }
  }

  // Where a slot lies while `stretch` runs, and that it is needed then.
  uint32_t buffer_of(SlotId slot, uint32_t stretch, uint32_t time) {
    if (is_spilled(slot)) {
      const auto [it, is_new] = spilled_buffers_.try_emplace({slot, stretch}, kNone);
      const uint64_t bytes = analysis_.sized_bytes(slot, stretches_[stretch].images);
      if (is_new) it->second = buffers_.add(bytes, time);
      buffers_.use(it->second, time);
      return it->second;
    }
    uint32_t& buffer = buffer_of_class_[class_of_[slot]];
    const bool is_whole = is_held_whole(slot, stretch);
    const uint64_t bytes =
        analysis_.sized_bytes(slot, is_whole ? analysis_.batch() : stretches_[stretch].images);
    if (buffer == kNone) buffer = buffers_.add(bytes, time);
    buffers_.grow(buffer, bytes);
    buffers_.use(buffer, time);
    // What one part leaves there is not to be touched by the next ones.
    if (is_whole) {
      buffers_.use(buffer, stretch_begins_[stretch]);
      buffers_.use(buffer, stretch_ends_[stretch]);
    }
    return buffer;
  }

  // Whether a part of the batch finds its images among those of all others.
  bool is_held_whole(SlotId slot, uint32_t stretch) const {
    return between_ == Between::held && class_crosses_[class_of_[slot]] &&
           stretches_[stretch].images < analysis_.batch();
  }

  // Adds an operand of the step.
  void add_operand(SlotId slot, uint32_t stretch, uint32_t time, Step& step) {
    step.offsets.push_back(buffer_of(slot, stretch, time));
    if (!is_held_whole(slot, stretch) || !analysis_.is_per_image(slot)) return;
    TAOISM_CHECK(analysis_.unit_bytes(slot) % kAlignment == 0);
    step.strides.resize(step.offsets.size(), 0);
    step.strides.back() = analysis_.unit_bytes(slot);
  }

  Part make_part(uint32_t stretch, int64_t images) {
    part_ = {};
    part_.images = static_cast<uint32_t>(images);
    ++part_number_;
    const Stretch& s = stretches_[stretch];
    for (const Item& item : s.items) {
      if (item.bands == 1) {
        add_node(stretch, item.nodes.begin, images);
      } else {
        add_bands(stretch, item, images);
      }
    }
    for (const SlotId slot : passed_on_after(stretch)) {
      arrive(stretch, slot, stretch_ends_[stretch], images);
      leave(stretch, slot, stretch_ends_[stretch], images, false);
    }
    return std::move(part_);
  }

  Step& exchange(Step::Kind kind, uint32_t index, SlotId slot, uint32_t stretch, uint32_t time,
                 int64_t images) {
    Step step;
    step.kind = kind;
    step.index = index;
    step.bytes = analysis_.sized_bytes(slot, images);
    add_operand(slot, stretch, time, step);
    part_.steps.push_back(std::move(step));
    return part_.steps.back();
  }

  // Brings a slot that this part has not touched yet: from the host, or from outside.
  void arrive(uint32_t stretch, SlotId slot, uint32_t time, int64_t images) {
    if (arrived_[slot] == part_number_) return;
    arrived_[slot] = part_number_;
    const Place& input = input_of_[slot];
    if (input.segment == stretches_[stretch].segment && touches_[slot].front() == stretch) {
      exchange(Step::read, input.index, slot, stretch, time, images);
      if (is_spilled(slot)) exchange(Step::spill, slot, slot, stretch, time, images);
    } else if (is_spilled(slot)) {
      exchange(Step::fetch, slot, slot, stretch, time, images);
    }
  }

  // Sends a slot where it is needed next: to the host, or outside.
  void leave(uint32_t stretch, SlotId slot, uint32_t time, int64_t images, bool is_new) {
    for (const Place& output : outputs_of_[slot]) {
      if (output.segment != stretches_[stretch].segment) continue;
      exchange(Step::write, output.index, slot, stretch, time, images);
    }
    if (is_new && is_spilled(slot)) exchange(Step::spill, slot, slot, stretch, time, images);
  }

  void add_node(uint32_t stretch, uint32_t id, int64_t images) {
    const Node& node = analysis_.nodes()[id];
    const uint32_t time = node_time_[id];
    for (const Operand& operand : node.instruction->inputs) {
      if (operand.kind == Operand::slot) arrive(stretch, operand.index, time, images);
    }
    Step step;
    step.kind = Step::compute;
    step.index = node.index;
    step.scratch_offset = time;
    step.attrs = node.instruction->attrs;
    Analysis::Sized sized = analysis_.sized(id, images);
    step.inputs = std::move(sized.inputs);
    step.outputs = std::move(sized.outputs);
    for (const Operand& operand : node.instruction->inputs) {
      if (operand.kind == Operand::slot) {
        add_operand(operand.index, stretch, time, step);
      } else {
        step.offsets.push_back(kNone);
      }
    }
    for (const SlotId slot : node.instruction->outputs) {
      arrived_[slot] = part_number_;
      add_operand(slot, stretch, time, step);
    }
    if (!step.strides.empty()) step.strides.resize(step.offsets.size(), 0);
    part_.steps.push_back(std::move(step));
    for (const SlotId slot : node.instruction->outputs) leave(stretch, slot, time, images, true);
  }

  // A buffer of a band, by the node and operand that it is for; reused by every band and part.
  uint32_t band_buffer(uint32_t id, uint32_t operand, uint64_t bytes, uint32_t time) {
    const auto [it, is_new] = band_buffers_.try_emplace({id, operand}, kNone);
    if (is_new) it->second = buffers_.add(bytes, time);
    buffers_.grow(it->second, bytes);
    buffers_.use(it->second, time);
    return it->second;
  }

  uint64_t row_bytes(SlotId slot) const {
    const ir::Shape& shape = program_.slots[slot].desc.shape;
    return static_cast<uint64_t>(shape[3]) * ir::dtype_bytes(program_.slots[slot].desc.dtype);
  }

  // Copies `rows` of a tensor that lies in `from` with rows `held` into `to`, which has just them;
  // or the other way round.
  void copy_rows(SlotId slot, int64_t images, uint32_t from, ops::Rows from_rows, uint32_t to,
                 ops::Rows to_rows, ops::Rows rows) {
    Step step;
    step.kind = Step::rows;
    step.offsets = {from, to};
    const uint64_t row = row_bytes(slot);
    const auto at = [&](const ops::Rows& held) {
      return static_cast<uint64_t>(rows.begin - held.begin) * row;
    };
    step.row_copy.planes = static_cast<uint64_t>(images * program_.slots[slot].desc.shape[1]);
    step.row_copy.bytes = static_cast<uint64_t>(rows.size()) * row;
    step.row_copy.from_plane_bytes = static_cast<uint64_t>(from_rows.size()) * row;
    step.row_copy.from_skip_bytes = at(from_rows);
    step.row_copy.to_plane_bytes = static_cast<uint64_t>(to_rows.size()) * row;
    step.row_copy.to_skip_bytes = at(to_rows);
    part_.steps.push_back(std::move(step));
  }

  void add_bands(uint32_t stretch, const Item& item, int64_t images) {
    TAOISM_CHECK(between_ == Between::spilled || images == analysis_.batch());
    const uint32_t first_time = node_time_[item.nodes.begin] - 1;
    const uint32_t last_time = node_time_[item.nodes.end - 1] + 1;
    for (uint32_t n = item.nodes.begin; n < item.nodes.end; ++n) {
      for (const Operand& operand : analysis_.nodes()[n].instruction->inputs) {
        if (operand.kind != Operand::slot || is_inside(operand.index, item)) continue;
        arrive(stretch, operand.index, first_time, images);
        buffer_of(operand.index, stretch, last_time);
      }
    }
    const SlotId output = analysis_.nodes()[item.nodes.end - 1].instruction->outputs[0];
    arrived_[output] = part_number_;
    buffer_of(output, stretch, first_time);
    buffer_of(output, stretch, last_time);
    for (int64_t b = 0; b < item.bands; ++b) {
      const std::vector<BandNode> band = plan_band(analysis_, item.nodes, item.bands, b);
      TAOISM_CHECK(!band.empty());
      for (uint32_t n = item.nodes.begin; n < item.nodes.end; ++n) {
        add_band_node(stretch, item, n, band, images);
      }
    }
    leave(stretch, output, last_time, images, true);
  }

  bool is_inside(SlotId slot, const Item& item) const {
    const auto maker = analysis_.maker(slot);
    return maker.has_value() && item.nodes.contains(*maker);
  }

  void add_band_node(uint32_t stretch, const Item& item, uint32_t id,
                     const std::vector<BandNode>& band, int64_t images) {
    const Node& node = analysis_.nodes()[id];
    const BandNode& part = band[id - item.nodes.begin];
    const uint32_t time = node_time_[id];
    Step step;
    step.kind = Step::compute;
    step.index = node.index;
    step.scratch_offset = time;
    step.attrs = part.attrs;
    Analysis::Sized sized = analysis_.sized(id, images);
    for (uint32_t k = 0; k < node.instruction->inputs.size(); ++k) {
      const Operand& operand = node.instruction->inputs[k];
      if (operand.kind != Operand::slot) {
        step.offsets.push_back(kNone);
        continue;
      }
      const SlotId slot = operand.index;
      const ops::Rows rows = part.inputs[k];
      const ops::Rows all{0, program_.slots[slot].desc.shape[2]};
      sized.inputs[k].desc.shape[2] = rows.size();
      uint32_t from = kNone;
      ops::Rows held = all;
      if (is_inside(slot, item)) {
        const uint32_t maker = *analysis_.maker(slot);
        held = band[maker - item.nodes.begin].output;
        from = band_buffer(maker, kNone, 0, time);
      } else {
        from = buffer_of(slot, stretch, time);
      }
      if (rows == held) {
        step.offsets.push_back(from);
        continue;
      }
      const uint64_t bytes = sized.inputs[k].desc.bytes();
      const uint32_t to = band_buffer(id, k, bytes, time);
      copy_rows(slot, images, from, held, to, rows, rows);
      step.offsets.push_back(to);
    }
    sized.outputs[0].shape[2] = part.output.size();
    const uint32_t made = band_buffer(id, kNone, sized.outputs[0].bytes(), time);
    step.offsets.push_back(made);
    step.inputs = std::move(sized.inputs);
    step.outputs = std::move(sized.outputs);
    part_.steps.push_back(std::move(step));
    if (id + 1 != item.nodes.end) return;
    const SlotId output = node.instruction->outputs[0];
    copy_rows(output, images, made, part.output, buffer_of(output, stretch, time),
              {0, program_.slots[output].desc.shape[2]}, part.output);
  }

  void plan_weights() {
    out_.weights.resize(program_.weights.size());
    for (const Segment& segment : program_.segments) {
      for (const Instruction& instruction : segment.instructions) {
        const InstructionView holder(program_, instruction);
        for (size_t i = 0; i < instruction.inputs.size(); ++i) {
          const Operand& operand = instruction.inputs[i];
          if (operand.kind != Operand::weight) continue;
          out_.weights[operand.index].ends = piece_ends(
              *instruction.op, holder.view(), i, program_.weights[operand.index].packed_bytes);
        }
      }
    }
  }

  const Analysis& analysis_;
  const Program& program_;
  const std::vector<Stretch>& stretches_;
  const Between between_;
  Schedule out_;
  Buffers buffers_;
  uint32_t times_ = 0;
  std::vector<uint32_t> stretch_begins_, stretch_ends_;  // times, by stretch
  std::vector<uint32_t> node_time_;
  std::vector<uint32_t> last_stretch_;          // by segment
  std::vector<std::vector<uint32_t>> touches_;  // by slot, in order
  std::vector<SlotId> class_of_;                // by slot
  std::vector<uint32_t> class_last_;            // by class: the last node that touches a member
  std::vector<uint32_t> buffer_of_class_;
  std::vector<bool> class_crosses_;
  std::map<std::pair<SlotId, uint32_t>, uint32_t> spilled_buffers_;  // by slot and stretch
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> band_buffers_;   // by node and operand
  Part part_;
  // A slot's place in the list of a segment: of its one input, of its outputs.
  struct Place {
    uint32_t segment = kNone, index = 0;
  };
  std::vector<Place> input_of_;
  std::vector<std::vector<Place>> outputs_of_;
  std::vector<uint32_t> arrived_;  // by slot: the last part that it has come to
  uint32_t part_number_ = 0;
};

}  // namespace

Schedule build_steps(const Analysis& analysis, const std::vector<Stretch>& stretches,
                     Between between, size_t threads) {
  return Builder(analysis, stretches, between, threads).run();
}

}  // namespace taoism::program
