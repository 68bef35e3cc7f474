// Cookieless visitors: one id for each browser and day, nobody else's, and nothing kept that names
// them; what the store knows of them is what the log says.
#include <fmt/format.h>

#include <memory>
#include <tuple>

#include "ingest/cookieless_store.h"
#include "kv/memory_kv.h"
#include "simulation/check/checks.h"

namespace penstock::simulation {
namespace {

constexpr std::string_view kAddress = "10.0.0.1";  // where all requests come from
constexpr int64_t kRecoverUsMax = 300'000'000;

/// After it, its salt is gone, and who comes back from a jump of the clock is somebody else.
bool was_open_all_the_time(const Machine& m, int32_t day) {
  return !ingest::cookieless_day_is_over(day, m.wall_us_max / 1000);
}

/// How often the browser was used to log in, at most.
size_t logins_of(const Machine& m, const std::string& browser) {
  size_t out = 0;
  for (const auto& [uuid, promise] : m.promises.events) {
    for (const Sent& sent : promise.contents) {
      out += sent.visitor == browser && sent.event == "$identify" ? 1 : 0;
    }
  }
  return out;
}

std::string text_of(const Result<std::optional<ingest::CookielessSession>>& session,
                    const Result<std::vector<Uuid>>& identifies) {
  if (!session || !identifies) return "unreadable";
  std::string out = "no session";
  if (*session) {
    out = fmt::format("session {} of {} v{}", (*session)->id.text(), (*session)->last_activity_ms,
                      (*session)->version);
  }
  for (const Uuid& uuid : *identifies) out += " " + uuid.text();
  return out;
}

}  // namespace

void check_visitors(Life& life, const Decided& decided) {
  Machine& m = life.machine();
  std::map<std::tuple<int64_t, std::string, int32_t>, std::set<std::string>> ids;
  std::map<std::string, std::string> owners;
  for (const Visit& v : decided.visits) {
    if (v.kept.find(kAgentPrefix) != std::string::npos ||
        v.kept.find(kAddress) != std::string::npos) {
      m.broken("visitors", v.browser + " can be known by what is kept: " + v.kept);
    }
    if (v.distinct_id.empty()) continue;
    m.promises.distinct_ids.insert(v.distinct_id);
    const std::string owner = fmt::format("{} of project {}", v.browser, v.project.value);
    const auto [it, fresh] = owners.emplace(v.distinct_id, owner);
    if (!fresh && it->second != owner) {
      m.broken("visitors", fmt::format("{} are {} and {}", v.distinct_id, it->second, owner));
    }
    if (was_open_all_the_time(m, v.day)) {
      ids[{v.project.value, v.browser, v.day}].insert(v.distinct_id);
    }
  }
  for (const auto& [visitor, given] : ids) {
    const auto& [project, browser, day] = visitor;
    if (given.size() <= 1 + logins_of(m, browser)) continue;
    m.broken("visitors", fmt::format("{} of project {} was {} visitors on day {}", browser, project,
                                     given.size(), day));
  }
  for (const int64_t project : {1, 2, 3}) {
    const auto nobody = life.persons().fetch({{ProjectId{project}, kCookielessSentinel}});
    if (nobody && nobody->front()) m.broken("visitors", "all without an id are one person");
  }
  const auto fresh = ingest::make_cookieless_store(kv::make_memory_kv(), life.runtime());
  const auto done = std::make_shared<bool>(false);
  fresh->recover(life.log(), life.pipeline(), [done](const Status&) { *done = true; });
  if (!life.run_until([&] { return *done; }, kRecoverUsMax)) {
    return m.broken("visitors", "they cannot be read from the log");
  }
  for (const ingest::CookielessVisitor& v : decided.visitors) {
    if (!was_open_all_the_time(m, v.day)) continue;
    const std::string kept = text_of(life.cookieless().session(v), life.cookieless().identifies(v));
    const std::string replayed = text_of(fresh->session(v), fresh->identifies(v));
    if (kept == replayed) continue;
    m.broken("visitors", fmt::format("{} of day {}: kept {}, the log says {}", v.hash.text(), v.day,
                                     kept, replayed));
  }
}

}  // namespace penstock::simulation
