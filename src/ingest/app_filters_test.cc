// Filters of an app that is called for stored events: they see groups' properties, if those are
// known.
#include "ingest/app_filters.h"

#include <gtest/gtest.h>

#include "runtime/sim_runtime.h"

namespace penstock::ingest {
namespace {

class AppFiltersTest : public ::testing::Test {
 protected:
  bool matches(AppFilters& filters, const std::string& filter, const std::string& properties) {
    catalog::EnabledApp app;
    app.config.id = ++configs_;
    app.config.project = ProjectId{7};
    app.config.filters = filter;
    event_ = R"({"event":"seen","properties":)" + properties + "}";
    const auto fields = event::JsonFields::parse(event_);
    EXPECT_TRUE(fields);
    const catalog::ProjectSettings settings;
    const bool out = filters.matches(app, settings, *fields);
    EXPECT_EQ(filters.counts(app, settings).error, "");
    return out;
  }

  static constexpr const char* kPro =
      R"({"properties":[{"key":"plan","type":"group","group_type_index":1,"value":"pro"}]})";

  runtime::SimRuntime runtime_{1};
  std::string event_;
  int64_t configs_ = 0;
};

TEST_F(AppFiltersTest, AGroupsPropertiesAreThoseOfTheEventsGroup) {
  std::vector<std::string> asked;
  AppFilters filters(runtime_, [&](ProjectId project, uint8_t index, std::string_view key) {
    asked.push_back(std::to_string(project.value) + "/" + std::to_string(index) + "/" +
                    std::string(key));
    return key == "acme" || key == "5" ? R"({"plan":"pro"})" : std::string();
  });
  EXPECT_TRUE(matches(filters, kPro, R"({"$group_1":"acme"})"));
  EXPECT_TRUE(matches(filters, kPro, R"({"$group_1":5})"));
  EXPECT_FALSE(matches(filters, kPro, R"({"$group_1":"other"})"));
  EXPECT_FALSE(matches(filters, kPro, R"({"$group_0":"acme"})"));
  EXPECT_FALSE(matches(filters, kPro, R"({"$group_1":null})"));
  EXPECT_EQ(asked, (std::vector<std::string>{"7/1/acme", "7/1/5", "7/1/other"}));
}

TEST_F(AppFiltersTest, NobodyIsAskedForGroupsThatAFilterDoesNotName) {
  AppFilters filters(runtime_, [](ProjectId, uint8_t, std::string_view) -> std::string {
    ADD_FAILURE() << "asked";
    return {};
  });
  EXPECT_TRUE(matches(filters, R"({"events":[{"id":"seen"}]})", R"({"$group_1":"acme"})"));
  EXPECT_TRUE(matches(filters, R"x({"properties":[{"key":"$group_1 = 'acme'","type":"hogql"}]})x",
                      R"({"$group_1":"acme"})"));
}

TEST_F(AppFiltersTest, WithoutAnybodyToAskGroupsHaveNoProperties) {
  AppFilters filters(runtime_);
  EXPECT_FALSE(matches(filters, kPro, R"({"$group_1":"acme"})"));
  EXPECT_TRUE(matches(filters,
                      R"({"properties":[{"key":"plan","type":"group","group_type_index":1,)"
                      R"("operator":"is_not_set"}]})",
                      R"({"$group_1":"acme"})"));
}

}  // namespace
}  // namespace penstock::ingest
