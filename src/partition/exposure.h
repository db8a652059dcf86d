// The part of the account that says which private weights the host has: those that the device
// holds, those that follow from them (partition/knowledge.h), those that can be had by asking
// (partition/asking.h). A parameter counts once, whoever reads it. Host only. Thread-safety: pure
// function.
#pragma once

#include <unordered_map>

#include "partition/accounting.h"

namespace taoism::partition {

// By device node: of how many of its weights it holds zeroes, because the TEE keeps the values.
using KeptParts = std::unordered_map<ir::NodeId, uint64_t>;
inline uint64_t kept_of(const KeptParts& kept, ir::NodeId node) {
  const auto it = kept.find(node);
  return it == kept.end() ? 0 : it->second;
}

// Fills in the private parameters of `report`, its weights and its warnings.
void account_exposure(const ir::Graph& source, const ir::PartitionedGraph& partitioned,
                      const KeptParts& kept, Report& report);

}  // namespace taoism::partition
