#include "base/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <mutex>

namespace penstock {
namespace {

struct Registry {
  std::mutex mutex;
  std::vector<const Metric*> metrics;
};

Registry& registry() {
  static Registry instance;
  return instance;
}

std::string_view kind_name(MetricKind kind) {
  switch (kind) {
    case MetricKind::kCounter: return "counter";
    case MetricKind::kGauge: return "gauge";
    case MetricKind::kHistogram: return "histogram";
  }
  return "untyped";
}

std::string braces(std::string_view labels) {
  return labels.empty() ? std::string() : fmt::format("{{{}}}", labels);
}

}  // namespace

Metric::Metric(MetricKind kind, std::string_view name, std::string_view help,
               std::string_view labels)
    : kind_(kind), name_(name), help_(help), labels_(labels) {
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  r.metrics.push_back(this);
}

void Counter::render(std::string& out) const {
  out += fmt::format("{}{} {}\n", name(), braces(labels()), value());
}

void Gauge::render(std::string& out) const {
  out += fmt::format("{}{} {}\n", name(), braces(labels()), value());
}

void LatencyHistogram::record_us(int64_t us) {
  const uint64_t v = us < 1 ? 1 : static_cast<uint64_t>(us);
  const size_t bucket = std::min<size_t>(std::bit_width(v - 1), kBuckets - 1);
  buckets_[bucket].fetch_add(1, std::memory_order_relaxed);
  count_.fetch_add(1, std::memory_order_relaxed);
  sum_us_.fetch_add(us, std::memory_order_relaxed);
}

int64_t LatencyHistogram::quantile_us(double q) const {
  const uint64_t n = count();
  if (n == 0) return 0;
  const auto wanted = static_cast<uint64_t>(q * static_cast<double>(n) + 0.999999);
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; i++) {
    seen += buckets_[i].load(std::memory_order_relaxed);
    if (seen >= wanted) return int64_t{1} << i;
  }
  return int64_t{1} << (kBuckets - 1);
}

void LatencyHistogram::render(std::string& out) const {
  const std::string separator = labels().empty() ? "" : ",";
  uint64_t seen = 0;
  for (size_t i = 0; i + 1 < kBuckets; i++) {
    seen += buckets_[i].load(std::memory_order_relaxed);
    out += fmt::format("{}_bucket{{{}{}le=\"{}\"}} {}\n", name(), labels(), separator,
                       static_cast<double>(int64_t{1} << i) / 1e6, seen);
  }
  seen += buckets_[kBuckets - 1].load(std::memory_order_relaxed);
  out += fmt::format("{}_bucket{{{}{}le=\"+Inf\"}} {}\n", name(), labels(), separator, seen);
  out += fmt::format("{}_sum{} {}\n", name(), braces(labels()),
                     static_cast<double>(sum_us_.load(std::memory_order_relaxed)) / 1e6);
  out += fmt::format("{}_count{} {}\n", name(), braces(labels()), seen);
}

std::vector<const Metric*> all_metrics() {
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  std::vector<const Metric*> out = r.metrics;
  std::stable_sort(out.begin(), out.end(),
                   [](const Metric* a, const Metric* b) { return a->name() < b->name(); });
  return out;
}

std::string render_metrics() {
  std::string out;
  std::string_view last;
  for (const Metric* m : all_metrics()) {
    if (m->name() != last) {
      out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", m->name(), m->help(), m->name(),
                         kind_name(m->kind()));
      last = m->name();
    }
    m->render(out);
  }
  return out;
}

}  // namespace penstock
