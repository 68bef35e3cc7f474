// The catalog in PostgreSQL, for several Penstocks that share one.
//
// Its tables are those of the file in the data directory, in a schema of their own. Every change is
// one transaction with its audit row, and changes of several processes follow each other. The
// snapshot stays in memory while the server is away: capture and ingest need nothing of it; changes
// answer kUnavailable or kTimeout, kMaybe when the answer to a commit was lost. Sessions and keys
// that were right in the last 15 minutes stay right meanwhile.
//
// Threads: as Catalog; calls wait for each other and may block up to `connect_ms + statement_ms`.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "catalog/catalog.h"

namespace penstock::catalog {

/// A catalog that others change too.
class SharedCatalog : public Catalog {
 public:
  /// Publishes what others have changed; blocks, for a pool job. Errors are the database's.
  virtual Status look() = 0;
};

struct PostgresCatalogOptions {
  std::string url{};  // postgresql://…, or libpq's key=value form
  std::string schema = "penstock_catalog";
  int64_t connect_ms = 3000;
  int64_t statement_ms = 3000;
  int64_t retry_ms = 1000;  // after a failed connect, until the next one is tried
};

/// Needs the server: without the projects' keys nothing can be decided.
Result<std::unique_ptr<SharedCatalog>> open_postgres_catalog(PostgresCatalogOptions options,
                                                             runtime::Runtime& runtime);

}  // namespace penstock::catalog
