// Counters, gauges and histograms that sit where the work is done.
//
// A metric is a static object: `Counter requests{"penstock_capture_requests_total", "…"}`. Objects
// register themselves once at start and live for ever; updates are relaxed atomics, from any
// thread. The Prometheus page, docs/METRICS.md and the UI read the registry; nothing else does.
// Names are penstock_<room>_<thing>_<unit>.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace penstock {

enum class MetricKind : unsigned char { kCounter, kGauge, kHistogram };

class Metric {
 public:
  /// `labels` is the inside of the braces as Prometheus prints it (`reason="x"`), or empty.
  Metric(MetricKind kind, std::string_view name, std::string_view help, std::string_view labels);
  virtual ~Metric() = default;
  Metric(const Metric&) = delete;
  Metric& operator=(const Metric&) = delete;

  MetricKind kind() const { return kind_; }
  std::string_view name() const { return name_; }
  std::string_view help() const { return help_; }
  std::string_view labels() const { return labels_; }
  /// Appends this metric's lines in Prometheus text format (without HELP and TYPE).
  virtual void render(std::string& out) const = 0;

 private:
  MetricKind kind_;
  std::string name_, help_, labels_;
};

class Counter : public Metric {
 public:
  Counter(std::string_view name, std::string_view help, std::string_view labels = "")
      : Metric(MetricKind::kCounter, name, help, labels) {}
  void add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }
  void render(std::string& out) const override;

 private:
  std::atomic<uint64_t> value_{0};
};

class Gauge : public Metric {
 public:
  Gauge(std::string_view name, std::string_view help, std::string_view labels = "")
      : Metric(MetricKind::kGauge, name, help, labels) {}
  void set(int64_t v) { value_.store(v, std::memory_order_relaxed); }
  void add(int64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }
  void render(std::string& out) const override;

 private:
  std::atomic<int64_t> value_{0};
};

/// Latencies in microseconds, in powers of two from 1 µs to about 67 s.
class LatencyHistogram : public Metric {
 public:
  static constexpr size_t kBuckets = 27;
  LatencyHistogram(std::string_view name, std::string_view help, std::string_view labels = "")
      : Metric(MetricKind::kHistogram, name, help, labels) {}
  void record_us(int64_t us);
  uint64_t count() const { return count_.load(std::memory_order_relaxed); }
  /// Upper bound in µs of the bucket that holds quantile `q` (0..1); 0 when empty.
  int64_t quantile_us(double q) const;
  void render(std::string& out) const override;

 private:
  std::array<std::atomic<uint64_t>, kBuckets> buckets_{};
  std::atomic<uint64_t> count_{0};
  std::atomic<int64_t> sum_us_{0};
};

/// Every registered metric, in the order of their names.
std::vector<const Metric*> all_metrics();
/// The whole Prometheus text page.
std::string render_metrics();

}  // namespace penstock
