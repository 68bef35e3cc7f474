// Definitions: the names that accepted events have, with their types; kept as a replay of the log
// gives them.
#include <fmt/format.h>

#include <algorithm>

#include "event/lane.h"
#include "kv/memory_kv.h"
#include "simulation/check/checks.h"

namespace penstock::simulation {
namespace {

using definitions::DefinitionsAsked;
using definitions::DefinitionStore;
using definitions::Owner;

constexpr size_t kNamesMax = 10'000;

/// Names and types: when something was seen first depends on the order between partitions.
std::string picture_of(Machine& m, const DefinitionStore& store, ProjectId project) {
  DefinitionsAsked all;
  all.limit = kNamesMax;
  std::string out;
  const auto events = store.events(project, all);
  if (!events) return m.broken("definitions", events.error().message), "";
  for (const auto& event : *events) {
    out += fmt::format("event {}:", event.name);
    const auto of = store.properties_of(project, event.name, all);
    if (!of) return m.broken("definitions", of.error().message), "";
    for (const auto& p : *of) out += " " + p.name;
    out += "\n";
  }
  for (const Owner owner : {Owner::kEvent, Owner::kPerson, Owner::kGroup}) {
    const auto properties = store.properties(project, owner, all);
    if (!properties) return m.broken("definitions", properties.error().message), "";
    for (const auto& p : *properties) {
      out += fmt::format("{} {} {} {}\n", definitions::owner_name(owner), p.group_type, p.name,
                         definitions::property_type_name(p.type));
    }
  }
  const definitions::DefinitionCounts c = store.counts(project);
  return out + fmt::format("{} events, {} properties, {} pairs\n", c.events, c.properties, c.pairs);
}

}  // namespace

void check_definitions(Life& life) {
  Machine& m = life.machine();
  const auto processed = life.read(event::kTopicProcessed);
  if (!processed) return m.broken("readable", processed.error().message);
  const auto fresh = DefinitionStore::open(kv::make_memory_kv(), {});
  if (!fresh) return m.broken("definitions", fresh.error().message);
  std::map<int64_t, std::set<std::string>> names;
  for (size_t i = 0; i < processed->size(); i++) {
    const std::vector<std::string>& records = (*processed)[i];
    const std::vector<std::string_view> views(records.begin(), records.end());
    const Status s = (*fresh)->apply({static_cast<int32_t>(i)}, {0}, views);
    if (!s) return m.broken("definitions", s.error().message);
    for (const std::string& bytes : records) {
      const auto record = event::decode_processed(bytes);
      const auto* o = record ? std::get_if<event::Outcome>(&*record) : nullptr;
      if (o == nullptr || o->kind != event::OutcomeKind::kAccepted || o->row.heatmap_only ||
          o->source.lane == event::Lane::kReplay) {
        continue;
      }
      names[o->project.value].emplace(o->row.event);
    }
  }
  for (int64_t project = 0; project <= 3; project++) {
    const std::string kept = picture_of(m, life.definitions(), {project});
    const std::string replayed = picture_of(m, **fresh, {project});
    if (kept != replayed) {
      const auto differ = std::ranges::mismatch(kept, replayed);
      const auto at = static_cast<size_t>(differ.in1 - kept.begin());
      m.broken("definitions", fmt::format("project {}: kept \"{}\", the log says \"{}\"", project,
                                          kept.substr(at, 80), replayed.substr(at, 80)));
    }
    for (const std::string& name : names[project]) {
      if (kept.find(fmt::format("event {}:", name)) != std::string::npos) continue;
      m.broken("definitions", fmt::format("project {} has no event {}", project, name));
    }
    // All events bring their number; those about groups define what groups have, and no more.
    names[project].erase("$groupidentify");
    if (!names[project].empty() && kept.find("event  n Numeric\n") == std::string::npos) {
      m.broken("definitions", fmt::format("project {}: n is no number in {}", project, kept));
    }
  }
}

}  // namespace penstock::simulation
