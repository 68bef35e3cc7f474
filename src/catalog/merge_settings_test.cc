#include <gtest/gtest.h>

#include "catalog/project_settings.h"

namespace penstock::catalog {
namespace {

TEST(MergeSettings, AreReadAndRefused) {
  ProjectSettings settings;
  EXPECT_EQ(settings.merges.shared_device, MergeGuard::kWarn);
  ASSERT_TRUE(apply_setting(
      "merges", R"({"too_many_ids":"refuse","ids_max":5,"shared_device":"refuse"})", settings));
  EXPECT_EQ(settings.merges.too_many_ids, MergeGuard::kRefuse);
  EXPECT_EQ(settings.merges.ids_max, 5);
  EXPECT_EQ(settings.merges.identified_into_identified, MergeGuard::kWarn);
  EXPECT_EQ(settings.merges.shared_device, MergeGuard::kRefuse);
  for (const char* wrong :
       {R"({"ids_max":0})", R"({"ids_max":10001})", R"({"shared_device":"off"})",
        R"({"shared_device":true})", R"({"sharedDevice":"warn"})", "[]"}) {
    const Status s = apply_setting("merges", wrong, settings);
    ASSERT_FALSE(s.has_value()) << wrong;
    EXPECT_EQ(s.error().code, Code::kInvalid);
    EXPECT_TRUE(s.error().message.starts_with("merges: ")) << s.error().message;
  }
  EXPECT_EQ(settings.merges.ids_max, 5) << "unchanged by what was refused";
}

}  // namespace
}  // namespace penstock::catalog
