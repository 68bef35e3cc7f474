// Persons: each distinct id belongs to one, they are what the log says, and rows lead to them.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "event/lane.h"
#include "kv/memory_kv.h"
#include "persons/person_store.h"
#include "simulation/check/checks.h"

namespace penstock::simulation {
namespace {

constexpr int64_t kProjects = 3;
constexpr size_t kIdsMax = 10'000;

std::string picture_of_person(Machine& m, persons::PersonStore& store, ProjectId project,
                              const std::string& id, const persons::Person& p) {
  std::string out =
      fmt::format("{} {} -> {} v{} {} {} {} {}", project.value, id, p.id.text(), p.version,
                  p.properties, p.created_at_ms, p.is_identified, p.last_seen_at_ms.value_or(0));
  const auto mappings = store.mappings(project, p.id, kIdsMax);
  if (!mappings) {
    m.broken("persons", mappings.error().message);
    return out;
  }
  bool own = false;
  for (const persons::Mapping& mapping : *mappings) {
    out += fmt::format(" [{} v{}]", mapping.distinct_id, mapping.version);
    own = own || mapping.distinct_id == id;
    const auto back = store.fetch({{project, mapping.distinct_id}});
    if (!back || !back->front() || back->front()->id != p.id) {
      m.broken("persons", mapping.distinct_id + " is listed under a person it does not belong to");
    }
  }
  if (!own) m.broken("persons", id + " belongs to a person that does not have it");
  return out + "\n";
}

}  // namespace

std::string picture_of(Life& life, persons::PersonStore& store) {
  Machine& m = life.machine();
  std::string out;
  for (int64_t n = 1; n <= kProjects; n++) {
    const ProjectId project{n};
    std::set<Uuid> persons;
    for (const std::string& id : m.promises.distinct_ids) {
      const auto found = store.fetch({{project, id}});
      if (!found) {
        m.broken("persons", found.error().message);
        continue;
      }
      if (!found->front()) continue;
      persons.insert(found->front()->id);
      out += picture_of_person(m, store, project, id, *found->front());
    }
    const auto count = store.count(project);
    out += fmt::format("{} persons\n", count.value_or(0));
    if (count && *count < persons.size()) {
      m.broken("persons", fmt::format("{} are counted, {} have ids", *count, persons.size()));
    }
    const auto types = store.group_types(project);
    if (!types) continue;
    for (const persons::GroupType& type : *types) {
      out += fmt::format("group type {} {}\n", type.index, type.name);
      for (const std::string& key : m.promises.group_keys) {
        const auto group = store.fetch_groups({{project, type.index, key}});
        if (!group || !group->front()) continue;
        out += fmt::format("group {} {} v{} {}\n", type.index, key, group->front()->version,
                           group->front()->properties);
      }
    }
  }
  return out;
}

std::map<std::string, std::string> owners_of(Life& life) {
  std::map<std::string, std::string> out;
  for (int64_t n = 1; n <= kProjects; n++) {
    for (const std::string& id : life.machine().promises.distinct_ids) {
      const auto found = life.persons().fetch({{ProjectId{n}, id}});
      if (found && found->front()) {
        out[fmt::format("{} {}", n, id)] = found->front()->id.text();
      }
    }
  }
  return out;
}

void check_persons(Life& life, const Decided& decided) {
  Machine& m = life.machine();
  auto fresh = persons::make_person_store(kv::make_memory_kv());
  auto done = std::make_shared<bool>(false);
  fresh->recover(life.log(), life.pipeline(), [done](const Status&) { *done = true; });
  if (!life.run_until([&] { return *done; }, 300'000'000)) {
    return m.broken("persons", "they cannot be read from the log");
  }
  const std::string kept = picture_of(life, life.persons()), replayed = picture_of(life, *fresh);
  if (kept != replayed) {
    const auto differ = std::ranges::mismatch(kept, replayed);
    const auto at = static_cast<size_t>(differ.in1 - kept.begin());
    const size_t line = kept.rfind('\n', at) == std::string::npos ? 0 : kept.rfind('\n', at) + 1;
    m.broken("persons", "the log says otherwise: kept " +
                            kept.substr(line, kept.find('\n', at) - line) + ", replayed " +
                            replayed.substr(line, replayed.find('\n', at) - line));
  }
  // Every row leads, over the overrides, to the person its distinct id belongs to.
  for (const auto& row : m.store.rows.events()) {
    const auto it = decided.events.find(row.uuid);
    if (it == decided.events.end()) continue;
    const auto found = life.persons().fetch({{row.project, row.distinct_id}});
    if (!found || !found->front()) continue;
    const Uuid leads_to = m.store.rows.person_of(row);
    if (leads_to != found->front()->id) {
      m.broken("persons", fmt::format("the row {} of {} leads to {} and not to {}", row.uuid.text(),
                                      row.distinct_id, leads_to.text(), found->front()->id.text()));
    }
  }
}

}  // namespace penstock::simulation
