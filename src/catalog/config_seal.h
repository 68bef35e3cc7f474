// ConfigSeal: how the configurations of apps lie in the catalog's database: sealed, because they
// hold other people's keys.
//
// AES-256-GCM with a random nonce, bound to the row it belongs to. The key is a file of its own, so
// that a copy of the database alone tells nothing. Immutable; any thread. Failure: kInvalid what
// the file holds is no key, kDenied others may read it, kCorrupt a text is sealed with another key
// or was changed.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "catalog/catalog.h"
#include "catalog/postgres_catalog.h"
#include "runtime/runtime.h"

namespace penstock::catalog {

class ConfigSeal {
 public:
  static constexpr size_t kKeyBytes = 32;
  using Key = std::array<uint8_t, kKeyBytes>;

  ConfigSeal(const Key& key, runtime::Runtime& runtime) : key_(key), runtime_(runtime) {}

  /// Reads the key file, 64 hex digits; makes it, for its owner only, if it is not there. Blocks.
  static Result<std::shared_ptr<const ConfigSeal>> open(const std::string& path,
                                                        runtime::Runtime& runtime);

  static bool is_sealed(std::string_view text) { return text.starts_with(kMark); }
  Result<std::string> seal(int64_t row, std::string_view text) const;
  /// A text that is not sealed is answered as it is.
  Result<std::string> unseal(int64_t row, std::string_view text) const;

 private:
  static constexpr std::string_view kMark = "sealed1:";

  Key key_;
  runtime::Runtime& runtime_;
};

/// The catalog in a file or in PostgreSQL, with configurations sealed from now on: those that are
/// not yet are written anew at once. Without a seal they are kept as they are given.
Result<std::unique_ptr<Catalog>> open_sqlite_catalog(const std::string& path,
                                                     runtime::Runtime& runtime,
                                                     std::shared_ptr<const ConfigSeal> seal);
Result<std::unique_ptr<SharedCatalog>> open_postgres_catalog(
    PostgresCatalogOptions options, runtime::Runtime& runtime,
    std::shared_ptr<const ConfigSeal> seal);

}  // namespace penstock::catalog
