// What this machine can do at best, measured now: the limits that kernels are compared with.
// Thread-safety: one measurement at a time.
#pragma once

namespace taoism::bench {

// Floating-point operations per second of one thread that multiplies and adds in registers alone,
// with the instructions of the current kernel target; the best of several short stretches.
double fma_peak();

// Bytes per second that one thread reads from memory far larger than the caches.
double read_bandwidth();

// Bytes per second, read and written together, of one thread that copies memory far larger than the
// caches with ordinary stores, which read what they overwrite.
double copy_bandwidth();

}  // namespace taoism::bench
