// Fixture: one batch of events through the Decider, over memory stores, without log or loop.
//
// For the unit tests of this room. `add` gathers events, `decide` takes them through a cycle and
// applies the result to ledger and persons, as a cycle does once it is durable.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "event/raw_record.h"
#include "ingest/cycle/decider.h"
#include "runtime/sim_runtime.h"

namespace penstock::ingest::testing {

struct EventSpec {
  std::string data = "{}";
  std::string distinct_id = "u1";
  std::string event = "seen";
  std::string token = "phc_one";
  std::string ip{};
  std::string session_id{};
  std::optional<int64_t> sent_at_ms{};
  int64_t timestamp_ms = 1'785'585'600'000;  // 2026-08-01T12:00:00Z
  int64_t now_ms = 1'785'585'600'500;
  int32_t partition = 0;
  uint64_t uuid = 0;  // 0: a fresh one
  bool skip_persons = false;
  bool skip_heatmap = false;
  event::Disposition disposition = event::Disposition::kProcess;
  std::string reason{};
};

/// A decoded outcome that owns its texts.
struct Seen {
  event::OutcomeKind kind{};
  std::string reason, stage, token, raw;
  Uuid uuid;
  std::string event, properties, distinct_id, elements_chain, person_properties;
  int64_t timestamp_ms = 0, person_created_at_ms = 0;
  Uuid person_id;
  event::PersonMode mode{};
  bool heatmap_only = false;
};
struct SeenPerson {
  Uuid id;
  std::string properties;
  int64_t created_at_ms = 0;
  bool is_identified = false, is_deleted = false;
  uint64_t version = 0;
};
struct SeenMapping {
  std::string distinct_id;
  Uuid person_id;
  int64_t version = 0;
};
struct SeenPoint {
  std::string url, type;
  int x = 0, y = 0;
  bool target_fixed = false;
  bool operator==(const SeenPoint&) const = default;
};
struct SeenHeatmap {
  std::string session_id, distinct_id;
  int64_t timestamp_ms = 0;
  int viewport_width = 0, viewport_height = 0;
  std::vector<SeenPoint> points;
};
struct SeenMerge {
  std::string source_id, target_id;
  std::string source, target;  // properties before; empty: no person
  Uuid result;
  std::vector<std::string> moved;
  uint32_t place = 0;
};
struct SeenGroup {
  int type_index = 0;
  std::string key, properties;
  int64_t created_at_ms = 0;
  uint64_t version = 0;
};
struct SeenGroupType {
  int index = 0;
  std::string name;
  int64_t created_at_ms = 0;
};
struct Seens {
  std::vector<Seen> outcomes;
  std::vector<SeenPerson> persons;
  std::vector<SeenMapping> mappings;
  std::vector<std::pair<std::string, std::string>> warnings;  // type, details
  std::vector<SeenHeatmap> heatmaps;
  std::vector<SeenMerge> merges;
  std::vector<SeenGroup> groups;
  std::vector<SeenGroupType> group_types;
};

class Fixture {
 public:
  explicit Fixture(ledger::LedgerOptions options = {}, DeciderLimits limits = {});

  catalog::Project& project() { return projects_[0]; }
  void add(const EventSpec& spec);
  void add_bytes(std::string record, int32_t partition = 0);
  /// Decides what was added; with `apply` the next batch builds on it, and begins with what was
  /// left.
  Seens decide(bool apply = true);
  /// What the last batch appends.
  size_t last_bytes() const { return last_bytes_; }
  /// One event alone.
  Seens run(const EventSpec& spec) {
    add(spec);
    return decide();
  }
  persons::PersonStore& persons() { return *persons_; }
  ledger::Ledger& ledger() { return *ledger_; }
  CookielessStore& cookieless() { return *cookieless_; }
  /// How often the person store was asked for persons, however many at once.
  size_t person_reads() const { return *person_reads_; }
  Uuid uuid_of(uint64_t n) const;

 private:
  runtime::SimRuntime runtime_{7};
  std::vector<catalog::Project> projects_;
  std::shared_ptr<size_t> person_reads_ = std::make_shared<size_t>(0);
  std::unique_ptr<persons::PersonStore> persons_;
  std::unique_ptr<ledger::Ledger> ledger_;
  std::unique_ptr<CookielessStore> cookieless_;
  DeciderLimits limits_;
  std::unique_ptr<Decider> decider_;
  std::map<int32_t, std::vector<std::string>> waiting_;
  std::map<int32_t, int64_t> raw_next_, processed_next_;
  uint64_t next_uuid_ = 1'000'000;
  size_t last_bytes_ = 0;
};

/// Members of an object as key → raw value; "not an object" otherwise.
std::map<std::string, std::string> fields_of(std::string_view object_text);

}  // namespace penstock::ingest::testing
