#include "program/weight_stream.h"

#include <algorithm>

namespace taoism::program {
namespace {

size_t most_pieces(const Schedule& schedule) {
  size_t most = 0;
  for (const WeightPlan& weight : schedule.weights) {
    for (const Call& call : weight.calls) {
      most = std::max<size_t>(most, call.last_piece - call.first_piece);
    }
  }
  return most;
}

}  // namespace

WeightStream::WeightStream(const Schedule& schedule, ByteSpan ring, SealedMemory* sealed,
                           Parallel& threads)
    : schedule_(schedule),
      ring_(ring),
      sealed_(sealed),
      threads_(threads),
      tasks_(threads.threads()),
      pieces_(threads.threads()) {
  pending_.reserve(kMostAhead * most_pieces(schedule));
}

void WeightStream::start(size_t segment) {
  groups_ = &schedule_.segments[segment];
  cursor_ = {};
  first_ = count_ = 0;
  is_acquired_ = false;
  look_ahead();
}

uint64_t WeightStream::call_bytes(const Call& call) const {
  const WeightPlan& weight = schedule_.weights[call.weight];
  return weight.ends[call.last_piece - 1] - weight.begin_of(call.first_piece);
}

bool WeightStream::next_call(Call& call) {
  while (cursor_.group < groups_->size()) {
    const Group& group = (*groups_)[cursor_.group];
    const bool is_rest = cursor_.part == group.full_parts;
    const Part& part = is_rest ? group.rest : group.full;
    if (cursor_.part > group.full_parts || (is_rest && part.images == 0)) {
      ++cursor_.group;
      cursor_.part = 0;
      cursor_.call = 0;
    } else if (cursor_.call == part.calls.size()) {
      ++cursor_.part;
      cursor_.call = 0;
    } else {
      call = part.calls[cursor_.call++];
      return true;
    }
  }
  return false;
}

void WeightStream::look_ahead() {
  while (count_ < kMostAhead) {
    const Cursor before = cursor_;
    Entry next;
    if (!next_call(next.call)) return;
    next.bytes = round_up(call_bytes(next.call), kAlignment);
    next.next_piece = next.call.first_piece;
    if (count_ == 0) {
      TAOISM_CHECK(next.bytes <= ring_.size());
    } else {
      const Entry& oldest = entry(0);
      const Entry& newest = entry(count_ - 1);
      const uint64_t tail = newest.offset + newest.bytes;
      const bool is_wrapped = newest.offset < oldest.offset;
      if (!is_wrapped && next.bytes <= ring_.size() - tail) {
        next.offset = tail;
      } else if (!is_wrapped && next.bytes <= oldest.offset) {
        next.offset = 0;
      } else if (is_wrapped && next.bytes <= oldest.offset - tail) {
        next.offset = tail;
      } else {
        cursor_ = before;
        return;
      }
    }
    entries_[(first_ + count_) % kMostAhead] = next;
    ++count_;
  }
}

void WeightStream::open_pending(size_t index, size_t thread) {
  const Pending& pending = pending_[index];
  const WeightPlan& weight = schedule_.weights[pending.entry->call.weight];
  const uint64_t begin = weight.begin_of(pending.piece);
  const uint64_t skip = begin - weight.begin_of(pending.entry->call.first_piece);
  const ByteSpan to =
      ring_.subspan(pending.entry->offset + skip, weight.ends[pending.piece] - begin);
  if (!sealed_->open_weight(pending.entry->call.weight, pending.piece, to, thread)) {
    has_failed_.store(true, std::memory_order_relaxed);
  }
}

void WeightStream::run_with_pieces(size_t entries, size_t count, Task task, void* context) {
  pending_.clear();
  for (size_t i = 0; i < entries; ++i) {
    Entry& e = entry(i);
    for (; e.next_piece < e.call.last_piece; ++e.next_piece) pending_.push_back({&e, e.next_piece});
  }
  if (pending_.empty()) {
    if (count != 0) threads_.run(count, task, context);
    return;
  }
  // In one run of the threads. The pieces come last: they are the smaller ones, and fill up what
  // the kernel's tasks leave uneven.
  tasks_.set(count);
  pieces_.set(pending_.size());
  parallel_for(threads_, threads_.threads(), [&](size_t, size_t thread) {
    tasks_.take(thread, [&](size_t index) { task(context, index, thread); });
    pieces_.take(thread, [&](size_t index) { open_pending(index, thread); });
  });
}

void WeightStream::run(size_t count, Task task, void* context) {
  run_with_pieces(count_, count, task, context);
}

std::byte* WeightStream::acquire() {
  TAOISM_CHECK(!is_acquired_);
  if (count_ == 0) look_ahead();
  TAOISM_CHECK(count_ != 0);
  run_with_pieces(1, 0, nullptr, nullptr);
  if (has_failed()) return nullptr;
  is_acquired_ = true;
  return ring_.data() + entry(0).offset;
}

void WeightStream::release() {
  TAOISM_CHECK(is_acquired_);
  is_acquired_ = false;
  first_ = (first_ + 1) % kMostAhead;
  --count_;
  look_ahead();
}

bool WeightStream::open_resident(WeightId weight, ByteSpan to) {
  const WeightPlan& plan = schedule_.weights[weight];
  parallel_for(threads_, plan.ends.size(), [&](size_t p, size_t thread) {
    const auto piece = static_cast<uint32_t>(p);
    const uint64_t begin = plan.begin_of(piece);
    if (!sealed_->open_weight(weight, piece, to.subspan(begin, plan.ends[p] - begin), thread)) {
      has_failed_.store(true, std::memory_order_relaxed);
    }
  });
  return !has_failed();
}

}  // namespace taoism::program
