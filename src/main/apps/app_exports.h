// AppExports: stored events of a time range, handed to an app's exportEvents: the job that PostHog
// calls "Export historical events".
//
// Pages of at most 100 events are read from the store in the order of their time, never more than
// one under way for each export, and how far it has come is kept after each: a restart goes on
// there, so an event may be handed over twice, and none is left out. What the app's filters do not
// want is passed over. A RetryError, and an app that cannot be called, is tried again; another
// error of the app costs its page. Loop thread; failures are in the progress, never an error of the
// caller.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "admin/app_sources.h"
#include "apps/apps.h"
#include "event/json_fields.h"
#include "kv/key_value.h"
#include "runtime/runtime.h"
#include "store/event_store.h"
#include "store/result_rows.h"

namespace penstock::cli {

class AppExports {
 public:
  static constexpr size_t kRunningMax = 4;

  struct Parts {
    runtime::Loop& loop;
    runtime::Runtime& runtime;
    apps::Apps& engine;
    store::EventStore& store;  // on this loop
    kv::KeyValue& kept;
    /// Makes ready what the configuration's filters have to know of events, as apps are shown them;
    /// `then` may ask `wants`.
    std::function<void(int64_t config, const std::vector<std::string>& events,
                       std::move_only_function<void(const Status&)> then)>
        look_up;
    /// Whether the configuration's filters let an event through.
    std::function<bool(int64_t config, const event::JsonFields&)> wants;
    /// False: the configuration is deleted, and so is what is known of its exports.
    std::function<bool(int64_t config)> exists;
    std::function<void(int64_t config, apps::LogEntry::Level, std::string message)> log;
    std::string site_url;
    int64_t retry_ms = 3000;  // before the first repetition; doubled for each further one
  };
  explicit AppExports(Parts parts) : parts_(std::move(parts)) {}
  ~AppExports() { *alive_ = false; }
  AppExports(const AppExports&) = delete;
  AppExports& operator=(const AppExports&) = delete;

  /// Goes on with what was under way.
  Status open();
  /// kConflict: one is under way. kBusy: kRunningMax are. kInvalid: the range is none.
  Status begin(ProjectId project, int64_t config, int64_t from_ms, int64_t to_ms);
  /// What was handed over stays. kNotFound: none is under way.
  Status cancel(int64_t config);
  /// The last one of a configuration.
  void add_to(admin::AppRunStatus& out) const;

 private:
  enum class State : uint8_t { kRunning, kDone, kFailed, kCancelled };
  struct Export {
    ProjectId project;
    State state = State::kRunning;
    int64_t from_ms = 0, to_ms = 0;
    int64_t at_us = 0;      // everything before is through
    std::string last_uuid;  // and of this microsecond the events up to this one
    uint64_t exported = 0, failed = 0, passed_over = 0;
    int repeated = 0;  // the page that comes next, in a row
    int64_t next_ms = 0;
    std::string error;
    uint64_t run = 0;  // which of its beginnings: answers to an older one are nobody's
  };
  struct Page {
    std::vector<std::string> events;
    int64_t last_us = 0;
    std::string last_uuid;
    uint64_t passed_over = 0;
    bool whole = false;  // the window has no more
  };
  static std::string encoded(const Export& one);
  static bool decode(std::string_view text, Export& one);

  void step(int64_t config);
  void later(int64_t config, int64_t ms);
  void ask(int64_t config, std::string sql,
           std::function<void(Export&, const std::vector<store::Cells>&)> then);
  void ask_next(int64_t config);
  void hand_over(int64_t config, Export& one, Page page);
  void advance(int64_t config, Export& one, const Page& page);
  void repeat(int64_t config, Export& one, const std::string& why, bool counts);
  void end(int64_t config, Export& one, State state);
  void forget(int64_t config);
  Result<Page> page_of(ProjectId project, const std::vector<store::Cells>& rows) const;
  void filter(int64_t config, Page page);
  void save(int64_t config, const Export& one);
  Export* running(int64_t config, uint64_t run);

  Parts parts_;
  std::map<int64_t, Export> exports_;
  uint64_t runs_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace penstock::cli
