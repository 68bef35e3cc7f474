// PENSTOCK_ASSERT: a cheap check that stays on in release.
//
// For invariants of our own code, on both sides of every write and read. Never for what a client,
// a disk or a peer can cause: those are Results. A failed assertion prints where and ends the
// process; the log makes that safe.
#pragma once

namespace penstock {
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);
}  // namespace penstock

#define PENSTOCK_ASSERT(expression)                     \
  (static_cast<bool>(expression) ? static_cast<void>(0) \
                                 : ::penstock::assertion_failed(#expression, __FILE__, __LINE__))
