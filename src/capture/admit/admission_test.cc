// Goal: quotas, restrictions, the token bucket and the age rule do to an event exactly what the
// contract says, in its order, and only to the project that asked for them.
#include "capture/admit/admission.h"

#include <gtest/gtest.h>

#include "event/timestamp.h"
#include "runtime/sim_runtime.h"

namespace penstock::capture {
namespace {

using catalog::QuotaResource;
using event::Disposition;
using event::Lane;

class AdmissionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const catalog::Principal by{std::nullopt, "test", ProjectId{}};
    for (const char* token : {"phc_a", "phc_b"}) {
      ASSERT_TRUE(catalog_->create_project(by, token, token));
    }
  }
  /// Gives a project settings as its people would write them.
  void set(std::string_view token, std::string json) {
    const catalog::Principal by{std::nullopt, "test", ProjectId{}};
    const auto id = catalog_->snapshot()->find_token(token)->id;
    const auto done = catalog_->set_project_setting(by, id, "admission", std::move(json));
    ASSERT_TRUE(done) << done.error().message;
  }
  Admission& admission() {
    if (!admission_) admission_ = std::make_unique<Admission>(options_, usage_);
    return *admission_;
  }
  static event::RawRecord record(std::string_view name = "seen", std::string_view id = "u1") {
    event::RawRecord r;
    r.uuid.bytes[0] = 1;
    r.now_ms = kNow;
    r.timestamp_ms = kNow;
    r.token = "phc_a";
    r.distinct_id = id;
    r.event = name;
    r.data = R"({"event":"e","properties":{}})";
    return r;
  }
  Admitted admit(event::RawRecord& r, Endpoint endpoint = Endpoint::kEvents) {
    snapshot_ = catalog_->snapshot();
    return admission().admit(snapshot_->find_token(r.token), r, endpoint);
  }
  Admitted admit(std::string_view name, std::string_view id = "u1") {
    last_ = record(name, id);
    return admit(last_);
  }
  uint64_t used(QuotaResource resource, std::string_view token = "phc_a") {
    return usage_->meter(catalog_->snapshot()->find_token(token)->id)
        .used(resource, usage::month_at(kNow));
  }

  static constexpr int64_t kNow = 1'795'000'000'000;
  runtime::SimRuntime runtime_{1};
  CaptureOptions options_;
  std::shared_ptr<usage::Usage> usage_ = std::make_shared<usage::Usage>(1);
  std::unique_ptr<catalog::Catalog> catalog_ = catalog::make_memory_catalog(runtime_);
  std::shared_ptr<const catalog::Snapshot> snapshot_;
  std::unique_ptr<Admission> admission_;
  event::RawRecord last_;
};

TEST_F(AdmissionTest, WithoutSettingsEventsGoToTheMainLaneUntouched) {
  const Admitted a = admit("seen");
  EXPECT_EQ(a.lane, Lane::kMain);
  EXPECT_TRUE(a.tag.empty());
  EXPECT_EQ(last_.disposition, Disposition::kProcess);
  EXPECT_FALSE(last_.data.empty());
  EXPECT_EQ(used(QuotaResource::kEvents), 1U);
}

TEST_F(AdmissionTest, AQuotaDropsWhatIsBeyondItAndCountsTheRest) {
  set("phc_a", R"({"quotas":[{"resource":"events","events_per_month_max":2}]})");
  EXPECT_TRUE(admit("a").tag.empty());
  EXPECT_TRUE(admit("b").tag.empty());
  EXPECT_EQ(admit("c").tag, "billing_limit_exceeded");
  EXPECT_EQ(last_.disposition, Disposition::kDrop);
  EXPECT_EQ(last_.reason, "billing_limit_exceeded");
  EXPECT_TRUE(last_.data.empty());
  EXPECT_EQ(used(QuotaResource::kEvents), 2U);
  event::RawRecord other = record();
  other.token = "phc_b";
  EXPECT_TRUE(admit(other).tag.empty()) << "another project's quota";
  // Raised: at once, without a restart.
  set("phc_a", R"({"quotas":[{"resource":"events","events_per_month_max":3}]})");
  EXPECT_TRUE(admit("c").tag.empty());
  EXPECT_EQ(admit("d").tag, "billing_limit_exceeded");
}

TEST_F(AdmissionTest, TheQuotaBeginsAnewWithTheMonth) {
  set("phc_a", R"({"quotas":[{"resource":"events","events_per_month_max":1}]})");
  EXPECT_TRUE(admit("a").tag.empty());
  EXPECT_FALSE(admit("b").tag.empty());
  event::RawRecord later = record();
  later.now_ms = later.timestamp_ms = usage::month_at(kNow).end_ms;
  EXPECT_TRUE(admit(later).tag.empty());
}

TEST_F(AdmissionTest, AProjectThatTakesOnlyImportsDropsWhatIsLive) {
  set("phc_a", R"({"historical_only":true})");
  EXPECT_EQ(admit("seen").tag, "non_historical_import_drop");
  EXPECT_EQ(last_.disposition, Disposition::kDrop);
  EXPECT_EQ(last_.reason, "non_historical_import_drop");
  EXPECT_EQ(admit("$exception").tag, "non_historical_import_drop");
  EXPECT_EQ(used(QuotaResource::kEvents), 0U) << "what is dropped costs no quota";
  event::RawRecord imported = record();
  imported.historical = true;
  const Admitted taken = admit(imported);
  EXPECT_TRUE(taken.tag.empty());
  EXPECT_EQ(taken.lane, Lane::kHistorical);
  event::RawRecord part = record("$snapshot_items");
  EXPECT_TRUE(admit(part, Endpoint::kRecordings).tag.empty()) << "recordings are never imported";
  event::RawRecord other = record();
  other.token = "phc_b";
  EXPECT_TRUE(admit(other).tag.empty());
  set("phc_a", R"({"historical_only":false})");
  EXPECT_TRUE(admit("seen").tag.empty());
}

TEST_F(AdmissionTest, AiEventsHaveABudgetOfBytes) {
  set("phc_a", R"({"ai_bytes":{"bytes_per_second":1000,"burst":2000}})");
  const std::string data(900, 'x');
  const auto ai = [&](int64_t after_ms, std::string_view name = "$ai_generation") {
    last_ = record(name);
    last_.now_ms = last_.timestamp_ms = kNow + after_ms;
    last_.data = data;
    return admit(last_).tag;
  };
  EXPECT_EQ(ai(0), "");
  EXPECT_EQ(ai(0), "");
  EXPECT_EQ(ai(0), "ai_byte_rate_limited");
  EXPECT_EQ(last_.reason, "ai_byte_rate_limited");
  EXPECT_EQ(ai(0, "seen"), "") << "other events have no such budget";
  EXPECT_EQ(ai(699), "ai_byte_rate_limited") << "1,800 taken, 699 come back, 900 asked";
  EXPECT_EQ(ai(700), "");
  EXPECT_EQ(ai(700), "ai_byte_rate_limited");
}

TEST_F(AdmissionTest, ScopedResourcesAreLimitedApart) {
  set("phc_a", R"({"quotas":[{"resource":"events","limited_until":"2099-01-01T00:00:00Z"},
                             {"resource":"surveys","events_per_month_max":0}]})");
  EXPECT_FALSE(admit("seen").tag.empty());
  for (const char* exempt : {"$exception", "$ai_generation", "$ai_anything"}) {
    EXPECT_TRUE(admit(exempt).tag.empty()) << exempt << " survives the global limit";
  }
  EXPECT_EQ(used(QuotaResource::kLlmEvents), 2U);
  EXPECT_EQ(used(QuotaResource::kExceptions), 1U);
  EXPECT_FALSE(admit("survey sent").tag.empty());
  // A product tour's survey is an event like others, so the global limit has it.
  event::RawRecord tour = record("survey sent");
  tour.data = R"({"event":"survey sent","properties":{"$product_tour_id":"t"}})";
  EXPECT_EQ(resource_of(tour, Endpoint::kEvents), QuotaResource::kEvents);
  tour.data = R"({"event":"survey sent","properties":{"a":"$product_tour_id"}})";
  EXPECT_EQ(resource_of(tour, Endpoint::kEvents), QuotaResource::kSurveys);
  EXPECT_EQ(resource_of(record("survey abandoned"), Endpoint::kEvents), QuotaResource::kEvents);
  EXPECT_EQ(resource_of(record("$snapshot_items"), Endpoint::kRecordings),
            QuotaResource::kRecordings);
}

TEST_F(AdmissionTest, WhatIsNoEventIsCountedByTheSameQuota) {
  set("phc_a", R"({"quotas":[{"resource":"feature_flags","events_per_month_max":2}]})");
  snapshot_ = catalog_->snapshot();
  const catalog::Project& a = *snapshot_->find_token("phc_a");
  EXPECT_TRUE(admission().take(a, QuotaResource::kFeatureFlags, kNow));
  EXPECT_FALSE(admission().is_over(a, QuotaResource::kFeatureFlags, kNow));
  EXPECT_TRUE(admission().take(a, QuotaResource::kFeatureFlags, kNow));
  EXPECT_TRUE(admission().is_over(a, QuotaResource::kFeatureFlags, kNow));
  EXPECT_FALSE(admission().take(a, QuotaResource::kFeatureFlags, kNow));
  EXPECT_TRUE(admission().take(a, QuotaResource::kRecordings, kNow));
  const auto counts =
      usage_->meter(a.id).counts(QuotaResource::kFeatureFlags, usage::month_at(kNow));
  EXPECT_EQ(counts.used, 2U);
  EXPECT_EQ(counts.refused, 1U);
  EXPECT_EQ(counts.limited_since_ms, kNow);
}

TEST_F(AdmissionTest, WhatIsSplitOffTravelsAlongAndCostsNothing) {
  set("phc_a", R"({"overflow":{"events_per_second":1,"burst":1}})");
  for (const Lane lane : {Lane::kMain, Lane::kOverflow}) {
    event::RawRecord whole = record("seen"), part = record("$$heatmap");
    const Admitted admitted = admit(whole);
    EXPECT_EQ(admitted.lane, lane);
    EXPECT_EQ(admission().admit_part(snapshot_->find_token("phc_a"), part, admitted).lane, lane);
  }
  EXPECT_EQ(used(QuotaResource::kEvents), 2U);
  event::RawRecord unknown = record("$$heatmap");
  EXPECT_EQ(admission().admit_part(nullptr, unknown, {Lane::kHistorical, {}, {}}).lane,
            Lane::kHistorical);
}

TEST_F(AdmissionTest, RestrictionsNameWhatIsSplitOff) {
  set("phc_a", R"({"restrictions":[
      {"type":"drop_event_from_ingestion","event_names":["$$heatmap"],"distinct_ids":["u1"]},
      {"type":"redirect_to_topic","topic":"lab","event_names":["$$heatmap"],"distinct_ids":["u2"]},
      {"type":"force_overflow_from_ingestion","distinct_ids":["u3"]}]})");
  const auto part_of = [&](std::string_view id) {
    event::RawRecord whole = record("seen", id);
    const Admitted admitted = admit(whole);
    EXPECT_EQ(whole.disposition, Disposition::kProcess);
    last_ = record("$$heatmap", id);
    return admission().admit_part(snapshot_->find_token("phc_a"), last_, admitted);
  };
  EXPECT_EQ(part_of("u1").tag, "event_restriction_drop");
  EXPECT_EQ(last_.reason, "event_restriction_drop");
  EXPECT_EQ(part_of("u2").topic, "lab");
  EXPECT_EQ(part_of("u3").lane, Lane::kOverflow);
  EXPECT_EQ(part_of("u4").lane, Lane::kMain);
}

TEST_F(AdmissionTest, RestrictionsMatchAllKindsAndAnyEntry) {
  set("phc_a", R"({"restrictions":[{"type":"drop_event_from_ingestion",
      "distinct_ids":["u1","u2"],"event_names":["seen","clicked"]}]})");
  EXPECT_EQ(admit("seen", "u1").tag, "event_restriction_drop");
  EXPECT_EQ(admit("clicked", "u2").tag, "event_restriction_drop");
  EXPECT_TRUE(last_.data.empty());
  EXPECT_TRUE(admit("seen", "u3").tag.empty());
  EXPECT_TRUE(admit("bought", "u1").tag.empty());
  EXPECT_EQ(used(QuotaResource::kEvents), 2U) << "what a restriction drops is not used";
}

TEST_F(AdmissionTest, RestrictionsBySessionAndUuidAndWithoutFilter) {
  set("phc_a", R"({"restrictions":[
      {"type":"drop_event_from_ingestion","session_ids":["s1"]},
      {"type":"drop_event_from_ingestion","event_uuids":["0190a3b1-7c2d-7e3f-8a4b-5c6d7e8f9012"]},
      {"type":"skip_person_processing"}]})");
  event::RawRecord r = record();
  r.session_id = "s1";
  EXPECT_FALSE(admit(r).tag.empty());
  r = record();
  r.uuid = *Uuid::parse("0190a3b1-7c2d-7e3f-8a4b-5c6d7e8f9012");
  EXPECT_FALSE(admit(r).tag.empty());
  r = record();
  EXPECT_TRUE(admit(r).tag.empty());
  EXPECT_TRUE(r.skip_persons) << "no filter matches everything";
}

TEST_F(AdmissionTest, RestrictionsKnowTheirPipelines) {
  set("phc_a", R"({"restrictions":[
      {"type":"drop_event_from_ingestion","pipelines":["errortracking"]},
      {"type":"redirect_to_dlq","pipelines":["ai","session_recordings"]}]})");
  EXPECT_TRUE(admit("seen").tag.empty());
  EXPECT_EQ(last_.disposition, Disposition::kProcess);
  EXPECT_FALSE(admit("$exception").tag.empty());
  EXPECT_TRUE(admit("$ai_span").tag.empty());
  EXPECT_EQ(last_.disposition, Disposition::kQuarantine);
  EXPECT_EQ(last_.reason, "event_restriction");
  EXPECT_FALSE(last_.data.empty()) << "quarantine keeps the event";
  event::RawRecord own = record();
  admit(own, Endpoint::kAi);
  EXPECT_EQ(own.disposition, Disposition::kQuarantine) << "by endpoint, whatever its name";
  own = record("$snapshot_items");
  admit(own, Endpoint::kRecordings);
  EXPECT_EQ(own.disposition, Disposition::kQuarantine);
}

TEST_F(AdmissionTest, ForcedOverflowAndItsPrecedence) {
  set("phc_a", R"({"restrictions":[
      {"type":"force_overflow_from_ingestion","distinct_ids":["hot","both"]},
      {"type":"redirect_to_dlq","distinct_ids":["both"]}]})");
  EXPECT_EQ(admit("seen", "hot").lane, Lane::kOverflow);
  EXPECT_EQ(admit("seen", "cool").lane, Lane::kMain);
  EXPECT_EQ(admit("seen", "both").lane, Lane::kMain) << "quarantine comes before overflow";
  EXPECT_EQ(last_.disposition, Disposition::kQuarantine);
  event::RawRecord old = record("seen", "hot");
  old.historical = true;
  EXPECT_EQ(admit(old).lane, Lane::kHistorical) << "historical comes before overflow";
}

TEST_F(AdmissionTest, ARedirectedEventIsDroppedHereAndKeepsItsDataForTheTopic) {
  set("phc_a", R"({"restrictions":[
      {"type":"redirect_to_topic","topic":"lab","event_names":["seen"]},
      {"type":"redirect_to_dlq","distinct_ids":["both"]}]})");
  const Admitted a = admit("seen");
  EXPECT_EQ(a.topic, "lab");
  EXPECT_TRUE(a.tag.empty()) << "accepted, as far as the client is concerned";
  EXPECT_EQ(last_.disposition, Disposition::kDrop);
  EXPECT_EQ(last_.reason, "redirected_to_topic");
  EXPECT_FALSE(last_.data.empty());
  EXPECT_TRUE(admit("clicked").topic.empty());
  EXPECT_TRUE(admit("seen", "both").topic.empty()) << "quarantine comes before a topic";
  EXPECT_EQ(last_.disposition, Disposition::kQuarantine);
}

TEST_F(AdmissionTest, RecordingsHaveOneLane) {
  set("phc_a", R"({"historical_after_days":1,"overflow":{"events_per_second":1,"burst":1},
                   "quotas":[{"resource":"recordings","events_per_month_max":3}]})");
  for (int i = 0; i < 4; i++) {
    event::RawRecord r = record("$snapshot_items");
    r.timestamp_ms = 0;
    const Admitted a = admit(r, Endpoint::kRecordings);
    EXPECT_EQ(a.lane, Lane::kReplay);
    EXPECT_FALSE(r.historical);
    EXPECT_EQ(a.tag.empty(), i < 3);
  }
}

TEST_F(AdmissionTest, ManySmallRulesCostOneLookUp) {
  std::vector<catalog::EventRestriction> rules(500);
  for (size_t i = 0; i < rules.size(); i++) rules[i].distinct_ids = {"u" + std::to_string(i)};
  const RestrictionPlan plan(rules);
  for (const char* blocked : {"u0", "u250", "u499"}) {
    EXPECT_TRUE(plan.apply(record("seen", blocked), catalog::Pipeline::kAnalytics).drop);
  }
  EXPECT_FALSE(plan.apply(record("seen", "u500"), catalog::Pipeline::kAnalytics).drop);
}

TEST_F(AdmissionTest, ADistinctIdAboveItsRateOverflowsAndComesBack) {
  options_.overflow_events_per_second = 10;
  options_.overflow_burst = 5;
  for (int i = 0; i < 5; i++) EXPECT_EQ(admit("seen", "hot").lane, Lane::kMain) << i;
  EXPECT_EQ(admit("seen", "hot").lane, Lane::kOverflow);
  EXPECT_EQ(last_.disposition, Disposition::kProcess);
  EXPECT_FALSE(last_.skip_persons) << "the key is kept, so persons are still processed";
  EXPECT_EQ(admit("seen", "cool").lane, Lane::kMain) << "only the offender";
  event::RawRecord other = record("seen", "hot");
  other.token = "phc_b";
  EXPECT_EQ(admit(other).lane, Lane::kMain) << "the same id of another project";
  event::RawRecord later = record("seen", "hot");
  later.now_ms += 100;
  EXPECT_EQ(admit(later).lane, Lane::kMain) << "one token every 100 ms";
  EXPECT_EQ(admit(later).lane, Lane::kOverflow);
  later.historical = true;
  EXPECT_EQ(admit(later).lane, Lane::kHistorical) << "never overflows";
  event::RawRecord strange = record("seen", "hot");
  strange.token = "phc_unknown";
  for (int i = 0; i < 5; i++) EXPECT_EQ(admit(strange).lane, Lane::kMain);
  EXPECT_EQ(admit(strange).lane, Lane::kOverflow) << "unknown tokens have the default";
}

TEST_F(AdmissionTest, AProjectHasItsOwnRate) {
  options_.overflow_events_per_second = 10;
  options_.overflow_burst = 1;
  set("phc_a", R"({"overflow":{"events_per_second":0}})");
  for (int i = 0; i < 50; i++) EXPECT_EQ(admit("seen").lane, Lane::kMain);
  set("phc_a", R"({"overflow":{"events_per_second":1,"burst":3}})");
  for (int i = 0; i < 3; i++) EXPECT_EQ(admit("seen").lane, Lane::kMain);
  EXPECT_EQ(admit("seen").lane, Lane::kOverflow);
}

TEST_F(AdmissionTest, OldEventsTravelInTheHistoricalLane) {
  event::RawRecord old = record();
  old.timestamp_ms = kNow - int64_t{3} * 86'400'000;
  EXPECT_EQ(admit(old).lane, Lane::kMain);
  set("phc_a", R"({"historical_after_days":2})");
  EXPECT_EQ(admit(old).lane, Lane::kHistorical);
  EXPECT_TRUE(old.historical) << "as if it were flagged (ERRATA C26)";
  options_.historical_after_days = 1;
  set("phc_a", R"({"historical_after_days":30})");
  old.historical = false;
  EXPECT_EQ(admit(old).lane, Lane::kMain) << "the project's rule wins";
  old.token = "phc_b";
  EXPECT_EQ(admit(old).lane, Lane::kHistorical);
}

TEST_F(AdmissionTest, WhatWasDecidedBeforeStays) {
  event::RawRecord r = record();
  r.disposition = Disposition::kDrop;
  r.reason = "missing_distinct_id";
  EXPECT_EQ(admit(r).tag, "missing_distinct_id");
  EXPECT_EQ(used(QuotaResource::kEvents), 0U);
}

TEST(OverflowLimiter, HoldsTheRateOverTime) {
  OverflowLimiter limiter(64);
  const catalog::OverflowLimit limit{100, 1000};
  uint64_t passed = 0;
  for (int64_t ms = 0; ms < 60'000; ms++) passed += limiter.admits(1, limit, ms) ? 1 : 0;
  EXPECT_NEAR(static_cast<double>(passed), 1000 + 60 * 100, 2);
}

TEST(OverflowLimiter, FollowsAClockThatJumps) {
  OverflowLimiter limiter(64);
  const catalog::OverflowLimit limit{10, 5};
  constexpr int64_t kHour = 3'600'000;
  for (int i = 0; i < 5; i++) EXPECT_TRUE(limiter.admits(1, limit, kHour));
  EXPECT_FALSE(limiter.admits(1, limit, kHour));
  EXPECT_FALSE(limiter.admits(1, limit, 0)) << "empty, but not for an hour";
  EXPECT_TRUE(limiter.admits(1, limit, 100));
}

TEST(OverflowLimiter, ForgetsTheCalmFirstAndNeverGrows) {
  OverflowLimiter limiter(4);
  ASSERT_EQ(limiter.keys_max(), 4U);
  const catalog::OverflowLimit limit{1, 10};
  for (int i = 0; i < 10; i++) limiter.admits(1, limit, 0);
  EXPECT_FALSE(limiter.admits(1, limit, 0));
  // A crowd of new keys passes through the other places; the hot one is still known.
  for (uint64_t key = 2; key < 1000; key++) {
    EXPECT_TRUE(limiter.admits(key, limit, 1));
    ASSERT_FALSE(limiter.admits(1, limit, 1)) << key;
  }
}

}  // namespace
}  // namespace penstock::capture
