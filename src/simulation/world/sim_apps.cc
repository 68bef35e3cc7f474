#include "simulation/world/sim_apps.h"

#include <chrono>

namespace penstock::simulation {
namespace {

constexpr uint64_t kAnswerUsMax = 20'000;
constexpr uint64_t kDeadlineUs = 5'000'000;  // as apps.deadline_ms

}  // namespace

void SimApps::run(const catalog::Project&, std::vector<std::string> events, Done done) {
  const bool hangs = m_.faults.strike(Fault::kAppHangs);
  const uint64_t us = hangs ? kDeadlineUs : m_.faults.dice().below(kAnswerUsMax);
  std::vector<ingest::AppsAnswer> answers(events.size());
  for (ingest::AppsAnswer& answer : answers) {
    answer.report =
        hangs ? R"([{"id":1,"status":"failed"}])" : R"([{"id":1,"status":"succeeded"}])";
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
