// Places: where an address is, from a MaxMind City database, as `meta.geoip.locate` answers it.
//
// The file is mapped when it is opened and never read again by name, so it works inside the cage.
// `locate` from any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace penstock::apps {

class Places {
 public:
  /// kNotFound, or kCorrupt for what is no such database.
  static Result<std::unique_ptr<Places>> open(const std::string& file);
  ~Places();
  Places(const Places&) = delete;
  Places& operator=(const Places&) = delete;

  /// The record as JSON; empty: unknown, or no address. Its keys are in camel case ("isoCode"), or
  /// as the database has them ("iso_code").
  std::string locate(std::string_view ip, bool camel_case = true) const;

 private:
  struct Database;
  explicit Places(std::unique_ptr<Database> database);
  std::unique_ptr<Database> database_;
};

}  // namespace penstock::apps
