#include "wire/metrics.h"

namespace penstock::wire {

WireMetrics& metrics() {
  static WireMetrics instance;
  return instance;
}

namespace {
// Registered when the program starts, so that pages of metrics are whole from the first request.
[[maybe_unused]] const auto& registered = metrics();
}  // namespace

}  // namespace penstock::wire
