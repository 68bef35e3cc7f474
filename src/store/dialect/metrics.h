// What every store that speaks SQL counts, whichever way it reaches its engine.
#pragma once

#include "base/metrics.h"

namespace penstock::store {

extern Counter inserted_rows;
extern LatencyHistogram insert_seconds;
extern LatencyHistogram query_seconds;

}  // namespace penstock::store
