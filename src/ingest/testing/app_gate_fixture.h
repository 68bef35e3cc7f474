// AppGate in whole cycles, with apps that answer what a test says and when it says so.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <set>

#include "ingest/testing/world.h"

namespace penstock::ingest::app_gate_testing {

using event::Lane;
using event::OutcomeKind;
using testing::Sent;
using testing::World;

inline Uuid uuid_of(uint64_t n) {
  Uuid u;
  for (size_t i = 0; i < 8; i++) u.bytes[15 - i] = static_cast<uint8_t>(n >> (8 * i));
  u.bytes[0] = 1;
  return u;
}

inline Sent event_of(uint64_t n, const std::string& event = "seen",
                     const std::string& token = "phc_one", Lane lane = Lane::kMain) {
  return {uuid_of(n), "user" + std::to_string(n % 7), event, token, lane};
}

/// Apps that answer what a function says, after a while, or never.
class FakeApps : public EventApps {
 public:
  explicit FakeApps(World*& world) : world_(world) {}

  bool transforms(const catalog::Project& project) const override {
    return project.apps != nullptr;
  }
  bool goes_round(const catalog::Project& project) const override {
    return round.contains(project.token);
  }
  void run(const catalog::Project& project, std::vector<std::string> events, Done done,
           Waits waits) override {
    asked += events.size();
    batches++;
    for (const std::string& event : events) shown.push_back(event);
    const auto told = waits_ms.find(project.token);
    if (told != waits_ms.end()) {
      world_->loop().after(std::chrono::milliseconds(told->second),
                           [this, waits = std::move(waits)]() mutable {
                             waits();
                             if (on_told) on_told();
                           });
    }
    std::vector<AppsAnswer> answers;
    for (const std::string& event : events) answers.push_back(make(event));
    const int64_t wait_ms = delay_ms[project.token];
    world_->loop().after(std::chrono::milliseconds(wait_ms),
                         [done = std::move(done), answers = std::move(answers)]() mutable {
                           done(std::move(answers));
                         });
  }

  std::function<AppsAnswer(const std::string&)> make = [](const std::string&) {
    return AppsAnswer{};
  };
  std::map<std::string, int64_t> delay_ms, waits_ms;  // by token
  std::set<std::string> round;
  std::function<void()> on_told;  // that an answer will not come soon
  std::vector<std::string> shown;
  size_t asked = 0, batches = 0;

 private:
  World*& world_;
};

struct Seen {
  OutcomeKind kind{};
  std::string reason, stage, event, distinct_id, properties, apps;
  int64_t timestamp_ms = 0;
};

class AppGateTest : public ::testing::Test {
 protected:
  void SetUp() override {
    IngestOptions options;
    options.apps = &apps_;
    world = std::make_unique<World>(3, options);
    world_ = world.get();
    world->create_project("phc_two");
    enable({1});
    world->start();
  }

  void enable(ProjectId project) {
    auto& catalog = world->catalog().apps();
    const auto app = catalog.create_app(
        {}, project, {{"plugin.json", R"({"name":"x"})"}, {"index.js", "1"}}, "upload");
    ASSERT_TRUE(catalog.create_config({}, project, app->id, {.enabled = true}));
  }

  std::map<Uuid, Seen> outcomes() {
    std::map<Uuid, Seen> out;
    std::map<std::pair<Lane, int32_t>, int64_t> next;
    for (const auto& partition : world->processed()) {
      for (const std::string& bytes : partition) {
        const auto record = event::decode_processed(bytes);
        const auto* o = record ? std::get_if<event::Outcome>(&*record) : nullptr;
        if (o == nullptr) continue;
        EXPECT_EQ(o->source.offset.value, (next[{o->source.lane, o->source.partition.value}]++))
            << "in order, each once";
        Seen seen{o->kind,
                  std::string(o->reason),
                  std::string(o->stage),
                  std::string(o->row.event),
                  std::string(o->row.distinct_id),
                  std::string(o->row.properties),
                  std::string(o->apps),
                  o->row.timestamp_ms};
        if (o->kind != OutcomeKind::kDuplicate) out[o->uuid] = std::move(seen);
      }
    }
    return out;
  }
  Seen outcome(uint64_t n) {
    const auto all = outcomes();
    const auto found = all.find(uuid_of(n));
    EXPECT_NE(found, all.end());
    return found == all.end() ? Seen{} : found->second;
  }
  void answer(AppsAnswer::Fate fate, std::string event = "", std::string why = "") {
    apps_.make = [=](const std::string&) {
      return AppsAnswer{fate, event, R"([{"id":1,"status":"succeeded"}])", why};
    };
  }
  Seen run(const std::string& data = R"({"properties":{"a":1}})") {
    world->send({event_of(++sent_)}, data);
    world->settle();
    return outcome(sent_);
  }

  std::unique_ptr<World> world;
  World* world_ = nullptr;
  FakeApps apps_{world_};
  uint64_t sent_ = 100;
};

}  // namespace penstock::ingest::app_gate_testing
