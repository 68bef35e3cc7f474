#include "store/dialect/metrics.h"

namespace penstock::store {

Counter inserted_rows{"penstock_store_inserted_rows_total",
                      "Event rows the store has acknowledged."};
LatencyHistogram insert_seconds{"penstock_store_insert_seconds", "One batch into the store."};
LatencyHistogram query_seconds{"penstock_store_query_seconds", "One query."};

}  // namespace penstock::store
