#include "admin/api/log_reader.h"

#include "log/scan.h"

namespace penstock::admin {
namespace {

/// One batch is answered whatever its size; more than the one that holds the record is waste.
constexpr size_t kFetchBytes = 1;

struct Reading : std::enable_shared_from_this<Reading> {
  log::Log& log;
  runtime::Loop& loop;
  std::vector<LogPlace> places;
  std::move_only_function<void(LogRecords)> done;
  LogRecords out{};

  Reading(log::Log& l, runtime::Loop& home, std::vector<LogPlace> p,
          std::move_only_function<void(LogRecords)> d)
      : log(l), loop(home), places(std::move(p)), done(std::move(d)) {}

  void next() {
    if (out.size() == places.size()) return done(std::move(out));
    const LogPlace& place = places[out.size()];
    log::FetchRequest request{place.topic, {{place.partition, place.offset}}, kFetchBytes, 0};
    log.fetch(loop, std::move(request), [self = shared_from_this()](Result<log::FetchResult> got) {
      self->take(got);
      self->next();
    });
  }

  void take(const Result<log::FetchResult>& got) {
    const LogPlace& place = places[out.size()];
    std::optional<std::string>& to = out.emplace_back();
    if (!got) return;
    for (const log::ReadBatch& batch : got->batches) {
      const int64_t at = place.offset.value - batch.base.value;
      if (batch.partition != place.partition || at < 0) continue;
      if (at < static_cast<int64_t>(batch.records.size())) {
        to = std::string(batch.records[static_cast<size_t>(at)]);
      }
    }
  }
};

}  // namespace

void read_records(log::Log& log, runtime::Loop& loop, std::vector<LogPlace> places,
                  std::move_only_function<void(LogRecords)> done) {
  auto reading = std::make_shared<Reading>(log, loop, std::move(places), std::move(done));
  loop.post([reading] { reading->next(); });
}

}  // namespace penstock::admin
