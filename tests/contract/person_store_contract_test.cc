// Every PersonStore against one suite: over memory, RocksDB and PostgreSQL.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "kv/key_value.h"
#include "persons/person_store.h"
#include "persons/postgres_store.h"
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
    auto kv = kv::open_rocks_kv({.path = path_});
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

INSTANTIATE_TEST_SUITE_P(Engines, PersonStoreContract,
                         ::testing::Values("memory", "rocks", "postgres"),
                         [](const auto& engine) { return std::string(engine.param); });

}  // namespace
}  // namespace penstock::persons
