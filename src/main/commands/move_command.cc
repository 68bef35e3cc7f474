// penstock move: persons, catalog, log, … from the data directory to other engines, and back.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>

#include "base/json_writer.h"
#include "main/commands/commands.h"
#include "main/instance.h"
#include "main/move/move.h"

namespace penstock::cli {
namespace {

struct MoveArgs {
  std::string data = default_data_dir(), from, to, only;
  bool json = false, check = false, forget = false, write_config = false, online = false;
  uint64_t pace = 0, piece = 4U << 20;
};

/// What lies on which engine outside of the data directory.
struct Place {
  std::string_view engine, part;
};
constexpr std::array<Place, 5> kPlaces{{{"postgres", "persons"},
                                        {"postgres", "catalog"},
                                        {"s3", "objects"},
                                        {"clickhouse", "rows"},
                                        {"kafka", "log"}}};

std::vector<std::string> words(std::string_view list) {
  std::vector<std::string> out;
  while (!list.empty()) {
    const size_t end = std::min(list.find(','), list.size());
    if (end > 0) out.emplace_back(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return out;
}

Result<move::MoveOptions> options_of(const MoveArgs& args) {
  move::MoveOptions out;
  out.data_dir = std::filesystem::absolute(args.data).lexically_normal();
  out.json = args.json;
  out.check_only = args.check;
  out.online = args.online;
  out.write_config = args.write_config;
  out.bytes_per_second = args.pace;
  out.piece_bytes = args.piece;
  out.out = args.from == "embedded";
  if (out.out == (args.to == "embedded")) {
    return fail(Code::kInvalid,
                "one side is embedded: --from embedded --to postgres, or --from postgres --to "
                "embedded");
  }
  const std::vector<std::string> only = words(args.only);
  for (const std::string& engine : words(out.out ? args.to : args.from)) {
    bool known = false;
    for (const Place& place : kPlaces) {
      if (place.engine != engine) continue;
      known = true;
      if (only.empty() || std::ranges::find(only, place.part) != only.end()) {
        out.parts.emplace_back(place.part);
      }
    }
    if (!known) {
      return fail(Code::kInvalid,
                  fmt::format("'{}' is no engine that can be moved to or from; postgres, "
                              "clickhouse, s3 and kafka are",
                              engine));
    }
  }
  for (const std::string& part : only) {
    if (std::ranges::find(out.parts, part) == out.parts.end()) {
      return fail(Code::kInvalid, fmt::format("--only names '{}', which is on none of these "
                                              "engines",
                                              part));
    }
  }
  if (out.parts.empty()) return fail(Code::kInvalid, "that leaves nothing to move");
  return out;
}

int tell(const MoveArgs& args, const move::Moved& moved) {
  const move::ConfigChanges& changes = moved.config;
  const std::string file = args.data + "/penstock.toml";
  if (args.json) {
    JsonWriter w;
    w.begin_object().field("done", true).field("config_written", args.write_config || args.online);
    if (args.online) w.field("refused_ms", moved.refused_ms);
    w.key("config").begin_object();
    for (const auto& [option, value] : changes) w.field(option, value);
    w.end_object().end_object();
    fmt::print("{}\n", w.take());
    return 0;
  }
  if (args.online) {
    fmt::print("\nMoved. {} says so now (before: {}.before-move).\n", file, file);
    return 0;
  }
  if (args.write_config) {
    fmt::print("\nMoved. {} says so now (before: {}.before-move). Start Penstock again.\n", file,
               file);
    return 0;
  }
  fmt::print("\nMoved. Before Penstock starts again, {} has to say:\n\n{}\n", file,
             move::config_text(changes));
  fmt::print(
      "(--write-config writes it. Until then nothing has changed for Penstock; if it is "
      "started without,\nempty the target and move again.)\n");
  return 0;
}

int run_move(const MoveArgs& args) {
  if (args.forget) {
    const auto there = move::forget(args.data);
    if (!there) return complain(there.error().message);
    fmt::print("{}\n", *there ? "The unfinished move is forgotten. What it wrote to the target is "
                                "still there: empty it before the next."
                              : "There is no unfinished move.");
    return 0;
  }
  Settings settings;
  config::OptionTable table;
  if (Status good = read_settings(table, settings, args.data); !good) {
    return complain(good.error().message);
  }
  const auto options = options_of(args);
  if (!options) return complain(options.error().message);
  const auto moved = move::run(settings, *options);
  if (!moved) return complain(moved.error().message);
  if (args.check) return 0;
  return tell(args, *moved);
}

}  // namespace

void add_move(CLI::App& app, Run& run) {
  auto args = std::make_shared<MoveArgs>();
  CLI::App* c = app.add_subcommand(
      "move", "Move to PostgreSQL, ClickHouse, S3, Kafka, or back into the data directory");
  c->footer(
      "When one machine is not enough:\n"
      "  1. Say in penstock.toml where the targets are (log.kafka_brokers, persons.postgres_url, "
      "…) "
      "and leave the\n     engines as they are.\n"
      "  2. With Penstock running, any of them at once, in this order:\n"
      "       penstock move --from embedded --to kafka,clickhouse,postgres,s3 --online\n"
      "     It takes events all the time but for two short restarts (the command says how long "
      "each was); they are\n     decided and stored when everything is moved. penstock.toml is "
      "changed, and Penstock goes on by itself.\n\n"
      "With Penstock stopped:\n"
      "  1. penstock move --from embedded --to kafka,postgres --check     is everything there?\n"
      "  2. The same without --check: copies, reads the target again and compares.\n"
      "  3. Write the lines it prints into penstock.toml (or --write-config), and start.\n\n"
      "Only a part of what lies there: --to postgres --only persons. Back: --from kafka,postgres "
      "--to embedded.\n"
      "Killed or failed in the middle: run it again, it goes on. The source is only read. More: "
      "docs/MOVE.md.");
  add_data_option(*c, args->data);
  c->add_option("--from", args->from, "embedded, or what it is on: postgres,clickhouse,s3,kafka");
  c->add_option("--to", args->to, "postgres,clickhouse,s3,kafka (one or several), or embedded");
  c->add_option("--only", args->only,
                "Of what lies there only these: persons,catalog,rows,objects,log");
  c->add_flag("--check", args->check, "Only look whether it could begin");
  c->add_flag("--write-config", args->write_config, "Change penstock.toml when all is moved");
  c->add_flag(
      "--online", args->online,
      "Of a Penstock that runs: it is held meanwhile (takes events, does nothing else), and "
      "goes on by itself with the new configuration; implies --write-config");
  c->add_flag("--forget", args->forget, "Give up a move that is not finished");
  c->add_flag("--json", args->json, "Progress and result as lines of JSON");
  c->add_option("--pace", args->pace, "Bytes a second at most (default: as fast as it goes)");
  c->add_option("--piece", args->piece, "Bytes between two notes of how far it is")
      ->check(CLI::Range(1024, 64 << 20));
  c->callback([args, &run] { run = [args] { return run_move(*args); }; });
}

}  // namespace penstock::cli
