// AppGroups: properties of groups for apps' filters, wherever groups live.
//
// Filters ask for them while they run, on a loop that may not wait. A store that answers at once is
// asked there and then; one that blocks (PostgreSQL) is asked beforehand, in the pool, for all the
// events that come next. Loop thread but for `at_once`, which is for pool jobs. Failure: what was
// looked up is told to `then`; nobody takes a group that could not be read for one without
// properties.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/result.h"
#include "event/json_fields.h"
#include "ingest/app_filters.h"
#include "persons/person_store.h"
#include "runtime/runtime.h"

namespace penstock::cli {

class AppGroups {
 public:
  using Then = std::move_only_function<void(const Status&)>;
  using Key = std::tuple<int64_t, uint8_t, std::string>;  // project, type's index, the group's key
  using Keys = std::set<Key>;

  /// `store` null: groups are not here, and no group has properties. `blocks`: it may not be asked
  /// on the loop.
  AppGroups(runtime::Loop& loop, runtime::Runtime& runtime, const persons::PersonStore* store,
            bool blocks)
      : loop_(loop), runtime_(runtime), store_(store), blocks_(blocks) {}
  ~AppGroups() { *alive_ = false; }
  AppGroups(const AppGroups&) = delete;
  AppGroups& operator=(const AppGroups&) = delete;

  /// For AppFilters on the loop; must not outlive this.
  ingest::AppFilters::Groups on_loop();
  /// Whether filters have to be asked within a `then` of `look_up`.
  bool has_to_look_up() const { return store_ != nullptr && blocks_; }
  /// Reads these groups; while `then` runs `on_loop` has them. Answers at once where nothing
  /// blocks.
  void look_up(Keys keys, Then then);
  /// For AppFilters in a pool job, of these events as apps are shown them.
  Result<ingest::AppFilters::Groups> at_once(ProjectId project,
                                             const std::vector<std::string>& events) const;

  /// The groups of an event, `properties` being its properties.
  static void add_keys(ProjectId project, std::string_view properties, Keys& keys);

 private:
  using Known = std::map<Key, std::string>;
  static Result<Known> read(const persons::PersonStore& store, const Keys& keys);

  runtime::Loop& loop_;
  runtime::Runtime& runtime_;
  const persons::PersonStore* store_;
  bool blocks_;
  std::shared_ptr<const Known> known_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace penstock::cli
