#include "main/catalog_engine.h"

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <mutex>

#include "base/diag.h"
#include "catalog/config_seal.h"
#include "main/on_loop.h"

namespace penstock::cli {

struct CatalogLook::State {
  runtime::Loop& loop;
  runtime::Runtime& runtime;
  int64_t every_ms;
  std::mutex mutex;                   // held by a look
  catalog::SharedCatalog* catalog{};  // null: over
  bool failing = false;               // on the loop
};

CatalogLook::CatalogLook(runtime::Loop& loop, runtime::Runtime& runtime,
                         catalog::SharedCatalog& catalog, int64_t every_ms)
    : state_(std::make_shared<State>(loop, runtime, every_ms)) {
  state_->catalog = &catalog;
  later(state_);
}

CatalogLook::~CatalogLook() {
  const std::lock_guard lock(state_->mutex);
  state_->catalog = nullptr;
}

void CatalogLook::later(const std::shared_ptr<State>& state) {
  state->loop.after(std::chrono::milliseconds(state->every_ms), [state] {
    auto looked = std::make_shared<Status>();
    const Status submitted = state->runtime.pool().submit(
        [state, looked] {
          const std::lock_guard lock(state->mutex);
          if (state->catalog != nullptr) *looked = state->catalog->look();
        },
        state->loop,
        [state, looked] {
          if (!*looked && !state->failing) {
            diag::warn("the catalog cannot be asked, and stays as it was last seen",
                       {{"error", looked->error().message}});
          } else if (*looked && state->failing) {
            diag::info("the catalog can be asked again", {});
          }
          state->failing = !*looked;
          later(state);
        });
    if (!submitted) later(state);
  });
}

Result<std::unique_ptr<catalog::Catalog>> open_catalog(const Settings& settings,
                                                       runtime::Runtime& runtime,
                                                       const std::string& data_dir,
                                                       runtime::LoopThread& pipeline,
                                                       std::optional<CatalogLook>& look) {
  const std::string own_key = data_dir + "/catalog.key";
  std::string key = settings.catalog_key_file;
  // Of a catalog that several share the key is theirs too: none is made for one of them alone.
  const bool shared = settings.catalog_engine == "postgres";
  if (key.empty() && (!shared || std::filesystem::exists(own_key))) key = own_key;
  std::shared_ptr<const catalog::ConfigSeal> seal;
  if (!key.empty()) {
    PENSTOCK_TRY(seal, catalog::ConfigSeal::open(key, runtime));
  }
  if (!shared) return catalog::open_sqlite_catalog(data_dir + "/catalog.db", runtime, seal);
  auto opened = catalog::open_postgres_catalog(settings.catalog, runtime, seal);
  if (!opened) return fail(opened.error(), "catalog.postgres_url");
  on_loop(pipeline,
          [&] { look.emplace(pipeline.loop(), runtime, **opened, settings.catalog_look_ms); });
  return std::move(*opened);
}

std::string command_line_label(const Settings& settings, const std::string& data_dir) {
  const std::string label = "penstock command line";
  if (settings.catalog_engine != "postgres") return label;
  char host[64] = {};
  ::gethostname(host, sizeof host - 1);
  std::error_code error;
  const std::string path = std::filesystem::absolute(data_dir, error).string();
  constexpr size_t kPathMax = 100;  // the end of it tells them apart
  return label + " of " + host + ":" +
         (path.size() > kPathMax ? path.substr(path.size() - kPathMax) : path);
}

}  // namespace penstock::cli
