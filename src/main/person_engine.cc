#include "main/person_engine.h"

#include <array>
#include <fstream>

#include "kv/key_value.h"

namespace penstock::cli {
namespace {

/// The name under which this data directory's positions lie in a database it shares with others.
Result<std::string> source_name(runtime::Runtime& runtime, const std::string& path) {
  std::string name;
  if (std::ifstream in(path); in && std::getline(in, name) && !name.empty()) return name;
  std::array<uint8_t, 10> random{};
  runtime.random().fill(random);
  name = Uuid::v7(runtime.clock().wall_ms(), random).text();
  std::ofstream out(path);
  if (!(out << name << '\n' << std::flush)) return fail(Code::kDenied, "cannot write " + path);
  return name;
}

}  // namespace

Result<std::unique_ptr<persons::PersonStore>> open_persons(const Settings& settings,
                                                           runtime::Runtime& runtime,
                                                           DiskWatch& disk,
                                                           const std::string& data_dir) {
  if (settings.persons_engine == "postgres") {
    persons::PostgresOptions options = settings.persons;
    PENSTOCK_TRY(options.source, source_name(runtime, data_dir + "/state/persons.source"));
    return persons::make_postgres_person_store(std::move(options));
  }
  PENSTOCK_TRY(auto kv, disk.open({.path = data_dir + "/state/persons",
                                   .cache_bytes = settings.state_cache_bytes,
                                   .large_values = true}));
  return persons::make_person_store(std::move(kv));
}

}  // namespace penstock::cli
