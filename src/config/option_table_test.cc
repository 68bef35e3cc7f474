// Goal: every way a setting can come in is checked, and errors say where and what is allowed.
#include "config/option_table.h"

#include <gtest/gtest.h>

namespace penstock::config {
namespace {

struct Fixture : testing::Test {
  void SetUp() override {
    table.add("capture.body_bytes_max", bytes, 1024, 1 << 30, "bytes", "Largest body.");
    table.add("log.linger_ms", linger, 0, 1000, "ms", "Waits.");
    table.add("store.enabled", enabled, "Whether rows are stored.");
    table.add("admin.listen", listen, "address", "Where the admin API listens.");
  }
  size_t bytes = 20 << 20;
  int64_t linger = 2;
  bool enabled = true;
  std::string listen = "127.0.0.1:8001";
  OptionTable table;
};

TEST_F(Fixture, file_then_environment_then_command_line) {
  ASSERT_TRUE(
      table.load_toml("[capture]\nbody_bytes_max = \"4 MiB\"\n[log]\nlinger_ms = 7\n", "f"));
  EXPECT_EQ(bytes, size_t{4} << 20);
  EXPECT_EQ(linger, 7);
  ASSERT_TRUE(table.load_environment([](const char* name) -> const char* {
    return std::string_view(name) == "PENSTOCK_LOG_LINGER_MS" ? "9ms" : nullptr;
  }));
  EXPECT_EQ(linger, 9);
  ASSERT_TRUE(table.set("log.linger_ms", "1s", "command line"));
  EXPECT_EQ(linger, 1000);
  EXPECT_EQ(table.list()[1].source, "command line");
}

TEST_F(Fixture, errors_name_the_line_and_the_range) {
  const auto unknown = table.load_toml("[capture]\n\nbody_size = 3\n", "penstock.toml");
  ASSERT_FALSE(unknown);
  EXPECT_NE(unknown.error().message.find("penstock.toml:3"), std::string::npos);
  const auto range = table.set("log.linger_ms", "5000", "command line");
  ASSERT_FALSE(range);
  EXPECT_NE(range.error().message.find("0..1000"), std::string::npos);
  EXPECT_EQ(linger, 2);
  EXPECT_FALSE(table.load_toml("capture = 3\n", "f"));
  EXPECT_FALSE(table.load_toml("[capture\n", "f"));
  EXPECT_FALSE(table.load_toml("[store]\nenabled = \"yes\"\n", "f"));
  EXPECT_FALSE(table.load_toml("[log]\nlinger_ms = 1.5\n", "f"));
}

TEST_F(Fixture, quantities) {
  EXPECT_EQ(*parse_quantity("1_000", "bytes"), 1000);
  EXPECT_EQ(*parse_quantity("2 GiB", "bytes"), int64_t{2} << 30);
  EXPECT_EQ(*parse_quantity("3m", "ms"), 180'000);
  for (const char* bad : {"", "x", "1 parsec", "1KiB2", "9223372036854775807 GiB", "1ms"}) {
    EXPECT_FALSE(parse_quantity(bad, "bytes")) << bad;
  }
}

TEST_F(Fixture, markdown_lists_every_option_once) {
  const std::string page = table.render_markdown();
  for (const auto& info : table.list()) {
    EXPECT_NE(page.find("`" + info.name + "`"), std::string::npos);
  }
  EXPECT_NE(page.find("PENSTOCK_ADMIN_LISTEN"), std::string::npos);
}

}  // namespace
}  // namespace penstock::config
