// WeightStream: brings streamed weights through a ring, in the order in which a segment needs them.
// It stands between kernels and their threads: every parallel run of a kernel carries along the
// pieces that are opened for the calls to come, so that opening and computing share all threads and
// neither waits for the other. Trusted; does not allocate after construction.
// Thread-safety: one thread at a time, as Parallel.
#pragma once

#include <array>
#include <atomic>
#include <vector>

#include "base/parallel.h"
#include "base/task_shares.h"
#include "program/schedule.h"
#include "program/sealed_memory.h"

namespace taoism::program {

class WeightStream final : public Parallel {
 public:
  // `ring` has schedule.ring_bytes; all must outlive the stream. `sealed` may be null when nothing
  // is streamed.
  WeightStream(const Schedule& schedule, ByteSpan ring, SealedMemory* sealed, Parallel& threads);

  // Starts over at the first call of a segment.
  void start(size_t segment);
  // The bytes of the next call's pieces, in memory until release(). Null when they are not
  // authentic.
  std::byte* acquire();
  void release();
  // Whether any piece was not authentic.
  bool has_failed() const { return has_failed_.load(std::memory_order_relaxed); }

  // Opens pieces [0, ends) of a resident weight into `to`, by all threads.
  bool open_resident(WeightId weight, ByteSpan to);

  size_t threads() const override { return threads_.threads(); }
  void run(size_t count, Task task, void* context) override;

 private:
  static constexpr size_t kMostAhead = 32;

  struct Entry {
    Call call;
    uint64_t offset = 0, bytes = 0;  // in the ring
    uint32_t next_piece = 0;         // the first that is not opened
  };
  struct Cursor {  // the next call that is not in the ring
    size_t group = 0;
    uint32_t part = 0;
    size_t call = 0;
  };

  bool next_call(Call& call);
  void look_ahead();
  uint64_t call_bytes(const Call& call) const;
  // Opens pending pieces of the first `entries` entries, beside `count` tasks.
  void run_with_pieces(size_t entries, size_t count, Task task, void* context);
  void open_pending(size_t index, size_t thread);
  Entry& entry(size_t i) { return entries_[(first_ + i) % kMostAhead]; }

  const Schedule& schedule_;
  ByteSpan ring_;
  SealedMemory* sealed_;
  Parallel& threads_;
  const std::vector<Group>* groups_ = nullptr;
  Cursor cursor_;
  std::array<Entry, kMostAhead> entries_;
  size_t first_ = 0, count_ = 0;
  bool is_acquired_ = false;
  std::atomic<bool> has_failed_{false};

  struct Pending {
    Entry* entry;
    uint32_t piece;
  };
  std::vector<Pending> pending_;  // room for every piece that the ring can hold
  TaskShares tasks_, pieces_;     // of one run
};

}  // namespace taoism::program
