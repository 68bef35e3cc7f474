#include "main/store_engine.h"

#include "store/retrying_store.h"

namespace penstock::cli {

Result<std::unique_ptr<store::EventStore>> make_store(const Settings& settings,
                                                      runtime::Runtime& runtime,
                                                      runtime::LoopThread& home,
                                                      const std::string& data_dir) {
  if (settings.store_engine == "clickhouse") {
    PENSTOCK_TRY(auto server,
                 store::make_clickhouse_store(runtime, home.loop(), settings.clickhouse));
    return store::make_retrying_store(std::move(server), runtime, home.loop());
  }
  store::EngineOptions options = settings.store;
  options.directory = data_dir + "/store";
  return store::make_engine_store(runtime, home.loop(), home.poller(), options);
}

load::SquashOptions squash_options_of(const Settings& settings) {
  load::SquashOptions out = settings.squash;
  if (settings.store_engine == "clickhouse" && !settings.clickhouse.cluster.empty()) {
    out.interval_ms = 0;
  }
  return out;
}

}  // namespace penstock::cli
