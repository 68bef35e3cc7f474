#include "simulation/world/sim_apps.h"

#include <fmt/format.h>

#include <chrono>
#include <string_view>

namespace penstock::simulation {
namespace {

constexpr uint64_t kAnswerUsMax = 20'000;
constexpr uint64_t kDeadlineUs = 5'000'000;  // as apps.deadline_ms
constexpr auto kWaitsTold = std::chrono::milliseconds(50);
constexpr auto kRound = std::chrono::seconds(8);
constexpr std::string_view kProperties = R"("properties":{)";

bool is_named(const std::string& event, std::string_view name) {
  return event.find(fmt::format(R"("event":"{}")", name)) != std::string::npos;
}

void transform(std::string& event, ingest::AppsAnswer& answer) {
  using Fate = ingest::AppsAnswer::Fate;
  if (is_named(event, kAppDrops)) {
    answer.fate = Fate::kDropped;
    answer.report = R"([{"id":1,"status":"dropped"}])";
  } else if (is_named(event, kAppBreaks)) {
    answer.fate = Fate::kChanged;
    answer.event = R"({"event":7})";
  } else if (is_named(event, kAppChanges)) {
    answer.fate = Fate::kChanged;
    event.insert(event.find(kProperties) + kProperties.size(), fmt::format("{},", kAppMark));
    answer.event = std::move(event);
  }
}

}  // namespace

void SimApps::run(const catalog::Project& project, std::vector<std::string> events, Done done,
                  Waits waits) {
  const bool hangs = m_.faults.strike(Fault::kAppHangs);
  const uint64_t us = hangs ? kDeadlineUs : m_.faults.dice().below(kAnswerUsMax);
  std::vector<ingest::AppsAnswer> answers(events.size());
  for (size_t i = 0; i < answers.size(); i++) {
    ingest::AppsAnswer& answer = answers[i];
    answer.report =
        hangs ? R"([{"id":1,"status":"failed"}])" : R"([{"id":1,"status":"succeeded"}])";
    if (hangs) continue;
    transform(events[i], answer);
    if (!m_.faults.strike(Fault::kAppGarbles)) continue;
    answer.fate = ingest::AppsAnswer::Fate::kChanged;
    answer.event = m_.faults.dice().pick({"", "[]", R"({"event":"seen","properties":7})", "{\"a"});
  }
  if (hangs) {
    loop_.after(kWaitsTold, [waits = std::move(waits), round = round_, id = project.id] {
      round->insert(id);
      waits();
    });
    loop_.after(kRound, [round = round_, id = project.id] { round->erase(id); });
  }
  loop_.after(std::chrono::microseconds(us),
              [done = std::move(done), answers = std::move(answers)]() mutable {
                done(std::move(answers));
              });
}

Status enable_app(catalog::Catalog& catalog, ProjectId project) {
  PENSTOCK_TRY(
      const auto app,
      catalog.apps().create_app(
          {}, project, {{"plugin.json", R"({"name":"app"})"}, {"index.js", ""}}, "simulation"));
  PENSTOCK_CHECK(catalog.apps().create_config({}, project, app.id, {.enabled = true}));
  return {};
}

}  // namespace penstock::simulation
