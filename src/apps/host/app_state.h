// AppState: what apps keep: storage, cursors, caches and jobs, over a KeyValue.
//
// Storage and cursors are per configuration, caches per app and project (plugins.md section 4).
// Everything is bounded: keys, values, and bytes per app. `call` answers one host call. A job that
// was handed out stays until it has run: what a crash cut off is handed out again, what failed is
// not ("max attempts 1"). A configuration may add a job while fewer of its own
// wait than there are free places: alone it gets half of the queue, and whatever the others do
// there is room for one that has none. Loop thread; calls block briefly, as KeyValue's. Failure:
// kInvalid is the app's mistake, kBusy its share of the jobs, the rest the store's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "apps/apps.h"
#include "event/json_fields.h"
#include "kv/key_value.h"

namespace penstock::apps {

/// Whose state it is.
struct StateOwner {
  ConfigId config = 0;
  int64_t plugin = 0, project = 0;  // project 0: stateless
};

struct Job {
  ConfigId config = 0;
  int64_t run_at_ms = 0;
  std::string body;        // {"name":…,"payload":…}
  std::string taken_as{};  // of one that was taken: where it is kept until it has run
};

class AppState {
 public:
  static constexpr size_t kKeyBytesMax = 1024;
  static constexpr size_t kValueBytesMax = 1U << 20;
  static constexpr uint64_t kOwnerBytesMax = 64U << 20;  // of storage, and of cache
  static constexpr size_t kJobsMax = 100'000;            // that wait, of all apps

  explicit AppState(kv::KeyValue& kv, size_t jobs_max = kJobsMax) : kv_(kv), jobs_max_(jobs_max) {}

  /// True for "storage.get", "cache.set", "cursor.increment", "job" and their like.
  static bool handles(std::string_view op);
  /// The answer as JSON.
  Result<std::string> call(const StateOwner& owner, std::string_view op, std::string_view arguments,
                           int64_t now_ms);

  /// Takes at most `count` jobs that are due out of the queue; `ran` ends each.
  Result<std::vector<Job>> take_due(int64_t now_ms, size_t count);
  Status ran(const Job& job);
  /// At a start: what was taken and did not run to its end waits again.
  Status take_back();
  /// Puts a job that was taken back into the queue, full or not.
  Status put(const Job& job);
  /// Deletes what has expired, a bounded number of entries; go on until it answers false.
  Result<bool> sweep(int64_t now_ms);
  bool dirty() const { return dirty_; }
  void flushed() { dirty_ = false; }

 private:
  struct Entry {
    int64_t expires_ms = 0;  // 0: never
    bool list = false;
    std::string text;  // of a list: each element length-prefixed
  };
  using Fields = event::JsonFields;

  Result<Entry> read(const std::string& key, int64_t now_ms, bool& there) const;
  Status write(const std::string& prefix, const std::string& key, const Entry* entry);
  Result<std::string> storage(const StateOwner& owner, std::string_view op, const Fields& fields,
                              std::string_view key, int64_t now_ms);
  Result<std::string> cache(const StateOwner& owner, std::string_view op, const Fields& fields,
                            std::string_view key, int64_t now_ms);
  Result<std::string> list(const std::string& prefix, const std::string& key, std::string_view op,
                           const Fields& fields, Entry entry);
  Result<std::string> job(const StateOwner& owner, const Fields& fields);

  /// Counts what waits, once.
  Status count_jobs();

  kv::KeyValue& kv_;
  size_t jobs_max_;
  /// Jobs that wait, by configuration; unset: not counted yet.
  std::optional<std::unordered_map<ConfigId, size_t>> jobs_{};
  size_t jobs_waiting_ = 0;
  bool dirty_ = false;
  uint64_t job_number_ = 0;
  std::string swept_;
};

}  // namespace penstock::apps
