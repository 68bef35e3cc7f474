#include "capture/admit/admission.h"

#include <utility>

#include "base/hash.h"
#include "capture/metrics.h"

namespace penstock::capture {
namespace {

using catalog::QuotaResource;
using event::Disposition;
using event::Lane;

constexpr int64_t kDayMs = 86'400'000;
constexpr size_t kBytesOfOneMore = 4096;  // a large event is dear to everybody behind it
constexpr uint64_t kTellAt = 32;          // shards need not meet at every event
constexpr int64_t kOthersMs = 5000;       // who sent something in that time is there
constexpr std::string_view kDropped = "event_restriction_drop";
constexpr std::string_view kQuarantined = "event_restriction";
constexpr std::string_view kRedirected = "redirected_to_topic";

void drop(event::RawRecord& record, std::string_view reason) {
  record.disposition = Disposition::kDrop;
  record.reason = reason;
  record.data = {};
}

/// The key is the partition's (contract section 5), the project standing for its token.
uint64_t overflow_key(ProjectId project, std::string_view token, std::string_view id) {
  constexpr uint64_t kSpread = 0x9e3779b97f4a7c15;
  return hash64(
      id, project.value != 0 ? static_cast<uint64_t>(project.value) * kSpread : hash64(token));
}

/// Where an event travels that nothing slows down.
Lane calm_lane(const event::RawRecord& record, bool recording) {
  if (recording) return Lane::kReplay;
  if (record.event == "$exception") return Lane::kExceptions;
  return record.historical ? Lane::kHistorical : Lane::kMain;
}

}  // namespace

/// A project's settings, ready to be asked; made anew when they change.
struct Admission::Plan {
  Plan(const catalog::Project& project, usage::Meter& counts)
      : id(project.id),
        settings(project.settings),
        admission(settings->admission),
        restrictions(admission.restrictions),
        meter(counts) {}

  ProjectId id;
  std::shared_ptr<const catalog::ProjectSettings> settings;  // what everything here borrows from
  const catalog::AdmissionSettings& admission;
  RestrictionPlan restrictions;
  usage::Meter& meter;
  mutable uint64_t owed = 0;  // events that the project's flood has not been told of
};

Admission::Admission(const CaptureOptions& options, std::shared_ptr<usage::Usage> usage)
    : options_(options),
      usage_(std::move(usage)),
      shard_(usage_->join()),
      overflow_(options.overflow_keys_max),
      overflow_default_{options.overflow_events_per_second, options.overflow_burst} {}

Admission::~Admission() = default;

const Admission::Plan& Admission::plan_of(const catalog::Project& project) {
  const auto fits = [&project](const Plan* plan) {
    return plan != nullptr && plan->settings == project.settings && plan->id == project.id;
  };
  if (fits(last_)) return *last_;
  auto& plan = plans_[project.id.value];
  if (!fits(plan.get())) plan = std::make_unique<Plan>(project, usage_->meter(project.id));
  last_ = plan.get();
  return *last_;
}

const usage::Month& Admission::month_of(int64_t now_ms) {
  if (!month_.holds(now_ms)) month_ = usage::month_at(now_ms);
  return month_;
}

bool Admission::over_quota(const Plan& plan, QuotaResource resource, int64_t now_ms) {
  if (!is_over(plan, resource, now_ms)) return false;
  plan.meter.refuse(shard_, resource, 1, month_of(now_ms), now_ms);
  metrics().over_quota.add();
  return true;
}

bool Admission::is_over(const Plan& plan, QuotaResource resource, int64_t now_ms) {
  const auto& quota = plan.admission.quotas[static_cast<size_t>(resource)];
  return quota && plan.meter.is_over(resource, *quota, month_of(now_ms), now_ms);
}

bool Admission::is_over(const catalog::Project& project, QuotaResource resource, int64_t now_ms) {
  return is_over(plan_of(project), resource, now_ms);
}

void Admission::count(const Plan& plan, QuotaResource resource, int64_t now_ms) {
  plan.meter.count(shard_, resource, 1, month_of(now_ms));
}

bool Admission::take(const catalog::Project& project, QuotaResource resource, int64_t now_ms) {
  const Plan& plan = plan_of(project);
  if (over_quota(plan, resource, now_ms)) return false;
  count(plan, resource, now_ms);
  return true;
}

bool Admission::overflows(const Plan* plan, const event::RawRecord& record) {
  const bool own = plan != nullptr && plan->admission.overflow.has_value();
  const catalog::OverflowLimit& limit = own ? *plan->admission.overflow : overflow_default_;
  if (limit.events_per_second == 0) return false;
  const uint64_t key = overflow_key(plan == nullptr ? ProjectId{} : plan->id, record.token,
                                    record.cookieless ? record.ip : record.distinct_id);
  return !overflow_.admits(key, limit, record.now_ms);
}

bool Admission::floods(const Plan* plan, const event::RawRecord& record) {
  if (options_.flood_events_per_second == 0) return false;
  usage::Meter& meter = plan == nullptr ? usage_->strangers() : plan->meter;
  usage::Flood& flood = meter.flood();
  flood.seen(record.now_ms);
  uint64_t& owed = plan == nullptr ? strangers_owe_ : plan->owed;
  owed += 1 + record.data.size() / kBytesOfOneMore;
  if (owed >= kTellAt) {
    const uint64_t rate =
        uint64_t{options_.flood_events_per_second} * (plan == nullptr ? 1 : plan->admission.weight);
    if (!flood.keeps_within(std::exchange(owed, 0), rate, record.now_ms) &&
        usage_->is_shared(meter.project(), record.now_ms - kOthersMs)) {
      flood.floods(record.now_ms);
    }
  }
  return flood.is_flooding(record.now_ms);
}

Restricted Admission::restrict(const Plan& plan, event::RawRecord& record, Endpoint endpoint) {
  if (plan.restrictions.empty()) return {};
  const Restricted how = plan.restrictions.apply(record, pipeline_of(record.event, endpoint));
  record.skip_persons = record.skip_persons || how.skip_persons;
  return how;
}

/// For restrictions that divert.
Admitted Admission::divert(const Restricted& how, event::RawRecord& record, Lane calm) {
  metrics().restricted.add();
  if (how.drop) {
    drop(record, kDropped);
    return {calm, kDropped, {}};
  }
  if (how.quarantine) {
    record.disposition = Disposition::kQuarantine;
    record.reason = kQuarantined;
    return {calm, {}, {}};
  }
  record.disposition = Disposition::kDrop;
  record.reason = kRedirected;
  return {calm, {}, how.topic};
}

std::string_view Admission::refused_by(const Plan& plan, const event::RawRecord& record,
                                       QuotaResource resource) {
  if (plan.admission.historical_only && !record.historical &&
      resource != QuotaResource::kRecordings) {
    return kNotHistorical;
  }
  const auto& rate = plan.admission.ai_bytes;
  if (rate && resource == QuotaResource::kLlmEvents &&
      !plan.meter.ai_bytes().take(record.data.size(), rate->bytes_per_second, rate->burst,
                                  record.now_ms)) {
    return kOverAiBytes;
  }
  return {};
}

Admitted Admission::admit_part(const catalog::Project* project, event::RawRecord& record,
                               const Admitted& admitted, Endpoint endpoint) {
  Lane lane = admitted.lane;
  if (project != nullptr) {
    const Restricted how = restrict(plan_of(*project), record, endpoint);
    if (how.diverts()) return divert(how, record, lane);
    if (how.overflow && lane == Lane::kMain) lane = Lane::kOverflow;
  }
  return {lane, {}, {}};
}

void Admission::foresee(const catalog::Project* project, std::string_view token,
                        std::string_view distinct_id) const {
  overflow_.foresee(
      overflow_key(project == nullptr ? ProjectId{} : project->id, token, distinct_id));
}

Admitted Admission::admit(const catalog::Project* project, event::RawRecord& record,
                          Endpoint endpoint) {
  const Plan* plan = project == nullptr ? nullptr : &plan_of(*project);
  int32_t days = options_.historical_after_days;
  if (plan != nullptr && plan->admission.historical_after_days.value_or(0) > 0) {
    days = *plan->admission.historical_after_days;
  }
  const bool recording = endpoint == Endpoint::kRecordings;  // has one lane
  if (days > 0 && !recording && record.timestamp_ms <= record.now_ms - int64_t{days} * kDayMs) {
    record.historical = true;
  }
  const Lane calm = calm_lane(record, recording);
  if (record.disposition != Disposition::kProcess) return {calm, record.reason, {}};
  if (plan == nullptr) {
    const bool over = calm == Lane::kMain && goes_round(nullptr, record);
    if (over) metrics().overflowed.add();
    return {over ? Lane::kOverflow : calm, {}, {}};
  }

  const QuotaResource resource = resource_of(record, endpoint);
  if (over_quota(*plan, resource, record.now_ms)) {
    drop(record, kOverQuota);
    return {calm, kOverQuota, {}};
  }
  if (const std::string_view tag = refused_by(*plan, record, resource); !tag.empty()) {
    metrics().restricted.add();
    drop(record, tag);
    return {calm, tag, {}};
  }
  const Restricted restricted = restrict(*plan, record, endpoint);
  if (!restricted.drop) count(*plan, resource, record.now_ms);
  if (restricted.diverts()) return divert(restricted, record, calm);
  if (calm != Lane::kMain) return {calm, {}, {}};
  if (goes_round(plan, record) || restricted.overflow) {
    metrics().overflowed.add();
    return {Lane::kOverflow, {}, {}};
  }
  return {Lane::kMain, {}, {}};
}

}  // namespace penstock::capture
