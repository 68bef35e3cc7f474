// `penstock store ddl`: the tables of a ClickHouse server or cluster, to read and to run by hand.
#include <fmt/format.h>

#include <memory>

#include "main/commands/commands.h"
#include "main/instance.h"
#include "main/settings.h"
#include "store/clickhouse_store.h"

namespace penstock::cli {
namespace {

struct DdlArgs {
  std::string data = default_data_dir(), database, cluster, kafka, prefix;
};

int run_ddl(const DdlArgs& args) {
  Settings settings;
  config::OptionTable table;
  bind(table, settings);
  if (const auto loaded = load_settings(table, args.data); !loaded) {
    return complain(loaded.error().message);
  }
  store::ClickHouseOptions options = settings.clickhouse;
  if (!args.database.empty()) options.database = args.database;
  if (!args.cluster.empty()) options.cluster = args.cluster;
  if (options.urls.empty()) options.urls = "http://127.0.0.1:8123";  // it is not asked
  if (const Status good = store::check_clickhouse_options(options); !good) {
    return complain(good.error().message);
  }
  if (args.kafka.find_first_of("'\\ ") != std::string::npos ||
      args.prefix.find_first_of("'\\ ") != std::string::npos) {
    return complain("brokers and prefixes have no quotes and no blanks");
  }
  for (const std::string& statement : store::clickhouse_ddl(options, args.kafka, args.prefix)) {
    fmt::print("{};\n\n", statement);
  }
  return 0;
}

}  // namespace

void add_store(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand("store", "What Penstock keeps on a ClickHouse server");
  command->require_subcommand(1);
  auto args = std::make_shared<DdlArgs>();
  auto* ddl = command->add_subcommand(
      "ddl",
      "Print the statements that make its tables; a start runs them by itself, but for "
      "those of --kafka");
  add_data_option(*ddl, args->data);
  ddl->add_option("--database", args->database, "Default: store.clickhouse_database");
  ddl->add_option("--cluster", args->cluster,
                  "Replicated and sharded over this cluster (default: store.clickhouse_cluster)");
  ddl->add_option("--kafka", args->kafka,
                  "Also tables by which ClickHouse reads Penstock's topics itself from these "
                  "brokers, as host:9092,host:9092; then Penstock's own load stage stays off");
  ddl->add_option("--topic-prefix", args->prefix, "Before the name of every topic");
  ddl->callback([&run, args] { run = [args] { return run_ddl(*args); }; });
}

}  // namespace penstock::cli
