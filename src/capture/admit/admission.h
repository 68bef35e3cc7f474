// Admission: what becomes of a well-formed event before it is handed to the log.
//
// Every endpoint that takes events asks here once per event, after decoding and before Turn::add.
// In this order: age (historical lane), quota, the project's budget for AI events, whether it takes
// live events at all, its restrictions, the token bucket of its distinct id and whether the project
// floods the lane that all share (overflow lane).
// Recordings have one lane: neither age nor rate moves them. The record is changed in place
// (historical, disposition, reason, skip_persons, data); the answer says in which lane it travels
// and which tag a per-event answer (Capture V1) names. A dropped event still goes through the log,
// without its data, so that the ledger counts it and `trace` knows why.
//
// One per shard, loop thread only; never blocks and never fails. A project's settings are compiled
// when its first event after a change comes.
#pragma once

#include <algorithm>
#include <memory>
#include <string_view>
#include <unordered_map>

#include "capture/admit/overflow.h"
#include "capture/admit/quota.h"
#include "capture/admit/restrictions.h"
#include "capture/options.h"
#include "catalog/catalog.h"
#include "event/lane.h"
#include "event/raw_record.h"
#include "usage/usage.h"

namespace penstock::capture {

inline constexpr std::string_view kOverQuota = "billing_limit_exceeded";
inline constexpr std::string_view kOverAiBytes = "ai_byte_rate_limited";
inline constexpr std::string_view kNotHistorical = "non_historical_import_drop";

/// Whether the answer to a request that held such an event may tell its client to pause.
inline bool asks_to_pause(std::string_view tag) { return tag == kOverQuota || tag == kOverAiBytes; }

struct Admitted {
  event::Lane lane = event::Lane::kMain;
  /// Static text, empty when the event goes on: "billing_limit_exceeded", …
  std::string_view tag{};
  /// Not empty: the event goes to this topic of the project's own instead of being processed; its
  /// record is a dropped one then, and still has its data. Borrowed from the project's settings.
  std::string_view topic{};
};

class Admission {
 public:
  Admission(const CaptureOptions& options, std::shared_ptr<usage::Usage> usage);
  ~Admission();

  /// `project` is null when the token is not known here.
  Admitted admit(const catalog::Project* project, event::RawRecord& record,
                 Endpoint endpoint = Endpoint::kEvents);

  /// To be called before each of `count` events in their order, `id_of(i)` being the distinct id of
  /// the i-th: what the next of them will ask for is fetched meanwhile. Only makes that quicker.
  template <class IdOf>
  void foresee(const catalog::Project* project, std::string_view token, size_t at, size_t count,
               IdOf id_of) const {
    constexpr size_t kAhead = 4;
    const size_t until = std::min(at + kAhead, count);
    for (size_t i = at == 0 ? 0 : at + kAhead - 1; i < until; i++) {
      foresee(project, token, id_of(i));
    }
  }

  /// For what was split off an event that `admitted` let in: it travels with it, and costs neither
  /// quota nor rate. The project's restrictions are asked, because it has a name of its own.
  Admitted admit_part(const catalog::Project* project, event::RawRecord& record,
                      const Admitted& admitted, Endpoint endpoint = Endpoint::kEvents);

  /// For what is no event (a request to /flags): counts one more of the resource and answers true,
  /// or counts a refusal and answers false, as `admit` does for an event.
  bool take(const catalog::Project& project, catalog::QuotaResource resource, int64_t now_ms);
  /// Counts nothing: for what is only told of a limit.
  bool is_over(const catalog::Project& project, catalog::QuotaResource resource, int64_t now_ms);

 private:
  struct Plan;
  void foresee(const catalog::Project* project, std::string_view token,
               std::string_view distinct_id) const;
  const Plan& plan_of(const catalog::Project& project);
  const usage::Month& month_of(int64_t now_ms);
  bool is_over(const Plan& plan, catalog::QuotaResource resource, int64_t now_ms);
  bool over_quota(const Plan& plan, catalog::QuotaResource resource, int64_t now_ms);
  void count(const Plan& plan, catalog::QuotaResource resource, int64_t now_ms);
  /// The tag of what the project does not take at all or not now; empty: it does.
  static std::string_view refused_by(const Plan& plan, const event::RawRecord& record,
                                     catalog::QuotaResource resource);
  static Restricted restrict(const Plan& plan, event::RawRecord& record, Endpoint endpoint);
  static Admitted divert(const Restricted& how, event::RawRecord& record, event::Lane calm);
  bool overflows(const Plan* plan, const event::RawRecord& record);
  bool floods(const Plan* plan, const event::RawRecord& record);
  /// By the overflow lane, because of its distinct id or its project; both are told of every event.
  bool goes_round(const Plan* plan, const event::RawRecord& record) {
    const bool rate = overflows(plan, record), flood = floods(plan, record);
    return rate || flood;
  }

  const CaptureOptions& options_;
  const std::shared_ptr<usage::Usage> usage_;
  const size_t shard_;
  OverflowLimiter overflow_;
  const catalog::OverflowLimit overflow_default_;
  std::unordered_map<int64_t, std::unique_ptr<Plan>> plans_;  // by project id
  const Plan* last_ = nullptr;
  uint64_t strangers_owe_ = 0;  // as Plan::owed
  usage::Month month_;
};

}  // namespace penstock::capture
