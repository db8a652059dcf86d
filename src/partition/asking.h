// What can be had by asking. The TEE runs its segments on any input that the host chooses, and the
// host sees what leaves them: a private layer between values that it knows and values that it sees,
// affine but for an activation, is a public one, found by solving linear equations. So is, with
// more queries, a layer that is alone on any way through the TEE (asking_ways.h). Of the rest is
// said what is known, and it is not counted. Host only. Thread-safety: pure functions.
#pragma once

#include <vector>

#include "ir/segment.h"

namespace taoism::partition {

// Where the TEE's part begins and ends in clear, by value. What is asked rests on this alone: a
// crossing that the device must not know, or an answer that shows less, changes it and nothing
// else.
struct Ends {
  std::vector<bool> known;  // the host knows the value whenever the TEE reads it
  std::vector<bool> seen;   // leaves the TEE in clear
};
Ends ends_in_clear(const ir::PartitionedGraph& partitioned);

// Private weights that a TEE segment gives away: what is computed with them is found, for every
// input that can be asked for. (Of layers that follow each other without anything between them, the
// product; of weights that change nothing there, nothing.)
struct AskedSegment {
  size_t segment = 0;      // of the TEE's, counted from 0, the one that shows it
  uint64_t queries = 0;    // rows of a batch that suffice, where each may be chosen; 0: alone on a
                           // way, and nobody has counted
  bool activated = false;  // of equations: seen through an activation; else affine all through
  std::vector<ir::ValueId> weights;  // private parameters
};

struct Asking {
  // Those that give weights away, in order; one may be there twice, by equations and by a way. Each
  // weight is in one of them.
  std::vector<AskedSegment> segments;
  // Of what the host sees and is not that: from each value that it knows, how many private layers
  // follow each other at most up to there; the least of these. 0: there is no such value.
  int least_depth = 0;
  // Nodes whose output jumps where an element behind the first private layer passes a value: where
  // it does is found through whatever follows, and so, up to factors, is the layer.
  std::vector<ir::NodeId> stepping;
  // Private parameters that are in none of them, and would be if branches of the same input that
  // join them were at rest (asking_ways.h).
  std::vector<ir::ValueId> if_at_rest;
  // Nodes that fail or not by what private weights decide (asking_ways.h).
  std::vector<ir::NodeId> telling;
  // The largest of affine values is seen, and not the values.
  bool shows_ranks = false;
};

// `partitioned` is placed and not fused. Linear in its size.
Asking what_asking_gives(const ir::PartitionedGraph& partitioned, const Ends& ends);

}  // namespace taoism::partition
