#include "main/person_engine.h"

#include <array>
#include <fstream>

#include "event/lane.h"
#include "kv/key_value.h"
#include "main/log_engine.h"

namespace penstock::cli {

Result<std::string> person_source(const Settings& settings, runtime::Runtime& runtime,
                                  const std::string& data_dir) {
  // Of a log that processes share the name is the log's: whoever decides next goes on there.
  if (settings.log_engine == "kafka") return "kafka:" + settings.kafka.topic_prefix;
  const std::string path = data_dir + "/state/persons.source";
  std::string name;
  if (std::ifstream in(path); in && std::getline(in, name) && !name.empty()) return name;
  std::array<uint8_t, 10> random{};
  runtime.random().fill(random);
  name = Uuid::v7(runtime.clock().wall_ms(), random).text();
  std::ofstream out(path);
  if (!(out << name << '\n' << std::flush)) return fail(Code::kDenied, "cannot write " + path);
  return name;
}

Result<std::unique_ptr<persons::PersonStore>> open_persons(const Settings& settings,
                                                           runtime::Runtime& runtime,
                                                           DiskWatch& disk,
                                                           const std::string& data_dir,
                                                           const std::vector<int32_t>& slices) {
  if (settings.persons_engine == "postgres") {
    persons::PostgresOptions options = settings.persons;
    PENSTOCK_TRY(options.source, person_source(settings, runtime, data_dir));
    if (settings.slices > 1) {
      options.decides = [outcomes = outcomes_of(settings, slices)](Partition p) {
        return outcomes(event::kTopicProcessed, p);
      };
    }
    return persons::make_postgres_person_store(std::move(options));
  }
  PENSTOCK_TRY(auto kv, disk.open({.path = data_dir + "/state/persons",
                                   .cache_bytes = settings.state_cache_bytes,
                                   .large_values = true}));
  return persons::make_person_store(std::move(kv));
}

}  // namespace penstock::cli
