#include "log/kafka/meters.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <mutex>

#include "base/metrics.h"
#include "log/kafka_log.h"

namespace penstock::log::kafka {
namespace {

class LagMetric : public Metric {
 public:
  LagMetric()
      : Metric(MetricKind::kGauge, "penstock_log_kafka_lag_records",
               "Records of a partition that a group has not passed, of groups that this process "
               "moves or follows.",
               "") {}

  void take(std::vector<GroupLag> lag) {
    const std::lock_guard lock(mutex_);
    lag_ = std::move(lag);
  }
  std::vector<GroupBehind> sums() const {
    const std::lock_guard lock(mutex_);
    std::vector<GroupBehind> out;
    for (const GroupLag& l : lag_) {  // those of one topic follow each other
      if (out.empty() || out.back().group != l.group || out.back().topic != l.topic) {
        out.push_back({l.group, l.topic, 0, 0});
      }
      out.back().records += static_cast<uint64_t>(l.records);
      out.back().partitions++;
    }
    return out;
  }
  void render(std::string& out) const override {
    const std::lock_guard lock(mutex_);
    for (const GroupLag& l : lag_) {
      out += fmt::format("{}{{group=\"{}\",topic=\"{}\",partition=\"{}\"}} {}\n", name(), l.group,
                         l.topic, l.partition, l.records);
    }
  }

 private:
  mutable std::mutex mutex_;
  std::vector<GroupLag> lag_;
};

LagMetric lag_metric;
constexpr std::string_view kAnswerName = "penstock_log_kafka_broker_answer_us";
constexpr std::string_view kAnswerHelp =
    "How long the slowest broker took to answer requests, in the last five seconds.";
Gauge median_metric{kAnswerName, kAnswerHelp, "quantile=\"0.5\""};
Gauge p99_metric{kAnswerName, kAnswerHelp, "quantile=\"0.99\""};

}  // namespace

void show_lag(std::vector<GroupLag> lag) { lag_metric.take(std::move(lag)); }

int64_t slowest_answer_us(std::string_view statistics, std::string_view percentile) {
  const std::string name = fmt::format("\"{}\":", percentile);
  int64_t out = 0;
  for (size_t at = statistics.find("\"rtt\":"); at != std::string_view::npos;
       at = statistics.find("\"rtt\":", at + 1)) {
    const std::string_view all = statistics.substr(at);
    const std::string_view window = all.substr(0, all.find('}'));
    const size_t found = window.find(name);
    if (found == std::string_view::npos) continue;
    std::string_view digits = window.substr(found + name.size());
    digits.remove_prefix(std::min(digits.find_first_not_of(' '), digits.size()));
    int64_t value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    out = std::max(out, value);
  }
  return out;
}

void show_statistics(std::string_view statistics) {
  median_metric.set(slowest_answer_us(statistics, "p50"));
  p99_metric.set(slowest_answer_us(statistics, "p99"));
}

}  // namespace penstock::log::kafka

namespace penstock::log {

std::vector<GroupBehind> groups_behind() { return kafka::lag_metric.sums(); }

}  // namespace penstock::log
