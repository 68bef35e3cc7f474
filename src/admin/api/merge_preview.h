// MergePreview: what a merge of two distinct ids would do, without doing it.
//
// The rules are the person step's (contract section 4), told in words: who would merge with whom,
// which values win, and which guard would speak. Reads the PersonStore; any thread. Failure: its.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/catalog.h"
#include "persons/person_store.h"

namespace penstock::admin {

struct MergePreview {
  struct Side {
    std::string distinct_id;
    std::optional<persons::Person> person;
    std::vector<std::string> ids;  // at most kPreviewIdsMax
    bool more_ids = false;
  };
  Side source, target;
  std::string event;
  std::string outcome;  // "nothing", "created", "added", "merged" or "refused"
  std::string person;   // uuid of who has both ids afterwards
  std::vector<std::pair<std::string, std::string>> guards;  // warning's type, what it says
  int64_t source_events = 0, target_events = 0;

  /// One row: events of the source's ids and of the target's; of an $identify also the device that
  /// the source's latest event named, which the $identify would name too.
  std::string count_sql() const;
  /// The guard that asks whose a device is; empty: nobody knows of one. After `preview_merge`.
  Status judge_device(const persons::PersonStore& store, const catalog::Project& project,
                      std::string_view device);
  std::string json() const;
};

inline constexpr size_t kPreviewIdsMax = 10'000;

Result<MergePreview> preview_merge(const persons::PersonStore& store,
                                   const catalog::Project& project, std::string_view source,
                                   std::string_view target, std::string_view event);

}  // namespace penstock::admin
