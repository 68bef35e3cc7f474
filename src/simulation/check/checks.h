// Checks: every promise of the product, held against what a run left behind.
//
// Each looks at a healed life at rest, or at the disk of one that has ended, and tells Machine what
// does not hold. A new invariant is a function here and a line in docs/TESTING.md.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "event/processed_record.h"
#include "simulation/world/life.h"

namespace penstock::simulation {

inline constexpr char kCookielessPrefix[] = "cookieless_";

/// An accepted event of a cookieless visitor.
struct Visit {
  ProjectId project;
  std::string browser;      // whose, as the client knows it
  int32_t day = 0;          // since 1970, UTC
  std::string distinct_id;  // what they got; empty: they said one, logging in
  std::string kept;         // properties of the row, and of the person
};

/// What became of all events, read from the log.
struct Decided {
  struct Event {
    uint64_t accepted = 0, with_reason = 0, duplicates = 0;
    std::set<std::string> reasons{};
    bool heatmap_only = false, replay = false;
    ProjectId project;
    Uuid person;
    std::string distinct_id;
    std::string heatmap_url{};  // of the content that was accepted
  };
  std::map<Uuid, Event> events;  // of an accepted one: of the project that accepted it
  std::map<ledger::LedgerKey, ledger::LedgerCounts> counts;  // without `stored` and `redriven`
  std::set<std::string> heatmaps;                            // urls
  std::map<std::string, std::set<int64_t>> recorded;         // numbers, by session
  std::map<Uuid, uint64_t> for_apps;  // accepted events of the project with the app
  std::vector<Visit> visits;
  std::set<ingest::CookielessVisitor> visitors;  // that the log speaks of
  uint64_t accepted = 0;
  uint64_t discarded = 0;  // entries of quarantine that were to be given up
  uint64_t redriven = 0;   // records that came back from quarantine
};

/// Reads `processed`; also: one outcome for each raw record, in order; order per distinct id.
bool check_outcomes(Life& life, Decided& decided);
/// Acknowledged: stored exactly once, or a counted reason.
void check_acknowledged(Machine& machine, const Decided& decided);
/// Rows of the store, heatmaps, integrity of what they hold.
void check_store(Machine& machine, const Decided& decided);
/// The ledger's books, per project, minute and lane.
void check_books(Life& life, const Decided& decided);
/// Recordings: lines in blocks, objects named.
void check_recordings(Life& life, const Decided& decided);
/// Each distinct id belongs to one person; persons are what the log says; rows lead to them.
void check_persons(Life& life, const Decided& decided);
/// Who cookieless visitors are, and what is kept of them.
void check_visitors(Life& life, const Decided& decided);
/// Events of keys that are nobody's, or were nobody's for a while.
void check_strangers(Life& life, const Decided& decided);
/// What definitions say of each project is what its events show.
void check_definitions(Life& life);
/// Each accepted event is called for, once for each function of its project's app, or given up.
void check_deliveries(Life& life, const Decided& decided);
/// Each acknowledged command has its report.
void check_commands(Life& life);
/// At a life's start: what progress says is stored, is.
void check_progress(Life& life);

/// Persons and groups in a form to compare.
std::string picture_of(Life& life, persons::PersonStore& persons);
/// Who each distinct id belongs to.
std::map<std::string, std::string> owners_of(Life& life);

/// Damages the log of a process that has ended, and holds the next start to telling of it.
void check_damage(Machine& machine, Clients& clients);

}  // namespace penstock::simulation
