// The engine against the naive model: random histories, any batches, repeats, deaths, mixed
// arrival.
//
// PENSTOCK_HISTORIES: how many in all (docs/TESTING.md); PENSTOCK_SEED: the first one's seed.
// A difference is shrunk to the fewest events that still show it and printed with its seed.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <functional>

#include "base/diag.h"
#include "tests/convergence/engine.h"

namespace penstock::convergence {
namespace {

using naive::Event;
using naive::History;
using naive::Json;
using naive::Random;

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}
uint64_t histories_wanted() { return from_environment("PENSTOCK_HISTORIES", 2000); }
uint64_t first_seed() { return from_environment("PENSTOCK_SEED", 1); }

inline constexpr size_t kPerWorld = 200;

using Make = History (*)(uint64_t seed, int64_t project);

/// One arrival of many histories: each keeps its own order.
std::vector<Engine::Arrival> mixed(const std::vector<std::vector<Event>>& histories,
                                   Random& random) {
  std::vector<Engine::Arrival> out;
  std::vector<std::pair<size_t, size_t>> open;  // history, next event
  for (size_t i = 0; i < histories.size(); i++) {
    if (!histories[i].empty()) open.emplace_back(i, 0);
  }
  while (!open.empty()) {
    const size_t which = random() % open.size();
    auto& [history, next] = open[which];
    out.push_back({history, histories[history][next++]});
    if (next == histories[history].size()) {
      open[which] = open.back();
      open.pop_back();
    }
  }
  return out;
}

std::vector<Event> in_order_of(const std::vector<std::string>& uuids,
                               const std::vector<Event>& events) {
  std::map<std::string, const Event*> by_uuid;
  for (const Event& e : events) by_uuid[e.uuid] = &e;
  std::vector<Event> out;
  for (const std::string& uuid : uuids) out.push_back(*by_uuid.at(uuid));
  return out;
}

EngineOptions drawn_options(uint64_t seed) {
  Random random(seed);
  const auto pick = [&](std::vector<size_t> of) { return of[random() % of.size()]; };
  EngineOptions o;
  o.seed = seed;
  o.events_per_cycle_max = pick({1, 3, 20, 300, 2000});
  o.chunk_max = pick({10, 100, 1000, 3000});
  o.deaths_percent = pick({0, 0, 3, 20});
  o.refused_percent = static_cast<int>(pick({0, 0, 10}));
  return o;
}

/// What a run of histories in one world says about one of them; empty: as it should be.
using Judge = std::function<std::string(const Engine&, size_t index, const History&)>;

/// Everything equals the model when events arrive in the same order.
std::string judge_exact(const Engine& engine, size_t index, const History& history) {
  const auto events = in_order_of(engine.arrived(index), history.events);
  const auto picture = engine.picture(index, history.events);
  return naive::differences(naive::model_picture(history.project, events), picture) +
         naive::strays(picture, history.events);
}

/// Whatever the mix, what all arrivals must agree on is what the model says of the order sent.
std::string judge_joined(const Engine& engine, size_t index, const History& history) {
  const auto picture = engine.picture(index, history.events);
  const auto expected =
      naive::joined(naive::model_picture(history.project, history.events), history.events);
  return naive::differences(expected, naive::joined(picture, history.events)) +
         naive::strays(picture, history.events);
}

struct Kind {
  Make make;
  Judge judge;
  bool mixes_ids = false;  // events of one history arrive in another order
};
const Kind kExact{naive::any_history, judge_exact, false};
const Kind kPeaceful{naive::peaceful_history, judge_joined, true};

std::string first_difference(const Kind& kind, const EngineOptions& options,
                             const std::vector<History>& histories, size_t* which) {
  Random random(options.seed);
  std::vector<naive::Project> projects;
  std::vector<std::vector<Event>> events;
  for (const History& h : histories) {
    projects.push_back(h.project);
    events.push_back(kind.mixes_ids ? naive::another_arrival(h.events, random) : h.events);
  }
  Engine engine(options, projects);
  engine.run(mixed(events, random));
  for (size_t i = 0; i < histories.size(); i++) {
    *which = i;
    const std::string found = kind.judge(engine, i, histories[i]);
    if (!found.empty()) return found;
  }
  return "";
}

/// The history alone in a world, delivered in a few ways: the first way that shows a difference.
std::string alone(const Kind& kind, History history) {
  history.project.id = 1;
  for (uint64_t seed = 1; seed <= (kind.mixes_ids ? 12 : 2); seed++) {
    for (const size_t batch : {size_t{1}, size_t{3}, size_t{2000}}) {
      EngineOptions o;
      o.seed = seed;
      o.partitions = kind.mixes_ids ? 3 : 1;
      o.events_per_cycle_max = batch;
      size_t which = 0;
      if (auto found = first_difference(kind, o, {history}, &which); !found.empty()) return found;
    }
  }
  return "";
}

/// Drops events while what is left still differs.
std::string shrunk(const Kind& kind, History history) {
  std::string found = alone(kind, history);
  if (found.empty()) return "It does not show when the history is alone.";
  for (bool smaller = true; smaller;) {
    smaller = false;
    for (size_t i = 0; i < history.events.size(); i++) {
      History less = history;
      less.events.erase(less.events.begin() + static_cast<std::ptrdiff_t>(i));
      const std::string still = alone(kind, less);
      if (still.empty()) continue;
      history = less;
      found = still;
      smaller = true;
      break;
    }
  }
  return fmt::format("Shrunk to {} events{}:\n{}{}", history.events.size(),
                     history.project.opt_out ? " (opted out)" : "", naive::describe(history.events),
                     found);
}

/// Runs `count` histories of a kind, `kPerWorld` to a world; stops at the first difference.
void run(const Kind& kind, uint64_t count, uint64_t seed,
         const std::function<void(EngineOptions&)>& adjust) {
  diag::set_sink([](diag::Level, std::string_view, diag::Fields) {});  // refusals are the test's
  for (uint64_t done = 0; done < count;) {
    EngineOptions options = drawn_options(seed + done);
    adjust(options);
    std::vector<History> histories;
    for (size_t i = 0; i < kPerWorld && done < count; i++, done++) {
      histories.push_back(kind.make(seed + done, static_cast<int64_t>(i) + 1));
    }
    size_t which = 0;
    const std::string found = first_difference(kind, options, histories, &which);
    ASSERT_FALSE(testing::Test::HasFailure()) << "world " << options.seed;
    ASSERT_TRUE(found.empty()) << "history " << histories[which].seed << " of world "
                               << options.seed << "\n"
                               << naive::describe(histories[which].events)
                               << shrunk(kind, histories[which]);
  }
}

TEST(Convergence, SameArrivalEqualsTheModel) {
  run(kExact, histories_wanted() * 6 / 10, first_seed(), [](EngineOptions&) {});
}

TEST(Convergence, AnyMixOfPeacefulIdsGivesTheSamePersons) {
  run(kPeaceful, histories_wanted() * 3 / 10, first_seed() + 1'000'000'000,
      [](EngineOptions& o) { o.partitions = 3; });
}

// The disk dies in the middle of any I/O and forgets what was not synced.
TEST(Convergence, DeathsAtAnyWrite) {
  run(kExact, histories_wanted() * 8 / 100, first_seed() + 2'000'000'000, [](EngineOptions& o) {
    o.disk = true;
    o.chunk_max = 200;
    o.deaths_percent = 30;
  });
}

TEST(Convergence, PersonsInRocksDb) {
  const auto directory =
      std::filesystem::path(testing::TempDir()) / fmt::format("penstock-convergence-{}", getpid());
  run(kExact, histories_wanted() * 2 / 100, first_seed() + 3'000'000'000, [&](EngineOptions& o) {
    std::filesystem::remove_all(directory);
    o.rocks_directory = directory.string();
    std::filesystem::create_directories(directory);
  });
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace penstock::convergence
