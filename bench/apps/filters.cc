// bench_app_filters APPS EVENTS: what enabled apps cost an event that none of them wants, in
// microseconds of CPU per event: their filters asked alone, and all of what ingest does with the
// apps of a project. What that adds to the filters is what the promise is about.
#include <fmt/format.h>

#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "apps/memory_apps.h"
#include "event/json_fields.h"
#include "ingest/app_chain.h"
#include "ingest/app_filters.h"
#include "runtime/sim_runtime.h"

namespace penstock {
namespace {

constexpr size_t kBatch = 100;

std::string event_of_1kb() {
  std::string out =
      R"({"uuid":"0199a0a0-0000-7000-8000-000000000001","event":"$pageview","distinct_id":"u1",)"
      R"("team_id":1,"timestamp":"2026-11-30T11:59:59.123Z","properties":{"$ip":"1.2.3.4")";
  for (int i = 0; out.size() < 900; i++) {
    out += fmt::format(R"(,"property_{}":"some value {}")", i, i);
  }
  return out + R"(,"plan":"free"}})";
}

double cpu_us() { return static_cast<double>(std::clock()) * 1e6 / CLOCKS_PER_SEC; }

class Bench {
 public:
  explicit Bench(size_t apps) {
    project_ = catalog_->create_project({}, "Shop", "phc_shop")->id;
    std::vector<apps::AppConfig> configs;
    for (size_t i = 0; i < apps; i++) {
      // Half of them by the event's name, which is looked at first, half by a property.
      const std::string filters =
          i % 2 == 0
              ? fmt::format(
                    R"({{"events":[{{"id":"order {}","properties":[{{"key":"plan","value":"pro"}}]}}]}})",
                    i)
              : fmt::format(R"({{"properties":[{{"key":"plan","value":["plan {}"]}}]}})", i);
      const auto app =
          catalog_->apps().create_app({}, project_,
                                      {{"plugin.json", fmt::format(R"({{"name":"app {}"}})", i)},
                                       {"index.js", "exports.processEvent = (event) => event"}},
                                      "upload");
      if (!app || !catalog_->apps().create_config({}, project_, app->id,
                                                  {.enabled = true, .filters = filters})) {
        std::abort();
      }
    }
    snapshot_ = catalog_->snapshot();
    for (const auto& app : enabled()) {
      configs.push_back(ingest::engine_config(project(), *app));
      javascript_->provide(
          app->app.id,
          [](const apps::AppConfig&, std::string event) -> Result<std::optional<std::string>> {
            return event;
          });
    }
    javascript_->set(std::move(configs));
    chain_ = ingest::make_app_chain(loop_, runtime_, javascript_.get(), {});
  }

  double filters_alone(size_t events) {
    ingest::AppFilters filters(runtime_);
    const std::string text = event_of_1kb();
    bool any = false;
    const auto once = [&] {
      const auto event = event::JsonFields::parse(text);
      for (const auto& app : enabled()) {
        any = any || filters.matches(*app, *project().settings, *event);
      }
    };
    once();
    const double begun = cpu_us();
    for (size_t i = 0; i < events; i++) once();
    if (any) std::abort();
    return (cpu_us() - begun) / static_cast<double>(events);
  }

  double chain(size_t events) {
    const std::string text = event_of_1kb();
    const auto batch = [&] {
      bool told = false;
      const auto done = [&](const std::vector<ingest::AppsAnswer>& answers) {
        told = true;
        for (const auto& answer : answers) {
          if (answer.fate != ingest::AppsAnswer::Fate::kUnchanged) std::abort();
        }
      };
      chain_->run(project(), std::vector<std::string>(kBatch, text), done, [] {});
      runtime_.run_until([&] { return told; });
    };
    batch();
    const double begun = cpu_us();
    for (size_t i = 0; i < events; i += kBatch) batch();
    return (cpu_us() - begun) / static_cast<double>(events);
  }

 private:
  const catalog::Project& project() { return *snapshot_->find(project_); }
  const catalog::EnabledApps& enabled() {
    static const catalog::EnabledApps none;
    return project().apps ? *project().apps : none;
  }

  runtime::SimRuntime runtime_{1};
  runtime::Loop& loop_ = runtime_.make_loop();
  std::unique_ptr<apps::MemoryApps> javascript_ = apps::make_memory_apps(loop_);
  std::unique_ptr<catalog::Catalog> catalog_ = catalog::make_memory_catalog(runtime_);
  std::shared_ptr<const catalog::Snapshot> snapshot_;
  ProjectId project_;
  std::unique_ptr<ingest::AppChain> chain_;
};

}  // namespace
}  // namespace penstock

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const size_t apps = std::strtoull(argv[1], nullptr, 10);
  const size_t events = std::strtoull(argv[2], nullptr, 10);
  penstock::Bench bench(apps);
  const double filters = bench.filters_alone(events), chain = bench.chain(events);
  fmt::print("{:.2f} {:.2f}\n", filters, chain);
  return 0;
}
