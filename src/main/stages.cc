#include "main/stages.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "main/move/hold.h"

namespace penstock::cli {
namespace {

constexpr std::array<std::string_view, 8> kStages{"capture", "ingest",      "replay",  "load",
                                                  "publish", "definitions", "deliver", "admin"};
constexpr std::string_view kElsewhere =
    "the rows lie with the process that runs load; ask there, or keep them in a ClickHouse server "
    "(store.engine)";

bool shares_log(const Settings& s) { return s.log_engine == "kafka"; }

class StoreElsewhere : public store::EventStore {
 public:
  explicit StoreElsewhere(runtime::Loop& loop) : loop_(loop) {}

  Status start() override { return {}; }
  void stop() override {}
  void insert(std::shared_ptr<const store::InsertBatch>, store::InsertDone done) override {
    refuse(std::move(done));
  }
  void query(store::Query, store::QueryDone done) override { refuse(std::move(done)); }
  void cancel(const std::string&) override {}
  void erase_person(store::EraseRequest, store::EraseStep, store::EraseDone done) override {
    refuse(std::move(done));
  }
  void freeze_overrides(store::FreezeDone done) override { refuse(std::move(done)); }
  void squash_overrides(store::SquashStep, store::SquashDone done) override {
    refuse(std::move(done));
  }
  store::StoreHealth health() const override {
    store::StoreHealth out;
    out.engine = "elsewhere";
    out.detail = kElsewhere;
    return out;
  }

 private:
  template <typename Done>
  void refuse(Done done) {
    loop_.post([done = std::move(done)]() mutable {
      done(fail(Code::kUnavailable, std::string(kElsewhere)));
    });
  }

  runtime::Loop& loop_;
};

}  // namespace

Status check_stages(const Settings& s) {
  std::string_view list = s.stages;
  while (!list.empty()) {
    const std::string_view name = list.substr(0, list.find(','));
    if (std::ranges::find(kStages, name) == kStages.end()) {
      return fail(Code::kInvalid, fmt::format("there is no stage '{}'; the stages are {}", name,
                                              fmt::join(kStages, ", ")));
    }
    list.remove_prefix(std::min(list.size(), name.size() + 1));
  }
  if (!shares_log(s) && s.runs("publish")) {
    return fail(Code::kInvalid,
                "process.stages: publish writes topics of Kafka; it needs log.engine = kafka");
  }
  if (shares_log(s) && s.runs("replay") != s.runs("ingest")) {
    return fail(Code::kInvalid,
                "process.stages: replay and ingest write the same topic, so on Kafka one process "
                "runs both or neither");
  }
  return {};
}

bool keeps_books(const Settings& s) {
  if (s.runs(move::kHeldStage)) return false;
  return !shares_log(s) || std::ranges::any_of(kStages, [&s](std::string_view stage) {
    return stage != "capture" && stage != "publish" && s.runs(stage);
  });
}

bool writes_processed(const Settings& s) { return !shares_log(s) || s.runs("ingest"); }

bool has_rows(const Settings& s) {
  return !shares_log(s) || s.runs("load") || s.store_engine != "embedded";
}

/// Rows in a directory of its own are one process's.
bool shares_load(const Settings& s) { return shares_log(s) && s.store_engine == "clickhouse"; }

ledger::LedgerOptions ledger_options_of(const Settings& s) {
  ledger::LedgerOptions out = s.ledger;
  out.decided_elsewhere = !writes_processed(s) || s.slices > 1;
  out.lanes_apart = s.layout().apart;
  out.stored_elsewhere = shares_log(s) && (!s.runs("load") || shares_load(s));
  return out;
}

std::unique_ptr<store::EventStore> make_store_elsewhere(runtime::Loop& loop) {
  return std::make_unique<StoreElsewhere>(loop);
}

}  // namespace penstock::cli
