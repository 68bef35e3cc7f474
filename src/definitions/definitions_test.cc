// The rules of the ingestion contract's section 13, the bounds, and what a restart keeps.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <set>

#include "definitions/definition_store.h"
#include "definitions/detect/property_type.h"
#include "event/processed_record.h"
#include "kv/key_value.h"

namespace penstock::definitions {
namespace {

constexpr ProjectId kProject{7};
constexpr int64_t kNow = 1'785'585'600'000;  // 2026-08-01T12:00:00Z
constexpr int64_t kHour = 3'600'000;

/// A KeyValue that outlives the store above it, and can fail.
class SharedKv : public kv::KeyValue {
 public:
  Result<std::optional<std::string>> get(std::string_view key) const override {
    return kv_->get(key);
  }
  Result<std::vector<std::optional<std::string>>> get_many(
      const std::vector<std::string>& keys) const override {
    return kv_->get_many(keys);
  }
  Status scan(std::string_view from, std::string_view to,
              const std::function<bool(std::string_view, std::string_view)>& visit) const override {
    return kv_->scan(from, to, visit);
  }
  Status write(const kv::WriteBatch& batch) override {
    if (*failing_) return fail(Code::kExhausted, "full");
    (*writes_)++;
    return kv_->write(batch);
  }
  Status erase_range(std::string_view from, std::string_view to) override {
    return kv_->erase_range(from, to);
  }
  Status flush() override { return kv_->flush(); }
  uint64_t disk_bytes() const override { return 0; }

  std::shared_ptr<kv::KeyValue> kv_ = kv::make_memory_kv();
  std::shared_ptr<bool> failing_ = std::make_shared<bool>(false);
  std::shared_ptr<int> writes_ = std::make_shared<int>(0);
};

class DefinitionsTest : public ::testing::Test {
 protected:
  void SetUp() override { open(); }

  void open() {
    store_.reset();
    auto kv = std::make_unique<SharedKv>();
    kv->kv_ = disk_.kv_;
    kv->failing_ = disk_.failing_;
    kv->writes_ = disk_.writes_;
    auto opened = DefinitionStore::open(std::move(kv), limits_);
    ASSERT_TRUE(opened.has_value());
    store_ = std::move(*opened);
  }

  static std::string record(std::string_view name, std::string_view properties,
                            int64_t received_ms = kNow) {
    event::Outcome o;
    o.project = o.received_for = kProject;
    o.received_ms = received_ms;
    o.row.event = name;
    o.row.properties = properties;
    std::string out;
    event::encode(o, out);
    return out;
  }
  Status apply(const std::vector<std::string>& records) {
    const Offset base{next_};
    const Status s = store_->apply({0}, base, {records.begin(), records.end()});
    if (s) next_ += static_cast<int64_t>(records.size());
    return s;
  }
  void see(std::string_view name, std::string_view properties, int64_t received_ms = kNow) {
    const Status s = apply({record(name, properties, received_ms)});
    ASSERT_TRUE(s.has_value()) << s.error().message;
  }

  std::vector<std::string> names(Owner owner) {
    std::vector<std::string> out;
    const auto found = store_->properties(kProject, owner, {.limit = 1000});
    for (const PropertyDefinition& p : *found) {
      const std::string group = p.group_type.empty() ? "" : p.group_type + ".";
      out.push_back(fmt::format("{}{}:{}", group, p.name, property_type_name(p.type)));
    }
    return out;
  }
  std::vector<std::string> events() {
    std::vector<std::string> out;
    const auto found = store_->events(kProject, {.limit = 1000});
    for (const EventDefinition& e : *found) out.push_back(e.name);
    return out;
  }
  using Names = std::vector<std::string>;

  SharedKv disk_;
  DefinitionLimits limits_;
  std::unique_ptr<DefinitionStore> store_;
  int64_t next_ = 0;
};

TEST_F(DefinitionsTest, EventLevelPropertiesAndTheirPairs) {
  see("paid", R"({"amount":5,"plan":"pro","$set":{"a":1},"$set_once":{"b":"x"},"$unset":["c"],)"
              R"("$group_0":"g","$group_4":"g","$groups":{"company":"x"},"$group_5":"kept",)"
              R"("$feature/new":"on","$feature_enrollment/new":true})");
  EXPECT_EQ(events(), Names{"paid"});
  EXPECT_EQ(names(Owner::kEvent), (Names{"$feature/new:String", "$feature_enrollment/new:Boolean",
                                         "$group_5:String", "amount:Numeric", "plan:String"}));
  EXPECT_EQ(names(Owner::kPerson), (Names{"a:Numeric", "b:String"}));
  Names pairs;
  const auto of_event = store_->properties_of(kProject, "paid", {});
  for (const PropertyDefinition& p : *of_event) pairs.push_back(p.name);
  EXPECT_EQ(pairs, (Names{"$group_5", "amount", "plan"}));
  EXPECT_EQ(*store_->events_with(kProject, "amount", {}), Names{"paid"});
  EXPECT_TRUE(store_->events_with(kProject, "$feature/new", {})->empty());
  const DefinitionCounts counts = store_->counts(kProject);
  EXPECT_EQ(counts.events, 1U);
  EXPECT_EQ(counts.properties, 7U);
  EXPECT_EQ(counts.pairs, 3U);
}

TEST_F(DefinitionsTest, AGroupIdentifyTellsOnlyOfItsGroup) {
  see("$groupidentify", R"({"$group_set":{"seats":3,"since":"2026-01-01"},"$group_key":"k",)"
                        R"("other":1,"$set":{"p":1},"$group_type":"company"})");
  EXPECT_EQ(names(Owner::kGroup), (Names{"company.seats:Numeric", "company.since:DateTime"}));
  EXPECT_TRUE(names(Owner::kEvent).empty());
  EXPECT_TRUE(names(Owner::kPerson).empty());
  EXPECT_EQ(events(), Names{"$groupidentify"});
  see("$groupidentify", R"({"$group_type":"team","$group_set":{"seats":"many"}})");
  EXPECT_EQ(names(Owner::kGroup),
            (Names{"team.seats:String", "company.seats:Numeric", "company.since:DateTime"}));
}

TEST_F(DefinitionsTest, WhatIsSkipped) {
  see("$$plugin_metrics", R"({"a":1})");
  see(std::string(201, 'e'), R"({"a":1})");
  EXPECT_TRUE(events().empty());
  EXPECT_TRUE(names(Owner::kEvent).empty());
  see(std::string(200, 'e'), "{\"" + std::string(201, 'p') + R"(":1,"ok":1})");
  EXPECT_EQ(events(), Names{std::string(200, 'e')});
  EXPECT_EQ(names(Owner::kEvent), Names{"ok:Numeric"});
  EXPECT_EQ(store_->counts(kProject).long_names, 2U);
}

TEST_F(DefinitionsTest, ADroppedEventADuplicateAndARecordingDefineNothing) {
  for (const auto kind : {event::OutcomeKind::kDropped, event::OutcomeKind::kDuplicate,
                          event::OutcomeKind::kQuarantined}) {
    event::Outcome o;
    o.kind = kind;
    o.project = kProject;
    o.reason = "because";
    std::string bytes;
    event::encode(o, bytes);
    ASSERT_TRUE(apply({bytes}).has_value());
  }
  for (const bool heatmap : {false, true}) {
    event::Outcome o;
    o.project = kProject;
    o.row.event = "$snapshot_items";
    o.row.properties = R"({"x":1})";
    o.row.heatmap_only = heatmap;
    o.source.lane = heatmap ? event::Lane::kMain : event::Lane::kReplay;
    std::string bytes;
    event::encode(o, bytes);
    ASSERT_TRUE(apply({bytes}).has_value());
  }
  EXPECT_TRUE(events().empty());
}

TEST_F(DefinitionsTest, ANulBecomesAReplacementCharacter) {
  see(std::string_view("a\0b", 3), R"({"c\u0000d":1,"$set":{"e\u0000":1}})");
  EXPECT_EQ(events(), Names{"a\xef\xbf\xbd"
                            "b"});
  EXPECT_EQ(names(Owner::kEvent), Names{"c\xef\xbf\xbd"
                                        "d:Numeric"});
  EXPECT_EQ(names(Owner::kPerson), Names{"e\xef\xbf\xbd:Numeric"});
}

TEST_F(DefinitionsTest, ACrowdedEventIsSkippedWhole) {
  limits_.updates_per_event_max = 7;  // the event, three properties, three pairs
  open();
  see("full", R"({"a":1,"b":1,"c":1})");
  see("crowded", R"({"a":1,"b":1,"d":1,"$set":{"e":1}})");
  EXPECT_EQ(events(), Names{"full"});
  EXPECT_EQ(names(Owner::kEvent), (Names{"a:Numeric", "b:Numeric", "c:Numeric"}));
  EXPECT_EQ(store_->counts(kProject).crowded_events, 1U);
}

TEST_F(DefinitionsTest, TheFirstTypeSticksAndNothingIsNoType) {
  see("e", R"({"a":null,"b":[1],"c":{"d":1},"x":1})");
  EXPECT_EQ(names(Owner::kEvent), (Names{"a:", "b:", "c:", "x:Numeric"}));
  see("e", R"({"a":"text","b":true,"x":"text"})");
  see("e", R"({"a":1,"b":2,"c":null})");
  EXPECT_EQ(names(Owner::kEvent), (Names{"a:String", "b:Boolean", "c:", "x:Numeric"}));
  open();
  see("other", R"({"a":1,"c":false})");
  EXPECT_EQ(names(Owner::kEvent), (Names{"a:String", "b:Boolean", "c:Boolean", "x:Numeric"}));
}

TEST_F(DefinitionsTest, LastSeenIsWrittenOnceAnHour) {
  see("e", "{}");
  const int64_t first = store_->events(kProject, {})->front().last_seen_ms;
  EXPECT_LE(first, kNow);
  EXPECT_GT(first, kNow - kHour);
  const int writes = *disk_.writes_;
  int64_t at = kNow;
  while (at < first + kHour - 1000) {
    at += 1000;
    see("e", "{}", at);
  }
  EXPECT_EQ(*disk_.writes_, writes);
  see("e", "{}", first + kHour);
  EXPECT_EQ(*disk_.writes_, writes + 1);
  EXPECT_EQ(store_->events(kProject, {})->front().last_seen_ms, first + kHour);
  EXPECT_EQ(store_->events(kProject, {})->front().first_seen_ms, kNow);
  see("e", "{}", kNow - 5 * kHour);  // late: never goes back
  EXPECT_EQ(store_->events(kProject, {})->front().last_seen_ms, first + kHour);
}

TEST_F(DefinitionsTest, NamesHaveTheirHoursAtDifferentMinutes) {
  std::set<int64_t> minutes;
  for (int i = 0; i < 50; i++) see(fmt::format("e{}", i), "{}");
  const auto found = store_->events(kProject, {});
  for (const EventDefinition& e : *found) {
    minutes.insert(e.last_seen_ms % kHour / 60'000);
  }
  EXPECT_GT(minutes.size(), 20U);
}

TEST_F(DefinitionsTest, AKeyExplosionIsBoundedAndCounted) {
  limits_.events_max = 3;
  limits_.properties_max = 10;
  limits_.pairs_max = 12;
  open();
  for (int i = 0; i < 20; i++) see("e", fmt::format(R"({{"random-{}":1,"fixed":1}})", i));
  for (int i = 0; i < 5; i++) see(fmt::format("other-{}", i), R"({"fixed":1,"$set":{"p":1}})");
  const DefinitionCounts counts = store_->counts(kProject);
  EXPECT_EQ(counts.events, 3U);
  EXPECT_EQ(counts.properties, 10U);
  EXPECT_EQ(counts.pairs, 12U);
  EXPECT_EQ(counts.refused_events, 3U);
  EXPECT_EQ(counts.refused_properties, 11U + 2U);  // and the person's, of the two events known
  EXPECT_EQ(counts.refused_pairs, 0U);
  // What is known goes on being known.
  see("e", R"({"fixed":2})");
  EXPECT_EQ(store_->counts(kProject).refused_properties, 13U);
  open();
  EXPECT_EQ(store_->counts(kProject).refused_properties, 13U);
  EXPECT_EQ(names(Owner::kEvent).size(), 10U);
}

TEST_F(DefinitionsTest, AllProjectsTogetherAreBounded) {
  limits_.total_max = 5;
  open();
  see("e", R"({"a":1,"b":1,"c":1})");
  const DefinitionCounts counts = store_->counts(kProject);
  EXPECT_EQ(counts.events + counts.properties + counts.pairs, 5U);
}

TEST_F(DefinitionsTest, RepeatingRecordsChangesNothing) {
  const std::vector<std::string> records{record("e", R"({"a":1})"), record("f", R"({"b":1})"),
                                         record(std::string(300, 'x'), "{}")};
  ASSERT_TRUE(store_->apply({0}, {0}, {records.begin(), records.end()}).has_value());
  ASSERT_TRUE(store_->apply({0}, {0}, {records.begin(), records.end()}).has_value());
  ASSERT_TRUE(store_->apply({0}, {1}, {records.begin() + 1, records.end()}).has_value());
  EXPECT_EQ(store_->counts(kProject).long_names, 1U);
  ASSERT_EQ(store_->applied().size(), 1U);
  EXPECT_EQ(store_->applied().front().next.value, 3);
  open();
  EXPECT_EQ(store_->applied().front().next.value, 3);
  ASSERT_TRUE(store_->apply({0}, {0}, {records.begin(), records.end()}).has_value());
  EXPECT_EQ(store_->counts(kProject).long_names, 1U);
}

TEST_F(DefinitionsTest, PositionsWithoutNewsAreSavedWhenAsked) {
  see("e", R"({"a":1})");
  const int writes = *disk_.writes_;
  for (int i = 0; i < 10; i++) see("e", R"({"a":2})");
  EXPECT_EQ(*disk_.writes_, writes);
  ASSERT_TRUE(store_->save().has_value());
  open();
  EXPECT_EQ(store_->applied().front().next.value, 11);
}

TEST_F(DefinitionsTest, AFailedWriteLosesNothing) {
  *disk_.failing_ = true;
  EXPECT_FALSE(apply({record("e", R"({"a":1})")}).has_value());
  EXPECT_FALSE(apply({record("e", R"({"a":1})"), record("f", R"({"b":1})")}).has_value());
  *disk_.failing_ = false;
  ASSERT_TRUE(apply({record("e", R"({"a":1})"), record("f", R"({"b":1})")}).has_value());
  open();
  EXPECT_EQ(events(), (Names{"e", "f"}));
  EXPECT_EQ(names(Owner::kEvent), (Names{"a:Numeric", "b:Numeric"}));
  EXPECT_EQ(store_->counts(kProject).events, 2U);
  EXPECT_EQ(store_->applied().front().next.value, 2);
}

TEST_F(DefinitionsTest, ARecordOfAnotherVersionStopsThere) {
  const Status s = apply({record("e", "{}"), "\xff\x01nonsense", record("f", "{}")});
  ASSERT_FALSE(s.has_value());
  EXPECT_EQ(s.error().code, Code::kCorrupt);
  EXPECT_EQ(events(), Names{"e"});
  EXPECT_EQ(store_->applied().front().next.value, 1);
}

TEST_F(DefinitionsTest, ListsAreSearchedAndPaged) {
  for (const char* name : {"Order Placed", "order paid", "viewed"})
    see(name, R"({"zip":1,"Zone":1})");
  EXPECT_EQ(store_->events(kProject, {.search = "ORDER", .limit = 10})->size(), 2U);
  const auto first = store_->events(kProject, {.limit = 2});
  ASSERT_EQ(first->size(), 2U);
  const auto rest = store_->events(kProject, {.after = first->back().name, .limit = 2});
  ASSERT_EQ(rest->size(), 1U);
  EXPECT_EQ(rest->front().name, "viewed");
  EXPECT_EQ(store_->properties(kProject, Owner::kEvent, {.search = "zo"})->size(), 1U);
  EXPECT_EQ(store_->events_with(kProject, "zip", {.search = "paid"})->size(), 1U);
  EXPECT_TRUE(store_->events({8}, {})->empty());
}

TEST(PropertyTypeTest, BySpecialNames) {
  for (const char* key : {"utm_source", "UTM_medium", "$initial_utm_term", "$feature/x",
                          "$feature_flag_response", "$survey_response", "$survey_response_2"}) {
    EXPECT_EQ(detect_type(key, "true", kNow), PropertyType::kString) << key;
    EXPECT_EQ(detect_type(key, "5", kNow), PropertyType::kString) << key;
  }
}

TEST(PropertyTypeTest, NumbersThatAreTimes) {
  const int64_t now = kNow / 1000, oldest = now - 15'768'000;
  for (const char* key :
       {"time", "Timestamp", "birth_date", "created_at", "created-at", "createdAt", "updatedAt"}) {
    EXPECT_EQ(detect_type(key, std::to_string(now), kNow), PropertyType::kDateTime) << key;
    EXPECT_EQ(detect_type(key, std::to_string(oldest), kNow), PropertyType::kDateTime) << key;
    EXPECT_EQ(detect_type(key, std::to_string(oldest - 1), kNow), PropertyType::kNumeric) << key;
    EXPECT_EQ(detect_type(key, std::to_string(kNow), kNow), PropertyType::kDateTime) << key;
    EXPECT_EQ(detect_type(key, "1785585600.5", kNow), PropertyType::kNumeric) << key;
  }
  EXPECT_EQ(detect_type("count", std::to_string(now), kNow), PropertyType::kNumeric);
}

TEST(PropertyTypeTest, ByValue) {
  const auto type = [](std::string_view raw) { return detect_type("x", raw, kNow); };
  for (const char* raw : {R"("true")", R"("false")", R"("TRUE")", R"("FALSE")", "true", "false"}) {
    EXPECT_EQ(type(raw), PropertyType::kBoolean) << raw;
  }
  EXPECT_EQ(type(R"("True")"), PropertyType::kString);
  EXPECT_EQ(type(R"("5")"), PropertyType::kString);
  EXPECT_EQ(type(R"("")"), PropertyType::kString);
  EXPECT_EQ(type("-5e3"), PropertyType::kNumeric);
  for (const char* raw : {"null", "[]", R"({"a":1})"}) EXPECT_EQ(type(raw), PropertyType::kUnknown);
  EXPECT_EQ(type(R"("2026-08-01")"), PropertyType::kDateTime);
}

TEST(PropertyTypeTest, Dates) {
  for (const char* text :
       {"2026-08-01", "2026/08/01", "2026-08-01 12:00", "2026-08-01T12:00:00",
        "2026-08-01T12:00:00Z", "2026-08-01T12:00:00.123456Z", "2026-08-01T12:00:00+02:00",
        "2026-08-01 12:00:00 +0200", "01-08-2026", "01/08/2026", "Sat, 01 Aug 2026 12:00:00 GMT",
        "1 Aug 2026 12:00:00 +0200"}) {
    EXPECT_TRUE(is_date_like(text)) << text;
  }
  for (const char* text :
       {"", "2026", "2026-8-1", "2026-13-01", "2026-08-32", "2026-08/01", "2026-08-01x", "20260801",
        "2026-08-01T", "2026-08-01T25:00:00", "2026-08-01T12:61", "2026-08-01T12:00:00.Z",
        "555-010-2026", "1234567890", "Sat, 01 Foo 2026 12:00:00 GMT"}) {
    EXPECT_FALSE(is_date_like(text)) << text;
  }
}

}  // namespace
}  // namespace penstock::definitions
