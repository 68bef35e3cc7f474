// Goal: heatmap data becomes points as contract section 7 and ERRATA A16 say, once, whether capture
// split it off or not; nothing of it stays in an event's properties; what is wrong is told.
#include <gtest/gtest.h>

#include "ingest/steps/heatmap.h"
#include "ingest/steps/web_url.h"
#include "ingest/testing/fixture.h"

namespace penstock::ingest {
namespace {

using event::OutcomeKind;
using testing::fields_of;
using testing::Fixture;
using testing::SeenPoint;
using testing::Seens;

const std::string kSession = "0190b1c2-d3e4-7f60-8a1b-2c3d4e5f6071";

std::string properties(const std::string& members) {
  return R"({"properties":{"$viewport_width":1000,"$viewport_height":792,"$session_id":")" +
         kSession + "\"," + members + "}}";
}

std::shared_ptr<const catalog::ProjectSettings> with_heatmaps(const std::string& value) {
  auto settings = std::make_shared<catalog::ProjectSettings>();
  EXPECT_TRUE(catalog::apply_setting("remote_config", R"({"heatmaps":)" + value + "}", *settings));
  return settings;
}

const std::string kOnePage =
    R"("$heatmap_data":{"https://a.example/p?q=1":[{"x":20,"y":100,"target_fixed":true,)"
    R"("type":"click"},{"x":-8,"y":39.9,"target_fixed":false,"type":"mousemove"}]})";

TEST(Heatmap, AnEventOfItsOwnBecomesPointsAndNoRow) {
  Fixture f;
  const Seens s = f.run({.data = properties(kOnePage), .event = "$$heatmap", .uuid = 7});
  ASSERT_EQ(s.outcomes.size(), 1U);
  EXPECT_EQ(s.outcomes[0].kind, OutcomeKind::kAccepted);
  EXPECT_TRUE(s.outcomes[0].heatmap_only);
  EXPECT_TRUE(s.persons.empty()) << "a heatmap makes nobody";
  ASSERT_EQ(s.heatmaps.size(), 1U);
  const auto& h = s.heatmaps[0];
  EXPECT_EQ(h.session_id, kSession);
  EXPECT_EQ(h.distinct_id, "u1");
  EXPECT_EQ(h.timestamp_ms, testing::EventSpec{}.timestamp_ms);
  EXPECT_EQ(h.viewport_width, 63) << "1000 / 16 = 62.5, halves up";
  EXPECT_EQ(h.viewport_height, 50);
  // -8 / 16 = -0.5 is rounded up as well.
  EXPECT_EQ(h.points,
            (std::vector<SeenPoint>{{"https://a.example/p?q=1", "click", 1, 6, true},
                                    {"https://a.example/p?q=1", "mousemove", 0, 2, false}}));
  const Seens again = f.run({.data = properties(kOnePage), .event = "$$heatmap", .uuid = 7});
  EXPECT_EQ(again.outcomes[0].kind, OutcomeKind::kDuplicate);
  EXPECT_TRUE(again.heatmaps.empty());
}

TEST(Heatmap, AnOrdinaryEventKeepsItsRowWithoutTheData) {
  Fixture f;
  const Seens s = f.run({.data = properties(kOnePage + R"(,"kept":1)"), .event = "$pageview"});
  EXPECT_EQ(s.outcomes[0].kind, OutcomeKind::kAccepted);
  EXPECT_FALSE(s.outcomes[0].heatmap_only);
  EXPECT_FALSE(fields_of(s.outcomes[0].properties).contains("$heatmap_data"));
  EXPECT_EQ(fields_of(s.outcomes[0].properties)["kept"], "1");
  ASSERT_EQ(s.heatmaps.size(), 1U);
  EXPECT_EQ(s.heatmaps[0].points.size(), 2U);
}

TEST(Heatmap, WhatCaptureHasSplitOffIsNotTakenAgain) {
  Fixture f;
  const std::string scroll =
      R"("$current_url":"https://a.example/now","$prev_pageview_pathname":"/before",)"
      R"("$prev_pageview_max_scroll":800)";
  const Seens s = f.run({.data = properties(scroll), .event = "$pageview", .skip_heatmap = true});
  EXPECT_EQ(s.outcomes[0].kind, OutcomeKind::kAccepted);
  EXPECT_TRUE(s.heatmaps.empty());
}

TEST(Heatmap, ScrollDepthIsOfThePageBefore) {
  Fixture f;
  const Seens s = f.run({.data = properties(R"("$current_url":"https://A.example:443/now?q=1#top",)"
                                            R"("$prev_pageview_pathname":"/be fore",)"
                                            R"("$prev_pageview_max_scroll":807)"),
                         .event = "$pageleave"});
  ASSERT_EQ(s.heatmaps.size(), 1U);
  EXPECT_EQ(s.heatmaps[0].points, (std::vector<SeenPoint>{{"https://a.example/be%20fore?q=1#top",
                                                           "scrolldepth", 0, 50, false}}));
  EXPECT_EQ(fields_of(s.outcomes[0].properties)["$prev_pageview_max_scroll"], "807");
  // Both are needed, and neither may be empty.
  for (const char* members :
       {R"("$current_url":"https://a.example/")", R"("$prev_pageview_pathname":"/before")",
        R"("$current_url":"https://a.example/","$prev_pageview_pathname":"")",
        R"("$current_url":"https://a.example/","$prev_pageview_pathname":null)"}) {
    const Seens none = f.run({.data = properties(members), .event = "$pageview"});
    EXPECT_TRUE(none.heatmaps.empty()) << members;
    EXPECT_TRUE(none.warnings.empty()) << members;
  }
}

TEST(Heatmap, WithoutASessionItSaysSo) {
  Fixture f;
  const std::string page =
      R"("$heatmap_data":{"u":[{"x":1,"y":1,"target_fixed":true,"type":"t"}]})";
  const Seens s =
      f.run({.data = R"({"properties":{"$viewport_width":16,"$viewport_height":16,)" + page + "}}",
             .event = "$$heatmap"});
  ASSERT_EQ(s.heatmaps.size(), 1U);
  EXPECT_EQ(s.heatmaps[0].session_id, "undefined");
}

TEST(Heatmap, WrongPointsAreLeftOutAndTold) {
  for (const char* item :
       {R"({"x":"1","y":1,"target_fixed":true,"type":"click"})",
        R"({"y":1,"target_fixed":true,"type":"click"})", R"({"x":1,"y":1,"type":"click"})",
        R"({"x":1,"y":1,"target_fixed":"true","type":"click"})",
        R"({"x":1,"y":1,"target_fixed":true,"type":" "})",
        R"({"x":1,"y":1,"target_fixed":true,"type":5})",
        R"({"x":1,"y":9e9,"target_fixed":true,"type":"click"})", "17", "[]"}) {
    Fixture f;
    const std::string good = R"(,{"x":1,"y":1,"target_fixed":true,"type":"click"}]})";
    const Seens s = f.run({.data = properties(R"("$heatmap_data":{"https://a.example/":[)" +
                                              std::string(item) + good),
                           .event = "$$heatmap"});
    ASSERT_EQ(s.heatmaps.size(), 1U) << item;
    EXPECT_EQ(s.heatmaps[0].points.size(), 1U) << item;
    ASSERT_EQ(s.warnings.size(), 1U) << item;
    EXPECT_EQ(s.warnings[0].first, "rejecting_heatmap_data_with_invalid_items");
    EXPECT_EQ(fields_of(s.warnings[0].second)["heatmapUrl"], R"("https://a.example/")");
  }
}

TEST(Heatmap, WhatCannotBeBelievedIsDroppedWithItsReason) {
  const std::string point = R"([{"x":1,"y":1,"target_fixed":true,"type":"click"}])";
  struct Case {
    std::string data, warning;
    std::string distinct_id = "u1";
  };
  const std::vector<Case> cases{
      {properties(R"("a":1)"), "invalid_heatmap_data"},
      {properties(R"("$heatmap_data":[1])"), "invalid_heatmap_data"},
      {properties(R"("$heatmap_data":{})"), "invalid_heatmap_data"},
      {properties(R"("$heatmap_data":{" ":)" + point + "}"),
       "rejecting_heatmap_data_with_invalid_url"},
      {properties(R"("$heatmap_data":{"u":{}})"), "rejecting_heatmap_data_with_invalid_items"},
      {properties(R"("$heatmap_data":{"u":)" + point + "}"), "invalid_heatmap_data", "Anonymous"},
      {R"({"properties":{"$viewport_width":"9","$viewport_height":9,"$heatmap_data":{"u":)" +
           point + "}}}",
       "invalid_heatmap_data"},
      {properties(R"("$current_url":"nowhere","$prev_pageview_pathname":"/",)"
                  R"("$heatmap_data":{"u":)" +
                  point + "}"),
       "invalid_heatmap_data"},
  };
  for (const Case& c : cases) {
    Fixture f;
    const Seens s = f.run({.data = c.data, .distinct_id = c.distinct_id, .event = "$$heatmap"});
    EXPECT_EQ(s.outcomes[0].kind, OutcomeKind::kDropped) << c.data;
    EXPECT_EQ(s.outcomes[0].reason, "invalid_heatmap_data") << c.data;
    EXPECT_TRUE(s.heatmaps.empty()) << c.data;
    ASSERT_EQ(s.warnings.size(), 1U) << c.data;
    EXPECT_EQ(s.warnings[0].first, c.warning) << c.data;
  }
}

TEST(Heatmap, AProjectThatSaidNoGetsNone) {
  Fixture f;
  f.project().settings = with_heatmaps("false");
  const Seens own = f.run({.data = properties(kOnePage), .event = "$$heatmap"});
  EXPECT_EQ(own.outcomes[0].reason, "heatmaps_disabled");
  ASSERT_EQ(own.warnings.size(), 1U);
  EXPECT_EQ(own.warnings[0].first, "heatmaps_disabled");
  const Seens other = f.run({.data = properties(kOnePage), .event = "$pageview"});
  EXPECT_EQ(other.outcomes[0].kind, OutcomeKind::kAccepted);
  EXPECT_FALSE(fields_of(other.outcomes[0].properties).contains("$heatmap_data"));
  EXPECT_TRUE(own.heatmaps.empty());
  EXPECT_TRUE(other.heatmaps.empty());
  f.project().settings = with_heatmaps("true");
  EXPECT_EQ(f.run({.data = properties(kOnePage), .event = "$$heatmap"}).heatmaps.size(), 1U);
}

TEST(Heatmap, PointsBeyondTheBoundAreLeftOut) {
  Fixture f;
  std::string items;
  for (size_t i = 0; i < kHeatmapPointsMax + 5; i++) {
    items += R"({"x":1,"y":1,"target_fixed":true,"type":"click"},)";
  }
  items.pop_back();
  const Seens s =
      f.run({.data = properties(R"("$heatmap_data":{"u":[)" + items + "]}"), .event = "$$heatmap"});
  ASSERT_EQ(s.heatmaps.size(), 1U);
  EXPECT_EQ(s.heatmaps[0].points.size(), kHeatmapPointsMax);
  EXPECT_EQ(s.warnings.size(), 1U);
}

TEST(WebUrl, APathIsPutIntoAnAddress) {
  struct Case {
    std::string_view url, path, want;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"https://a.example/x", "/y", "https://a.example/y"},
           {"https://a.example", "y", "https://a.example/y"},
           {"HTTPS://A.Example:443/x?q=a b#f g", "/y", "https://a.example/y?q=a%20b#f%20g"},
           {"http://a.example:443/x", "/", "http://a.example:443/"},
           {"https://u:p@a.example:8443/x", "/y", "https://u:p@a.example:8443/y"},
           {"http://[::1]:80/x", "/y", "http://[::1]/y"},
           {" https:\\\\a.example\\x ", "/y\\z", "https://a.example/y/z"},
           {"https://a.example/", "/a/./b/../c", "https://a.example/a/c"},
           {"https://a.example/", "/a/%2E%2e", "https://a.example/"},
           {"https://a.example/", "/../..", "https://a.example/"},
           {"https://a.example/", "/ü?#", "https://a.example/%C3%BC%3F%23"},
           {"https://a.example/", "/%7Euser", "https://a.example/%7Euser"},
           {"https://a.example/x?", "/y", "https://a.example/y?"},
           {"capacitor://localhost/x?q", "/y", "capacitor://localhost/y?q"},
           {"file:///c/x", "/y", "file:///y"},
           {"about:blank", "/y", "about:blank"}}) {
    EXPECT_EQ(with_path(c.url, c.path).value_or("none"), c.want) << c.url << " " << c.path;
  }
  for (const std::string_view bad :
       {"", "nowhere", "/only/a/path", "https://", "https://a b/", "http://a.example:99999/",
        "http://a.example:x/", "1http://a/", "http://[::1", "http://us<r/"}) {
    EXPECT_EQ(with_path(bad, "/y"), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace penstock::ingest
