// ClickHouseStore: the EventStore on a ClickHouse server or cluster, over HTTP(S).
//
// Rows go as RowBinary, compressed, one INSERT per table of a batch, each with its deduplication
// token, so that a batch repeated under its id is stored once; whichever replica gets it. The
// tables are made and migrated at start (runner by runner, on a live server). It repeats nothing by
// itself: the loader repeats inserts, `make_retrying_store` queries. Every request has a deadline.
// When a server does not answer, the next call goes to the next of `urls`.
//
// The database should be Penstock's own: queries of projects see the rows of their project in these
// tables, and whatever else the user may read. Several processes may load into it (`shared`). All
// calls on `home`.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/runtime.h"
#include "store/event_store.h"

namespace penstock::store {

struct ClickHouseOptions {
  /// "https://ch-1:8443,https://ch-2:8443": replicas of one cluster, or ways to one server.
  std::string urls{};
  std::string database = "default";
  std::string user = "default";
  std::string password{};  // never in a message or a log
  std::string ca_file{};   // PEM, for https; empty: the system's
  std::string cluster{};   // as the servers' remote_servers name it; empty: one server
  std::string keeper_path = "/clickhouse/tables";
  /// Of inserts: "lz4", "zstd", "none"; "auto": none to this machine, lz4 to others, which is what
  /// ClickHouse's own client does.
  std::string compression = "auto";
  bool shared = false;  // others load into these tables at the same time
  int64_t connect_ms = 3000;
  int64_t insert_ms = 60'000;     // for all of one batch; later its outcome is unknown
  int64_t statement_ms = 10'000;  // for Penstock's own small statements
  int64_t upkeep_ms = 600'000;    // for one of erasing and squashing
  int64_t retry_ms_min = 200, retry_ms_max = 10'000;  // until a server that is away is asked again
  int64_t look_ms = 5000;                             // between two looks at its health
  size_t requests_max = 256;                          // under way; more: kBusy
  uint64_t squash_room_bytes = 1U << 30;              // of its disk, left free by a squash
};

/// kInvalid names the option that cannot be; asks nobody.
Status check_clickhouse_options(const ClickHouseOptions& options);

Result<std::unique_ptr<EventStore>> make_clickhouse_store(runtime::Runtime& runtime,
                                                          runtime::Loop& home,
                                                          ClickHouseOptions options);

/// The statements that `start` would run on an empty server, and, where `kafka_brokers` is given,
/// those that let ClickHouse read Penstock's topics itself; for people to read and to run.
std::vector<std::string> clickhouse_ddl(const ClickHouseOptions& options,
                                        const std::string& kafka_brokers,
                                        const std::string& kafka_prefix);

}  // namespace penstock::store
