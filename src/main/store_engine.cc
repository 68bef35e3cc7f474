#include "main/store_engine.h"

#include "event/lane.h"
#include "load/settled.h"
#include "main/on_loop.h"
#include "main/stages.h"
#include "store/retrying_store.h"

namespace penstock::cli {

Result<std::unique_ptr<store::EventStore>> make_store(const Settings& settings,
                                                      runtime::Runtime& runtime,
                                                      runtime::LoopThread& home,
                                                      const std::string& data_dir) {
  if (!has_rows(settings)) return make_store_elsewhere(home.loop());
  if (settings.store_engine == "clickhouse") {
    store::ClickHouseOptions options = settings.clickhouse;
    options.shared = shares_load(settings);
    PENSTOCK_TRY(auto server,
                 store::make_clickhouse_store(runtime, home.loop(), std::move(options)));
    return store::make_retrying_store(std::move(server), runtime, home.loop());
  }
  store::EngineOptions options = settings.store;
  options.directory = data_dir + "/store";
  return store::make_engine_store(runtime, home.loop(), home.poller(), options);
}

Status rows_settled(const Settings& settings, runtime::Runtime& runtime, log::Log& log,
                    runtime::LoopThread& home, const std::string& data_dir) {
  const std::vector<log::Position> committed =
      log.committed(std::string(event::kGroupLoad), std::string(event::kTopicProcessed));
  PENSTOCK_CHECK(load::check_settled(runtime.files(), data_dir + "/state/load.intent", committed));
  if (!shares_load(settings)) return {};
  return await(home, [&](auto done) {
    load::check_shared_settled(log, home.loop(),
                               static_cast<size_t>(settings.processed_partitions()), committed,
                               std::move(done));
  });
}

}  // namespace penstock::cli
