// How one source file becomes code for every target: it includes this header, then Highway's
// foreach_target.h, and picks among its own copies with TAOISM_DISPATCH. Internal to this folder.
// Highway's own dispatcher is not used, so that no shared library has to be loaded by a TEE image.
#pragma once

#include "kernels/target.h"

// Highway's debug assertions call into its library.
#define HWY_IS_DEBUG_BUILD 0
#if defined(__x86_64__)
// Of x86's targets (bits 0 to 14 in every version of Highway) the two that `Target` names; without
// SSE2 and an emulation of it, which not every version has, `portable` is one lane wide everywhere.
#define HWY_DISABLED_TARGETS (((1LL << 15) - 1) & ~(HWY_AVX2 | HWY_AVX3))
#define HWY_BROKEN_EMU128 1
#endif

// The function `fn` of the current target's namespace; use outside of it, under HWY_ONCE.
#if defined(__x86_64__)
#define TAOISM_DISPATCH(fn)                                                               \
  (::taoism::kernels::current_target() == ::taoism::kernels::Target::avx512 ? &N_AVX3::fn \
   : ::taoism::kernels::current_target() == ::taoism::kernels::Target::avx2               \
       ? &N_AVX2::fn                                                                      \
       : &HWY_STATIC_DISPATCH(fn))
#else
#define TAOISM_DISPATCH(fn) (&HWY_STATIC_DISPATCH(fn))
#endif
