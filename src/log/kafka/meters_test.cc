// Lag and the brokers' answers as metrics. Method: statistics as librdkafka writes them, in short.
#include "log/kafka/meters.h"

#include <gtest/gtest.h>

#include "base/metrics.h"
#include "log/kafka_log.h"

namespace penstock::log::kafka {
namespace {

TEST(KafkaMeters, the_broker_that_takes_longest_counts) {
  const std::string_view text =
      R"({"brokers":{"a:1/1":{"int_latency":{"p99":77},"rtt": {"min":1,"p50": 12,"p99":34}, )"
      R"("throttle":{"p99":99}},"b:1/2":{"rtt": {"min":1,"p50":15,"p99":20,"cnt":2} }}})";
  EXPECT_EQ(slowest_answer_us(text, "p50"), 15);
  EXPECT_EQ(slowest_answer_us(text, "p99"), 34);
  EXPECT_EQ(slowest_answer_us("{}", "p99"), 0);
  EXPECT_EQ(slowest_answer_us(R"({"rtt":)", "p99"), 0);
}

TEST(KafkaMeters, lag_is_shown_by_group_topic_and_partition) {
  show_lag({{"ingest", "lane", 0, 5}, {"ingest", "lane", 1, 2}, {"load", "lane", 0, 1}});
  const std::vector<GroupBehind> sums = groups_behind();
  ASSERT_EQ(sums.size(), 2U);
  EXPECT_EQ(sums[0].group, "ingest");
  EXPECT_EQ(sums[0].records, 7U);
  EXPECT_EQ(sums[0].partitions, 2);
  EXPECT_EQ(sums[1].records, 1U);
  const std::string page = render_metrics();
  EXPECT_NE(page.find("penstock_log_kafka_lag_records{group=\"ingest\",topic=\"lane\","
                      "partition=\"0\"} 5\n"),
            std::string::npos);
  EXPECT_NE(page.find("partition=\"1\"} 2\n"), std::string::npos);
  show_lag({});
  EXPECT_EQ(render_metrics().find("topic=\"lane\""), std::string::npos);
}

}  // namespace
}  // namespace penstock::log::kafka
