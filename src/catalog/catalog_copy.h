// CatalogCopy: everything that a catalog holds, to fill another one with.
//
// Catalogs are small: all of it is read into memory and written in one transaction, whole or not at
// all, so that nothing has to be resumed. Ids, hashes of secrets, sessions and the audit stay what
// they are. The command line's own key is left out: every start makes a new one.
//
// Threads: one at a time. Calls block. Failure: the database's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "catalog/postgres_catalog.h"
#include "runtime/runtime.h"

namespace penstock::catalog {

struct CatalogColumn {
  std::string name;
  bool integer = false;
};

struct CatalogTable {
  std::string name;
  std::vector<CatalogColumn> columns;
  bool counted = false;  // its ids are given by the database
  std::vector<std::vector<std::string>> rows;
};

/// Its tables without rows, in an order in which references point backwards.
std::vector<CatalogTable> catalog_tables();

struct CatalogContent {
  std::vector<CatalogTable> tables;

  uint64_t rows() const;
  uint64_t bytes() const;
  /// Does not depend on the order of rows.
  uint64_t hash() const;
};

/// A project as another installation has it. Its id and token have to be free here, or its own.
struct PutProject {
  int64_t id = 0;
  std::string name, token;
  int64_t created_at_ms = 0;
  std::vector<std::pair<std::string, std::string>> settings;  // name and JSON; others stay
};

class CatalogCopy {
 public:
  virtual ~CatalogCopy() = default;
  /// No project and no user.
  virtual Result<bool> is_empty() = 0;
  /// Without keys of this label.
  virtual Result<CatalogContent> read(const std::string& left_out_label) = 0;
  /// Replaces all there is.
  virtual Status write(const CatalogContent& content) = 0;
  /// Adds these, or makes them what is said here, all or none; others stay. kConflict: an id or a
  /// token is another project's. `who` and `now_ms` are for the audit.
  virtual Status put_projects(const std::vector<PutProject>& projects, const std::string& who,
                              int64_t now_ms) = 0;
};

/// Makes the tables where there are none; kInvalid: a newer Penstock's.
Result<std::unique_ptr<CatalogCopy>> open_sqlite_catalog_copy(const std::string& path);
Result<std::unique_ptr<CatalogCopy>> open_postgres_catalog_copy(
    const PostgresCatalogOptions& options);

}  // namespace penstock::catalog
