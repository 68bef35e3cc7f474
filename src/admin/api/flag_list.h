// FlagList: a project's feature flags while one of them is created, changed or removed.
//
// Works on the JSON of the setting "feature_flags", so that members of a flag that Penstock does
// not know stay as they are; whether the result is valid is the catalog's business when it is
// stored. Not thread safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "event/json_fields.h"

namespace penstock::admin {

class FlagList {
 public:
  /// `setting`: {"flags":[…],…} or {}.
  static Result<FlagList> parse(std::string_view setting);

  /// Adds a flag with the next free id and answers its JSON. kConflict: its key is taken.
  Result<std::string> create(const event::JsonFields& body, std::string_view created_at);
  /// Lays members over the flag and raises its version. kNotFound.
  Result<std::string> change(int64_t id, const event::JsonFields& body,
                             std::string_view updated_at);
  Status remove(int64_t id);
  Result<std::string> find(int64_t id) const;

  /// The flags that are not deleted, as a JSON list; `count` is set.
  std::string list(size_t& count) const;
  /// The setting with the changes.
  std::string setting() const;

 private:
  Result<size_t> position(int64_t id) const;
  bool has_key(std::string_view quoted_key, int64_t but_not) const;

  std::string others_;              // the setting's other members
  std::vector<std::string> flags_;  // one JSON object each, deleted ones included
};

}  // namespace penstock::admin
