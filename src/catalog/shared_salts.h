// SharedSalts: the salts of cookieless visitors' days, where several processes decide and a visitor
// of a day has to be the same one in each of them.
//
// In PostgreSQL, beside the catalog; forgotten with their day. Calls wait for each other and may
// block up to `connect_ms + statement_ms`; any thread. Failure: the server's; nothing needs it to
// be up before the first call.
#pragma once

#include <cstdint>
#include <memory>

#include "base/ids.h"
#include "catalog/postgres_catalog.h"

namespace penstock::catalog {

class SharedSalts {
 public:
  virtual ~SharedSalts() = default;
  /// The day's salt, durable: the one that is there, or else `fresh`, which it is from then on.
  virtual Result<Uuid> take(int32_t day, const Uuid& fresh) = 0;
  virtual Status forget(int32_t day) = 0;
};

std::unique_ptr<SharedSalts> make_postgres_salts(const PostgresCatalogOptions& options);

}  // namespace penstock::catalog
