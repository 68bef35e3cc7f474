#include "ingest/app_filters.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/json_writer.h"
#include "base/metrics.h"
#include "hog/filters.h"
#include "ingest/filter_globals.h"

namespace penstock::ingest {
namespace {

using event::json_type;
using event::JsonFields;
using event::JsonType;

Counter filtered_metric{"penstock_apps_filtered_total",
                        "Events that an app was not asked about, by its filters.",
                        "why=\"no_match\""};
Counter failed_metric{"penstock_apps_filtered_total",
                      "Events that an app was not asked about, by its filters.",
                      "why=\"filtering_failed\""};

constexpr size_t kHeapBytesMax = 16U << 20;

bool is_empty_list(const JsonFields& filters, std::string_view key) {
  const auto raw = filters.find(key);
  if (!raw || json_type(*raw) == JsonType::kNull) return true;
  const auto items = event::split_array(*raw);
  return items && items->empty();
}

/// The names when the filters begin with a list of nothing but named events; empty: they do not.
std::vector<std::string> names_of(const JsonFields& filters) {
  const auto events = event::split_array(filters.find("events").value_or("[]"));
  if (!events || !is_empty_list(filters, "actions")) return {};
  std::vector<std::string> out;
  for (const std::string_view one : *events) {
    const auto fields = JsonFields::parse(one);
    const auto id = fields ? fields->find("id") : std::nullopt;
    if (!id || json_type(*id) != JsonType::kString) return {};
    out.push_back(event::decode_string(*id));
  }
  return out;
}

class FilterHost final : public hog::Host {
 public:
  explicit FilterHost(runtime::Runtime& runtime) : runtime_(runtime) {}
  int64_t now_ms() override { return runtime_.clock().wall_ms(); }
  int64_t clock_us() override { return runtime_.clock().mono_ns() / 1000; }
  double random() override {
    return static_cast<double>(runtime_.random().next() >> 11) * 0x1.0p-53;
  }

 private:
  runtime::Runtime& runtime_;
};

}  // namespace

AppFilters::Compiled& AppFilters::of(const catalog::EnabledApp& app,
                                     const catalog::ProjectSettings& project) {
  Compiled& out = compiled_[app.config.id];
  if (out.text == app.config.filters && out.test_accounts == project.test_account_filters) {
    return out;
  }
  out.text = app.config.filters;
  out.test_accounts = project.test_account_filters;
  out.program = nullptr;
  out.asks_groups = false;
  out.names.clear();
  out.overtime = 0;
  out.rests_until_ms = 0;
  out.counts.error.clear();
  const std::string filters = hog::with_test_accounts(out.text, out.test_accounts);
  out.all = hog::match_everything(filters);
  if (out.all) return out;
  auto program = hog::compile_filters(filters);
  if (program) {
    out.program = std::move(*program);
    out.asks_groups = out.program->to_json().contains("\"group_");
    if (const auto fields = JsonFields::parse(filters)) out.names = names_of(*fields);
  } else {
    out.counts.error = program.error().message;
  }
  return out;
}

bool AppFilters::filters(const catalog::EnabledApp& app, const catalog::ProjectSettings& project) {
  return !of(app, project).all;
}

bool AppFilters::matches(const catalog::EnabledApp& app, const catalog::ProjectSettings& project,
                         const JsonFields& event) {
  Compiled& filter = of(app, project);
  if (filter.all) return true;
  if (!filter.names.empty()) {
    const auto raw = event.find("event");
    const bool text = raw && json_type(*raw) == JsonType::kString;
    const std::string name = text ? event::decode_string(*raw) : std::string();
    if (std::ranges::find(filter.names, name) == filter.names.end()) {
      filter.counts.filtered++;
      filtered_metric.add();
      return false;
    }
  }
  return run(filter, app.config.project, event);
}

bool AppFilters::run(Compiled& filter, ProjectId project, const JsonFields& event) {
  const auto failed = [&] {
    filter.counts.failed++;
    failed_metric.add();
    return false;
  };
  if (filter.program == nullptr) return failed();
  if (filter.rests_until_ms > runtime_.clock().wall_ms()) return failed();
  const GroupOf groups = [&](uint8_t index, std::string_view key) {
    return groups_(project, index, key);
  };
  FilterGlobals globals(event, groups_ ? &groups : nullptr);
  FilterHost host(runtime_);
  hog::Limits limits;
  limits.time_us = kTimeUsMax;
  limits.heap_bytes = kHeapBytesMax;
  limits.async_steps = 0;
  const hog::Outcome& outcome = machine_.run(filter.program, globals, host, limits);
  filter.overtime = outcome.time_us >= kTimeUsMax ? filter.overtime + 1 : 0;
  if (filter.overtime >= kOvertimeMax) {
    filter.rests_until_ms = runtime_.clock().wall_ms() + kRestMs;
    filter.overtime = kOvertimeMax - 1;  // then one more is enough
  }
  if (!outcome.finished()) {
    filter.counts.error = "filters: " + (outcome.state == hog::Outcome::State::kSuspended
                                             ? outcome.async_function + " cannot be called here"
                                             : outcome.error);
    return failed();
  }
  if (hog::matched(outcome)) return true;
  filter.counts.filtered++;
  filtered_metric.add();
  return false;
}

void AppFilters::keep_only(const std::set<int64_t>& configs) {
  std::erase_if(compiled_, [&](const auto& one) { return !configs.contains(one.first); });
}

}  // namespace penstock::ingest
