// Every PersonStore against one suite: over memory, RocksDB and PostgreSQL.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "kv/key_value.h"
#include "log/memory_log.h"
#include "persons/person_store.h"
#include "persons/postgres_store.h"
#include "runtime/sim_runtime.h"
#include "tests/contract/postgres_server.h"

namespace penstock::persons {
namespace {

using event::DistinctIdChange;
using event::GroupChange;
using event::GroupTypeChange;
using event::PersonChange;

constexpr ProjectId kProject{1};

class Engine {
 public:
  explicit Engine(const std::string& name) {
    if (name == "postgres" && testing::postgres_server() != nullptr) {
      schema_ = testing::postgres_server()->new_schema();
    }
    if (name != "rocks") return;
    std::string pattern = std::filesystem::temp_directory_path() / "penstock-persons-XXXXXX";
    path_ = mkdtemp(pattern.data());
  }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine() {
    if (!path_.empty()) std::filesystem::remove_all(path_);
  }
  std::unique_ptr<PersonStore> open() {
    if (!schema_.empty()) {
      return make_postgres_person_store(
          {.url = testing::postgres_server()->url(schema_), .source = "log"});
    }
    if (path_.empty()) return make_person_store(kv::make_memory_kv());
    auto kv = kv::open_rocks_kv({.path = path_, .large_values = true});
    EXPECT_TRUE(kv.has_value());
    return make_person_store(std::move(*kv));
  }

 private:
  std::string path_, schema_;
};

class PersonStoreContract : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (std::string(GetParam()) != "postgres" || testing::postgres_server() != nullptr) return;
    if (testing::PostgresServer::required()) FAIL() << "PostgreSQL 15 is not installed";
    GTEST_SKIP() << "PostgreSQL 15 is not installed: tools/setup --test";
  }

  Engine engine_{GetParam()};
  std::unique_ptr<PersonStore> store_ = engine_.open();

  static PersonChange person(const Uuid& id, uint64_t version, std::string_view properties,
                             bool deleted = false) {
    PersonChange p;
    p.project = kProject;
    p.id = id;
    p.properties = properties;
    p.version = version;
    p.is_deleted = deleted;
    p.created_at_ms = 1000;
    return p;
  }
  static DistinctIdChange mapping(std::string_view distinct_id, const Uuid& id, int64_t version) {
    return {kProject, distinct_id, id, false, version};
  }
  void apply(std::vector<PersonChange> persons, std::vector<DistinctIdChange> ids,
             int64_t position) {
    const Status s =
        store_->apply({std::move(persons), std::move(ids), {}, {}}, {{{0}, {position}}});
    ASSERT_TRUE(s.has_value()) << s.error().message;
  }
  void apply_groups(std::vector<GroupChange> groups, std::vector<GroupTypeChange> types,
                    bool current = false) {
    const Status s =
        store_->apply({{}, {}, std::move(groups), std::move(types), current}, {{{0}, {++at_}}});
    ASSERT_TRUE(s.has_value()) << s.error().message;
  }
  std::optional<Group> group(uint8_t index, const std::string& key) {
    auto found = store_->fetch_groups({{kProject, index, key}});
    EXPECT_TRUE(found.has_value());
    return (*found)[0];
  }
  std::optional<Person> find(const std::string& distinct_id) {
    auto found = store_->fetch({{kProject, distinct_id}});
    EXPECT_TRUE(found.has_value());
    return (*found)[0];
  }
  int64_t at_ = 0;
  const Uuid a_ = person_uuid(kProject, "a"), b_ = person_uuid(kProject, "b");
};

TEST_P(PersonStoreContract, FetchesInOrderAndLeavesHoles) {
  apply({person(a_, 0, R"({"x":1})"), person(b_, 0, "{}")},
        {mapping("a", a_, 0), mapping("a2", a_, 1), mapping("b", b_, 0)}, 1);
  const auto found = store_->fetch(
      {{kProject, "b"}, {kProject, "nobody"}, {kProject, "a2"}, {{2}, "a"}, {kProject, "a"}});
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ((*found)[0]->id, b_);
  EXPECT_FALSE((*found)[1].has_value());
  EXPECT_EQ((*found)[2]->id, a_);
  EXPECT_FALSE((*found)[3].has_value()) << "another project's";
  EXPECT_EQ((*found)[4]->properties, R"({"x":1})");
  EXPECT_EQ(*store_->count(kProject), 2U);
  EXPECT_EQ(store_->distinct_ids(kProject, a_, 10)->size(), 2U);
  EXPECT_EQ(store_->distinct_ids(kProject, a_, 1)->size(), 1U);
}

/// Whoever applied may not have heard that it worked, or failed at what belongs together with it.
TEST_P(PersonStoreContract, WhatIsRepeatedChangesNothing) {
  PersonUpdates updates{
      {person(a_, 0, R"({"x":1})")}, {mapping("a", a_, 0)}, {}, {}, /*current=*/true};
  ASSERT_TRUE(store_->apply(updates, {{{0}, {2}}}).has_value());
  ASSERT_TRUE(store_->apply(updates, {{{0}, {2}}}).has_value());
  EXPECT_EQ(*store_->count(kProject), 1U);
  EXPECT_EQ(store_->distinct_ids(kProject, a_, 10)->size(), 1U);
  EXPECT_EQ(find("a")->properties, R"({"x":1})");
}

TEST_P(PersonStoreContract, KeepsEveryField) {
  PersonChange p = person(a_, 7, R"({"k":"v"})");
  p.is_identified = true;
  p.created_at_ms = -5;
  p.last_seen_at_ms = 12345;
  apply({p}, {}, 1);
  const auto got = store_->get(kProject, a_);
  ASSERT_TRUE(got.has_value() && got->has_value());
  EXPECT_EQ((*got)->version, 7U);
  EXPECT_TRUE((*got)->is_identified);
  EXPECT_EQ((*got)->created_at_ms, -5);
  EXPECT_EQ((*got)->last_seen_at_ms, 12345);
}

TEST_P(PersonStoreContract, OnlyHigherVersionsCount) {
  apply({person(a_, 3, R"({"v":3})")}, {mapping("a", a_, 2)}, 1);
  apply({person(a_, 3, R"({"v":"again"})"), person(a_, 2, R"({"v":2})")}, {mapping("a", b_, 1)}, 2);
  EXPECT_EQ(find("a")->properties, R"({"v":3})");
  apply({person(a_, 4, R"({"v":4})")}, {}, 3);
  EXPECT_EQ(find("a")->properties, R"({"v":4})");
}

TEST_P(PersonStoreContract, DeletedPersonsStayDeleted) {
  apply({person(a_, 0, "{}")}, {mapping("a", a_, 0)}, 1);
  apply({person(b_, 0, "{}"), person(a_, 100, "{}", true)}, {mapping("a", b_, 1)}, 2);
  EXPECT_FALSE(store_->get(kProject, a_)->has_value());
  EXPECT_EQ(find("a")->id, b_);
  EXPECT_TRUE(store_->distinct_ids(kProject, a_, 10)->empty());
  EXPECT_EQ(store_->mappings(kProject, b_, 10)->at(0).version, 1);
  apply({person(a_, 5, "{}")}, {}, 3);  // a late change from another partition
  EXPECT_FALSE(store_->get(kProject, a_)->has_value());
  EXPECT_EQ(*store_->count(kProject), 1U);
}

TEST_P(PersonStoreContract, ChangesOfOneApplySeeEachOther) {
  apply({person(a_, 0, R"({"v":0})"), person(a_, 1, R"({"v":1})"), person(a_, 0, "{}")},
        {mapping("a", a_, 0), mapping("a", b_, 1), mapping("a", a_, 0)}, 1);
  EXPECT_EQ((*store_->get(kProject, a_))->properties, R"({"v":1})");
  EXPECT_EQ(*store_->count(kProject), 1U);
  EXPECT_TRUE(store_->distinct_ids(kProject, a_, 10)->empty());
  EXPECT_EQ(store_->distinct_ids(kProject, b_, 10)->size(), 1U);
}

TEST_P(PersonStoreContract, PositionsNeverGoBack) {
  apply({}, {}, 10);
  apply({}, {}, 5);
  ASSERT_EQ(store_->applied().size(), 1U);
  EXPECT_EQ(store_->applied()[0].next.value, 10);
}

TEST_P(PersonStoreContract, AnyOrderOfReplayEndsTheSame) {
  // Goal: partitions replay in any order. Method: a set of changes, shuffled, and applied twice.
  std::vector<PersonUpdates> all;
  for (uint64_t v = 0; v < 6; v++) {
    const Uuid& id = v % 2 == 1 ? a_ : b_;
    all.push_back({{person(id, v, v == 4 ? R"({"last":"b"})" : "{}")}, {}, {}, {}});
    all.push_back({{}, {mapping("id", id, static_cast<int64_t>(v))}, {}, {}});
    all.push_back({{}, {}, {{kProject, 0, "acme", v == 5 ? R"({"last":1})" : "{}", 9, v + 1}}, {}});
  }
  all.push_back({{person(a_, 105, "{}", true)}, {}, {}, {}});
  all.push_back({{}, {}, {}, {{kProject, 0, "company", 9}, {kProject, 1, "team", 8}}});
  std::mt19937 random(42);
  for (int round = 0; round < 10; round++) {
    Engine engine(GetParam());
    const auto store = engine.open();
    for (int twice = 0; twice < 2; twice++) {
      std::shuffle(all.begin(), all.end(), random);
      for (const PersonUpdates& one : all) ASSERT_TRUE(store->apply(one, {}).has_value());
    }
    EXPECT_FALSE(store->get(kProject, a_)->has_value());
    EXPECT_EQ((*store->get(kProject, b_))->properties, R"({"last":"b"})");
    EXPECT_EQ(store->distinct_ids(kProject, a_, 9)->size(), 1U);
    EXPECT_EQ(*store->count(kProject), 1U);
    const auto groups = store->fetch_groups({{kProject, 0, "acme"}});
    EXPECT_EQ((*groups)[0]->properties, R"({"last":1})");
    EXPECT_EQ((*groups)[0]->version, 6U);
    EXPECT_EQ(store->group_types(kProject)->size(), 2U);
  }
}

TEST_P(PersonStoreContract, FetchesGroupsInOrderAndLeavesHoles) {
  apply_groups({{kProject, 0, "acme", R"({"plan":"pro"})", -7, 1},
                {kProject, 1, "acme", "{}", 5, 1},
                {{2}, 0, "other", "{}", 5, 1}},
               {});
  const auto found = store_->fetch_groups(
      {{kProject, 1, "acme"}, {kProject, 0, "other"}, {kProject, 0, ""}, {kProject, 0, "acme"}});
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ((*found)[0]->type_index, 1);
  EXPECT_EQ((*found)[0]->properties, "{}");
  EXPECT_FALSE((*found)[1].has_value()) << "another project's";
  EXPECT_FALSE((*found)[2].has_value());
  const Group& acme = *(*found)[3];
  EXPECT_EQ(acme.project, kProject);
  EXPECT_EQ(acme.type_index, 0);
  EXPECT_EQ(acme.key, "acme");
  EXPECT_EQ(acme.properties, R"({"plan":"pro"})");
  EXPECT_EQ(acme.created_at_ms, -7);
  EXPECT_EQ(acme.version, 1U);
}

TEST_P(PersonStoreContract, OnlyHigherVersionsOfAGroupCount) {
  apply_groups({{kProject, 0, "g", R"({"v":1})", 9, 1}}, {}, true);
  apply_groups({{kProject, 0, "g", R"({"v":3})", 8, 3}}, {}, true);
  apply_groups({{kProject, 0, "g", R"({"v":2})", 7, 2}, {kProject, 0, "g", "{}", 1, 3}}, {});
  EXPECT_EQ(group(0, "g")->properties, R"({"v":3})");
  EXPECT_EQ(group(0, "g")->created_at_ms, 8);
  apply_groups({{kProject, 0, "g", R"({"v":4})", 8, 4}, {kProject, 0, "g", R"({"v":5})", 8, 5}},
               {});
  EXPECT_EQ(group(0, "g")->properties, R"({"v":5})");
}

TEST_P(PersonStoreContract, AGroupTypeKeepsItsIndexAndItsName) {
  EXPECT_TRUE(store_->group_types(kProject)->empty());
  apply_groups({}, {{kProject, 1, "team", 20}, {kProject, 0, "company", 10}, {{2}, 0, "else", 1}});
  apply_groups({},
               {{kProject, 1, "other", 1}, {kProject, 2, "company", 1}, {kProject, 1, "team", 1}});
  const auto types = store_->group_types(kProject);
  ASSERT_TRUE(types.has_value());
  ASSERT_EQ(types->size(), 2U) << "a taken index and a taken name are skipped";
  EXPECT_EQ((*types)[0].index, 0);
  EXPECT_EQ((*types)[0].name, "company");
  EXPECT_EQ((*types)[0].created_at_ms, 10);
  EXPECT_EQ((*types)[1].index, 1);
  EXPECT_EQ((*types)[1].name, "team");
  EXPECT_EQ((*types)[1].created_at_ms, 20);
}

TEST_P(PersonStoreContract, IdsOfAPersonComeInPages) {
  std::vector<DistinctIdChange> ids;
  std::vector<std::string> names;
  for (int i = 0; i < 250; i++) names.push_back("id-" + std::to_string(1000 + i));
  for (const std::string& name : names) ids.push_back(mapping(name, a_, 1));
  apply({person(a_, 0, "{}"), person(b_, 0, "{}")}, ids, 1);
  apply({}, {mapping("id-2", b_, 0)}, 2);
  std::vector<std::string> read;
  for (;;) {
    const auto page =
        store_->mappings(kProject, a_, 100, read.empty() ? std::string_view{} : read.back());
    ASSERT_TRUE(page.has_value());
    if (page->empty()) break;
    for (const Mapping& m : *page) read.push_back(m.distinct_id);
  }
  EXPECT_EQ(read, names);
}

TEST_P(PersonStoreContract, IdsAreFoundByTheirBeginning) {
  apply({person(a_, 0, "{}"), person(b_, 0, "{}")},
        {mapping("user", a_, 0),
         mapping("user-1", b_, 0),
         mapping("user-2", a_, 3),
         mapping("usher", b_, 0),
         {kProject, "user-0", a_, true, 1},
         {{2}, "user-9", a_, false, 0}},
        1);
  const auto found = store_->find_ids(kProject, "user", 10);
  ASSERT_TRUE(found.has_value());
  ASSERT_EQ(found->size(), 3U);
  EXPECT_EQ((*found)[0].distinct_id, "user");
  EXPECT_EQ((*found)[0].person_id, a_);
  EXPECT_EQ((*found)[1].distinct_id, "user-1");
  EXPECT_EQ((*found)[2].version, 3);
  EXPECT_EQ(store_->find_ids(kProject, "user", 1)->size(), 1U);
  EXPECT_TRUE(store_->find_ids(kProject, "User", 10)->empty());
}

/// A merge of `a_` into `b_`, and the texts its record borrows.
struct MergeMaker {
  std::string source, target;
  event::PersonMerge record;

  MergeMaker(const PersonChange& from, const PersonChange& into, int64_t time_ms, uint8_t event) {
    event::encode(from, source);
    event::encode(into, target);
    record.project = kProject;
    record.event_uuid.bytes[15] = event;
    record.event = "$identify";
    record.time_ms = time_ms;
    record.source_id = "a";
    record.target_id = "b";
    record.source = source;
    record.target = target;
    record.result = into.id;
    record.moved = {"a"};
    record.positions = {1, 2};
  }
};

std::vector<event::PersonMerge> read(const MergeHistory& history) {
  std::vector<event::PersonMerge> out;
  for (const std::string& bytes : history.records) {
    out.push_back(std::get<event::PersonMerge>(*event::decode_processed(bytes)));
  }
  return out;
}

TEST_P(PersonStoreContract, KeepsMergesForBothSides) {
  const PersonChange a = person(a_, 1, R"({"x":1})"), b = person(b_, 2, "{}");
  MergeMaker second(a, b, 2000, 2), first(a, b, 1000, 1);
  // In any order of applying, in the order of time; with positions, across a restart.
  for (const MergeMaker* m : {&second, &first}) {
    PersonUpdates updates;
    updates.take(m->record);
    ASSERT_TRUE(store_->apply(updates, {}).has_value());
  }
  for (const Uuid& side : {a_, b_}) {
    const auto history = store_->merges(kProject, side);
    ASSERT_TRUE(history.has_value());
    ASSERT_EQ(history->records.size(), 2U);
    EXPECT_EQ(history->forgotten, 0U);
    const auto merges = read(*history);
    EXPECT_EQ(merges[0].time_ms, 1000);
    EXPECT_EQ(merges[1].event_uuid, second.record.event_uuid);
    EXPECT_EQ(event::PersonMerge::person(merges[0].source)->properties, R"({"x":1})");
    EXPECT_EQ(merges[0].positions, (std::vector<int64_t>{1, 2}));
  }
  EXPECT_TRUE(store_->merges({2}, a_)->records.empty()) << "another project's";
  // A higher revision replaces, an older one that is replayed later does not.
  event::PersonMerge undone = first.record;
  undone.undone = true;
  undone.revision = 1;
  PersonUpdates updates;
  updates.merges = {undone};
  ASSERT_TRUE(store_->apply(updates, {}).has_value());
  updates.merges = {first.record};
  ASSERT_TRUE(store_->apply(updates, {}).has_value());
  EXPECT_TRUE(read(*store_->merges(kProject, a_))[0].undone);
  EXPECT_FALSE(read(*store_->merges(kProject, a_))[1].undone);
}

TEST_P(PersonStoreContract, TheOldestMergesMakeRoom) {
  const PersonChange small = person(a_, 1, "{}"), b = person(b_, 2, "{}");
  constexpr size_t kMany = kMergesKeptMax + 7;
  PersonUpdates updates;
  std::vector<std::unique_ptr<MergeMaker>> made;
  for (size_t i = 0; i < kMany; i++) {
    made.push_back(std::make_unique<MergeMaker>(small, b, static_cast<int64_t>(i), 1));
    updates.merges.push_back(made.back()->record);
    if (i % 10 == 9 || i + 1 == kMany) {
      ASSERT_TRUE(store_->apply(updates, {}).has_value());
      updates.merges.clear();
    }
  }
  auto history = store_->merges(kProject, b_);
  ASSERT_EQ(history->records.size(), kMergesKeptMax);
  EXPECT_EQ(history->forgotten, 7U);
  EXPECT_EQ(read(*history).front().time_ms, 7);
  EXPECT_EQ(store_->merges(kProject, a_)->records.size(), kMergesKeptMax);
  // Bytes are bounded too, and the newest is always kept.
  const std::string big = R"({"x":")" + std::string(kMergeBytesKeptMax, 'x') + "\"}";
  const MergeMaker large(person(a_, 1, big), b, 1'000'000, 1);
  updates.merges = {large.record};
  ASSERT_TRUE(store_->apply(updates, {}).has_value());
  history = store_->merges(kProject, b_);
  ASSERT_EQ(history->records.size(), 1U);
  EXPECT_EQ(history->forgotten, kMergesKeptMax + 7);
}

TEST_P(PersonStoreContract, KnowsTheVersionsOfWhatIsGone) {
  EXPECT_EQ(store_->last_versions(kProject, "a", a_)->mapping, -1);
  EXPECT_EQ(store_->last_versions(kProject, "a", a_)->person, -1);
  apply({person(a_, 3, "{}")}, {mapping("a", a_, 1)}, 1);
  EXPECT_EQ(store_->last_versions(kProject, "a", a_)->mapping, 1);
  EXPECT_EQ(store_->last_versions(kProject, "a", a_)->person, 3);
  EXPECT_FALSE(store_->has_deleted_ids(kProject));
  DistinctIdChange gone = mapping("a", a_, 2);
  gone.is_deleted = true;
  apply({person(a_, 103, "{}", true)}, {gone}, 2);
  EXPECT_EQ(store_->last_versions(kProject, "a", a_)->mapping, 2);
  EXPECT_EQ(store_->last_versions(kProject, "a", a_)->person, 103);
  EXPECT_TRUE(store_->has_deleted_ids(kProject));
  EXPECT_FALSE(store_->has_deleted_ids({2}));
  EXPECT_FALSE(find("a").has_value());
  EXPECT_TRUE(store_->distinct_ids(kProject, a_, 10)->empty());
}

TEST_P(PersonStoreContract, KeepsTheLastReportOfACommand) {
  PersonUpdates updates;
  Uuid one, two;
  one.bytes[0] = 1;
  two.bytes[0] = 2;
  updates.reports = {{kProject, one, "delete_person", "me", "running", "{}", 1},
                     {kProject, two, "take_ids", "me", "done", "{}", 2},
                     {kProject, one, "delete_person", "me", "done", R"({"n":1})", 3}};
  ASSERT_TRUE(store_->apply(updates, {}).has_value());
  const auto bytes = store_->command_report(kProject, one);
  ASSERT_TRUE(bytes.has_value() && bytes->has_value());
  const auto report = std::get<event::PersonCommandReport>(*event::decode_processed(**bytes));
  EXPECT_EQ(report.state, "done");
  EXPECT_EQ(report.report, R"({"n":1})");
  EXPECT_FALSE(store_->command_report({2}, one)->has_value());
  const auto all = store_->command_reports(kProject, 10);
  ASSERT_EQ(all->size(), 2U);
  EXPECT_EQ(std::get<event::PersonCommandReport>(*event::decode_processed((*all)[0])).id, two);
  EXPECT_EQ(store_->command_reports(kProject, 1)->size(), 1U);
  // However many there are, the oldest go.
  for (uint32_t i = 0; i < kCommandReportsKeptMax + 20; i++) {
    Uuid id;
    id.bytes = {3, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)};
    updates.reports = {{kProject, id, "take_ids", "me", "done", "{}", 4}};
    ASSERT_TRUE(store_->apply(updates, {}).has_value());
  }
  EXPECT_EQ(store_->command_reports(kProject, SIZE_MAX)->size(), kCommandReportsKeptMax);
  EXPECT_FALSE(store_->command_report(kProject, one)->has_value());
}

TEST_P(PersonStoreContract, OneThatIsAheadOfTheLogGoesOnAtItsEnd) {
  // The log was restored from an older copy: what it gets next has offsets the store has seen.
  runtime::SimRuntime runtime(7);
  runtime::Loop& loop = runtime.make_loop();
  const auto log = log::make_memory_log(runtime);
  ASSERT_TRUE(log->start({{std::string(event::kTopicProcessed), 1, 0, 0, {}}}));
  const auto append = [&](uint64_t version) {
    log::Batch batch;
    std::string record;
    event::encode(person(a_, version, "{}"), record);
    log::encode_record(batch.data, record);
    batch.count = 1;
    std::vector<log::Batch> batches;
    batches.push_back(std::move(batch));
    log->append(loop, std::string(event::kTopicProcessed), std::move(batches), [](auto) {});
    runtime.run_for(std::chrono::seconds(1));
  };
  const auto recover = [&](PersonStore& store) {
    Status out = fail(Code::kBug, "did not end");
    store.recover(*log, loop, [&](Status s) { out = std::move(s); });
    runtime.run_for(std::chrono::seconds(1));
    ASSERT_TRUE(out.has_value()) << out.error().message;
  };
  append(1);
  apply({person(a_, 1, "{}")}, {}, 100);
  recover(*store_);
  EXPECT_EQ(store_->applied().at(0).next.value, 1);
  // Durable at once: the process ends before it applies what comes.
  if (std::string(GetParam()) != "memory") {
    store_.reset();
    store_ = engine_.open();
  }
  append(2);
  recover(*store_);
  EXPECT_EQ((*store_->get(kProject, a_))->version, 2U);
}

INSTANTIATE_TEST_SUITE_P(Engines, PersonStoreContract,
                         ::testing::Values("memory", "rocks", "postgres"),
                         [](const auto& engine) { return std::string(engine.param); });

}  // namespace
}  // namespace penstock::persons
