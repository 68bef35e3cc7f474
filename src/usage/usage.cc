#include "usage/usage.h"

#include "base/assert.h"
#include "base/json_writer.h"
#include "event/json_fields.h"

#include <algorithm>
#include <charconv>

namespace penstock::usage {
namespace {

using catalog::QuotaResource;

Result<int64_t> integer(const event::JsonFields& fields, std::string_view key) {
  const auto raw = fields.find(key);
  int64_t value = 0;
  if (!raw) return value;
  const auto [end, error] = std::from_chars(raw->data(), raw->data() + raw->size(), value);
  if (error != std::errc() || end != raw->data() + raw->size() || value < 0) {
    return fail(Code::kCorrupt, std::string(key) + " is not a count");
  }
  return value;
}

}  // namespace

size_t Usage::join() {
  const size_t mine = joined_.fetch_add(1);
  PENSTOCK_ASSERT(mine < shards_);
  return mine;
}

Meter& Usage::meter(ProjectId project) {
  const std::lock_guard lock(mutex_);
  auto& meter = meters_[project];
  if (!meter) meter = std::make_unique<Meter>(project, shards_);
  return *meter;
}

bool Usage::is_shared(ProjectId project, int64_t since_ms) const {
  const std::lock_guard held(mutex_);
  return std::ranges::any_of(meters_, [&](const auto& each) {
    return each.first != project && each.second->flood().seen_ms() > since_ms;
  });
}

std::string Usage::encode(const Month& month) const {
  JsonWriter w;
  w.begin_object().field("version", 1).field("month", month.text()).key("projects").begin_array();
  const std::lock_guard lock(mutex_);
  for (const auto& [id, meter] : meters_) {
    w.begin_object().field("id", id.value);
    for (size_t r = 0; r < catalog::kQuotaResources; r++) {
      const auto resource = static_cast<QuotaResource>(r);
      const Meter::Counts counts = meter->counts(resource, month);
      if (counts.used == 0 && counts.refused == 0) continue;
      w.key(quota_resource_name(resource)).begin_object().field("used", counts.used);
      w.field("refused", counts.refused).field("limited_since_ms", counts.limited_since_ms);
      w.end_object();
    }
    w.end_object();
  }
  return w.end_array().end_object().take();
}

Status Usage::decode(std::string_view text, int64_t now_ms) {
  PENSTOCK_TRY(const auto top, event::JsonFields::parse(text));
  PENSTOCK_TRY(const int64_t version, integer(top, "version"));
  const auto month_raw = top.find("month");
  const bool readable =
      version == 1 && month_raw && event::json_type(*month_raw) == event::JsonType::kString;
  const auto month = readable ? parse_month(event::decode_string(*month_raw)) : std::nullopt;
  if (!month) return fail(Code::kCorrupt, "these are not counts of a version known here");
  if (!month->holds(now_ms)) return {};
  PENSTOCK_TRY(const auto projects, event::split_array(top.find("projects").value_or("[]")));
  for (const std::string_view raw : projects) {
    PENSTOCK_TRY(const auto fields, event::JsonFields::parse(raw));
    PENSTOCK_TRY(const int64_t id, integer(fields, "id"));
    Meter& mine = meter(ProjectId{id});
    for (const auto& [key, value] : fields.fields()) {
      const auto resource = catalog::quota_resource_named(key);
      if (!resource) continue;
      PENSTOCK_TRY(const auto counts, event::JsonFields::parse(value));
      PENSTOCK_TRY(const int64_t used, integer(counts, "used"));
      PENSTOCK_TRY(const int64_t refused, integer(counts, "refused"));
      PENSTOCK_TRY(const int64_t since_ms, integer(counts, "limited_since_ms"));
      mine.restore(*resource,
                   {static_cast<uint64_t>(used), static_cast<uint64_t>(refused), since_ms}, *month);
    }
  }
  return {};
}

}  // namespace penstock::usage
