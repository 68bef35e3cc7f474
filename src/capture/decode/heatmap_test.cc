// Goal: heatmap data leaves its event as an event of its own, once however often it is sent, and
// both are what the contract says (section 2, heatmap split).
#include "capture/decode/heatmap.h"

#include <gtest/gtest.h>

#include "capture/testing/fixture.h"
#include "event/json_fields.h"

namespace penstock::capture {
namespace {

TEST(HeatmapSplit, TheEventLosesTheDataAndTheRestGoesAlong) {
  HeatmapSplit split;
  split.split(
      R"({"event":"e","properties": { "a":1, "$heatmap_data" : {"u":[1]},"$session_id":"s",)"
      R"("b":[2] },"uuid":"x"})",
      "d\"1");
  EXPECT_EQ(split.rest(),
            R"({"event":"e","properties": {"a":1,"$session_id":"s","b":[2]},"uuid":"x"})");
  EXPECT_EQ(split.heatmap(), R"({"event":"$$heatmap","distinct_id":"d\"1","properties":)"
                             R"({"$heatmap_data" : {"u":[1]},"$session_id":"s"}})");
}

TEST(HeatmapSplit, WhereverTheDataStands) {
  const auto rest = [](std::string_view properties) {
    HeatmapSplit split;
    split.split(R"({"properties":)" + std::string(properties) + "}", "d");
    EXPECT_TRUE(event::validate_json(split.rest())) << split.rest();
    EXPECT_TRUE(event::validate_json(split.heatmap())) << split.heatmap();
    return split.rest();
  };
  EXPECT_EQ(rest(R"({"$heatmap_data":1})"), R"({"properties":{}})");
  EXPECT_EQ(rest(R"({"$heatmap_data":1,"a":2})"), R"({"properties":{"a":2}})");
  EXPECT_EQ(rest(R"({"a":2,"$heatmap_data":1})"), R"({"properties":{"a":2}})");
  EXPECT_EQ(rest(R"({"$heatmap_data":1,"a":2,"$heatmap_data":3})"), R"({"properties":{"a":2}})");
  EXPECT_EQ(rest(R"({"\u0024heatmap_data":1,"a":"}"})"), R"({"properties":{"a":"}"}})");
  EXPECT_EQ(rest(R"({"a":{"$heatmap_data":1}})"), R"({"properties":{"a":{"$heatmap_data":1}}})");
}

class HeatmapTest : public testing::ServiceTest {
 protected:
  std::vector<event::RawRecord> post(std::string_view body) {
    answer_ = ask("POST", "/batch/", body, {{"content-type", "application/json"}});
    turn();
    return held_records();
  }
  std::shared_ptr<testing::Answer> answer_;
};

constexpr std::string_view kPage =
    R"({"api_key":"phc_t","event":"$pageview","distinct_id":"d",)"
    R"("uuid":"01890a5d-ac96-774b-bcce-b302099a8057","timestamp":"2026-08-01T12:00:00Z",)"
    R"("properties":{"$heatmap_data":{"u":[]},"$viewport_width":9,"x":1}})";

TEST_F(HeatmapTest, AnEventWithDataBecomesTwo) {
  const auto records = post(kPage);
  ASSERT_EQ(records.size(), 2U);
  const event::RawRecord &page = records[0], &heatmap = records[1];
  EXPECT_EQ(page.event, "$pageview");
  EXPECT_TRUE(page.skip_heatmap);
  EXPECT_EQ(page.data.find("$heatmap_data"), std::string_view::npos);
  EXPECT_NE(page.data.find(R"("x":1)"), std::string_view::npos);
  EXPECT_EQ(heatmap.event, "$$heatmap");
  EXPECT_EQ(heatmap.distinct_id, "d");
  EXPECT_EQ(heatmap.timestamp_ms, page.timestamp_ms);
  EXPECT_EQ(heatmap.token, "phc_t");
  EXPECT_FALSE(heatmap.skip_heatmap);
  EXPECT_NE(heatmap.uuid, page.uuid);
  EXPECT_EQ(heatmap.data, R"({"event":"$$heatmap","distinct_id":"d","properties":)"
                          R"({"$heatmap_data":{"u":[]},"$viewport_width":9}})");
  const Uuid first = heatmap.uuid;
  land();
  EXPECT_EQ(answer_->status, 200);
  EXPECT_EQ(post(kPage)[1].uuid, first) << "sent again it is the same heatmap";
}

TEST_F(HeatmapTest, WithoutDataNothingIsSplit) {
  EXPECT_EQ(post(R"({"api_key":"phc_t","event":"e","distinct_id":"d",)"
                 R"("properties":{"$heatmap_data":null,"$prev_pageview_pathname":"/",)"
                 R"("$current_url":"https://a.example/"}})")
                .size(),
            1U);
  land();
  const auto own = post(R"({"api_key":"phc_t","event":"$$heatmap","distinct_id":"d",)"
                        R"("properties":{"$heatmap_data":{"u":[]}}})");
  ASSERT_EQ(own.size(), 1U);
  EXPECT_NE(own[0].data.find("$heatmap_data"), std::string_view::npos);
}

TEST_F(HeatmapTest, OverTheQuotaThereIsNoHeatmapEither) {
  const catalog::Principal by{std::nullopt, "test", ProjectId{}};
  const auto project = catalog_->create_project(by, "p", "phc_t");
  ASSERT_TRUE(project);
  ASSERT_TRUE(catalog_->set_project_setting(
      by, project->id, "admission",
      R"({"quotas":[{"resource":"events","events_per_month_max":1}]})"));
  turn();
  EXPECT_EQ(post(kPage).size(), 2U) << "two records are one event of the quota";
  land();
  const auto over = post(kPage);
  ASSERT_EQ(over.size(), 1U);
  EXPECT_EQ(over[0].reason, "billing_limit_exceeded");
}

}  // namespace
}  // namespace penstock::capture
