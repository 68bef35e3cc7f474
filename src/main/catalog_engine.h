// The catalog that the settings name, and for one that is shared a look at it from time to time.
//
// main's thread; CatalogLook lives on the pipeline loop and asks from the pool.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "catalog/postgres_catalog.h"
#include "main/settings.h"
#include "runtime/real_runtime.h"

namespace penstock::cli {

class CatalogLook {
 public:
  CatalogLook(runtime::Loop& loop, runtime::Runtime& runtime, catalog::SharedCatalog& catalog,
              int64_t every_ms);
  /// Waits for a look that is under way.
  ~CatalogLook();

 private:
  struct State;
  static void later(const std::shared_ptr<State>& state);
  std::shared_ptr<State> state_;
};

/// `look` is set when others may change it as well.
Result<std::unique_ptr<catalog::Catalog>> open_catalog(const Settings& settings,
                                                       runtime::Runtime& runtime,
                                                       const std::string& data_dir,
                                                       runtime::LoopThread& pipeline,
                                                       std::optional<CatalogLook>& look);
/// Of the key that the command line uses: in a shared catalog every data directory has its own.
std::string command_line_label(const Settings& settings, const std::string& data_dir);

}  // namespace penstock::cli
