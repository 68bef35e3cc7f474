// What a preview says of a merge, before it happens.
#include "admin/api/merge_preview.h"

#include <gtest/gtest.h>

#include "event/json_fields.h"
#include "kv/key_value.h"

namespace penstock::admin {
namespace {

class Preview : public ::testing::Test {
 protected:
  std::unique_ptr<persons::PersonStore> store_ = persons::make_person_store(kv::make_memory_kv());
  catalog::Project project_;

  Preview() {
    project_.id = {1};
    add("a", R"({"plan":"free","x":1})", false, {"a2"});
    add("b", R"({"plan":"pro"})", true);
    add("c", "{}", true);
  }
  void add(const std::string& id, std::string_view properties, bool identified,
           const std::vector<std::string>& more = {}) {
    persons::PersonUpdates updates;
    event::PersonChange p;
    p.project = {1};
    p.id = persons::person_uuid({1}, id);
    p.properties = properties;
    p.is_identified = identified;
    updates.persons.push_back(p);
    updates.distinct_ids.push_back({{1}, id, p.id, false, 0});
    for (const std::string& other : more) {
      updates.distinct_ids.push_back({{1}, other, p.id, false, 1});
    }
    ASSERT_TRUE(store_->apply(updates, {}).has_value());
  }
  MergePreview preview(std::string_view source, std::string_view target,
                       std::string_view event = "$identify") {
    auto out = preview_merge(*store_, project_, source, target, event);
    EXPECT_TRUE(out.has_value());
    return std::move(*out);
  }
  void settings(const char* json) {
    auto made = std::make_shared<catalog::ProjectSettings>();
    ASSERT_TRUE(catalog::apply_setting("merges", json, *made));
    project_.settings = made;
  }
};

TEST_F(Preview, SaysWhoAndWhichValuesWin) {
  const MergePreview p = preview("a2", "b");
  EXPECT_EQ(p.outcome, "merged");
  EXPECT_EQ(p.person, persons::person_uuid({1}, "b").text());
  EXPECT_EQ(p.source.ids.size(), 2U);
  EXPECT_TRUE(p.guards.empty());
  const std::string json = p.json();
  EXPECT_NE(json.find(R"({"key":"plan","value":"pro","from":"target","replaces":"free"})"),
            std::string::npos)
      << json;
  EXPECT_NE(json.find(R"({"key":"x","value":1,"from":"source","replaces":null})"),
            std::string::npos);
  EXPECT_TRUE(event::validate_json(json));
}

TEST_F(Preview, KnowsTheLighterCases) {
  EXPECT_EQ(preview("a", "a2").outcome, "nothing");
  EXPECT_EQ(preview("new", "newer").outcome, "created");
  EXPECT_EQ(preview("new", "b").person, persons::person_uuid({1}, "b").text());
  const MergePreview p = preview("a", "new");
  EXPECT_EQ(p.outcome, "added");
  EXPECT_EQ(p.person, persons::person_uuid({1}, "a").text());
  EXPECT_NE(p.json().find(R"("key":"x","value":1,"from":"source")"), std::string::npos);
}

TEST_F(Preview, SaysWhichGuardWouldSpeak) {
  EXPECT_EQ(preview("b", "c").outcome, "refused");
  MergePreview p = preview("b", "c", "$merge_dangerously");
  EXPECT_EQ(p.outcome, "merged");
  EXPECT_EQ(p.guards.at(0).first, "merge_of_identified_persons");
  settings(R"({"identified_into_identified":"refuse","too_many_ids":"refuse","ids_max":1})");
  EXPECT_EQ(preview("b", "c", "$merge_dangerously").outcome, "refused");
  p = preview("a", "b");
  EXPECT_EQ(p.outcome, "refused");
  EXPECT_EQ(p.guards.at(0).first, "merge_move_limit_exceeded");
  EXPECT_FALSE(preview_merge(*store_, project_, "a", "b", "seen").has_value());
}

TEST_F(Preview, AsksWhoseTheDeviceIs) {
  const auto outcome = [&](MergePreview p, std::string_view device) {
    EXPECT_TRUE(p.judge_device(*store_, project_, device).has_value());
    return p.outcome + (p.guards.empty() ? "" : " " + p.guards[0].first);
  };
  EXPECT_EQ(outcome(preview("a", "b"), "c"), "merged merge_shared_device");
  for (const char* fine : {"", "a2", "b", "unknown"}) {
    EXPECT_EQ(outcome(preview("a", "b"), fine), "merged") << fine;
  }
  EXPECT_EQ(outcome(preview("a", "b", "$create_alias"), "c"), "merged") << "only $identify has one";
  settings(R"({"shared_device":"refuse"})");
  EXPECT_EQ(outcome(preview("a", "b"), "c"), "refused merge_refused_shared_device");
  EXPECT_EQ(outcome(preview("a", "new"), "c"), "refused merge_refused_shared_device");
  EXPECT_EQ(outcome(preview("a", "a2"), "c"), "nothing");
  EXPECT_NE(preview("a", "b").count_sql().find("$device_id"), std::string::npos);
}

TEST_F(Preview, CountsEventsWhateverTheIdsHold) {
  add("it's\\", "{}", false);
  const std::string sql = preview("it's\\", "b").count_sql();
  EXPECT_NE(sql.find(R"('it\'s\\')"), std::string::npos) << sql;
}

}  // namespace
}  // namespace penstock::admin
