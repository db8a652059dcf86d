// How much memory this process can have, asked before it is taken: memory that is promised and not
// there would end the process when it is touched. Thread-safety: free functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/status.h"

namespace taoism::host {

// What can be had without swapping and without ending another process: what the machine has left,
// or the groups of processes (cgroups) that this one is in; the least of these. Nothing where the
// kernel does not say.
std::optional<uint64_t> available_memory_bytes();

// Of `bytes` to be allocated and filled now, the machine's swap included, a group's not: whether
// they are there, and a little more for whatever else is needed beside them. Small allocations are
// judged by their sum, so that many of them are as safe as one: call it for each. Errors:
// resource_exhausted.
Status check_memory(uint64_t bytes);

// A zeroed buffer of so many bytes, which are there. Errors: resource_exhausted.
Result<AlignedBuffer> take_memory(uint64_t bytes);

// What the groups leave: the least, over each group and those it lies in, of its limit less what is
// used and cannot be given back. No bound: UINT64_MAX. `groups` is the text of /proc/self/cgroup,
// `root` where the kernel shows the groups (/sys/fs/cgroup), version 1 or 2.
uint64_t cgroup_room_bytes(const std::string& groups, const std::string& root);

}  // namespace taoism::host
