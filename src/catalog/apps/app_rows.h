// AppRows: where an AppBook keeps what it knows.
//
// Private to the room. The calls of one change come between `begin` and `end` of one
// `transaction`, so that a change is stored whole or not at all. One caller at a time: the book
// holds its mutex.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/app_catalog.h"
#include "catalog/catalog.h"

namespace penstock::catalog {

struct StoredApps {
  std::map<int64_t, App> apps;
  std::map<int64_t, std::map<int64_t, AppVersion>> versions;  // by app, by number
  std::map<int64_t, AppConfig> configs;
};

class AppRows {
 public:
  virtual ~AppRows() = default;
  virtual Result<StoredApps> load() = 0;
  /// Others may write too: what is in memory may be old.
  virtual bool shared() const { return false; }
  /// Runs `change`, with a line of audit unless `action` is empty.
  virtual Status transaction(const Principal& by, std::string_view action,
                             const std::string& target, const std::function<Status()>& change) = 0;
  virtual Status put(const App& app) = 0;
  virtual Status put(int64_t app, const AppVersion& version, const AppFiles& files) = 0;
  virtual Status put(const AppConfig& config) = 0;
  virtual Status remove_app(int64_t app) = 0;  // with its versions
  virtual Status remove_version(int64_t app, int64_t number) = 0;
  virtual Status remove_config(int64_t config) = 0;
  virtual Result<AppFiles> files(int64_t app, int64_t number) = 0;
};

}  // namespace penstock::catalog
