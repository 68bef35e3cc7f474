// Log, state databases, catalog and objects, each by its own checksums.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "catalog/sqlite.h"
#include "kv/key_value.h"
#include "log/embedded_log.h"
#include "main/fsck/fsck.h"
#include "main/object_engine.h"
#include "runtime/real_runtime.h"

namespace penstock::cli::fsck {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> folders(const std::string& path) {
  std::vector<std::string> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    if (entry.is_directory(error)) out.push_back(entry.path().filename());
  }
  std::ranges::sort(out);
  return out;
}

void check_state(const std::string& data, const Progress& progress, Findings& out) {
  for (const std::string& name : folders(data + "/state")) {
    progress("state: " + name);
    if (const Status s = kv::verify_rocks_kv(data + "/state/" + name); !s) {
      out.bad("state", s.error().message,
              "Move state/" + name +
                  " away while Penstock is stopped: it is made anew from the log, "
                  "as far back as the log reaches.",
              "backup.md");
    } else {
      out.good("state", "state/" + name + " is whole");
    }
  }
}

void check_catalog(const std::string& data, const Progress& progress, Findings& out) {
  progress("catalog");
  const auto verdict = [&]() -> Result<std::string> {
    PENSTOCK_TRY(const auto database, catalog::Database::open(data + "/catalog.db"));
    PENSTOCK_TRY(auto statement, database->prepare("PRAGMA integrity_check"));
    PENSTOCK_TRY(const bool row, statement.step());
    return row ? statement.text(0) : std::string("no answer");
  }();
  if (verdict && *verdict == "ok") return out.good("catalog", "The catalog is whole");
  out.bad("catalog", "catalog.db: " + (verdict ? *verdict : verdict.error().message),
          "Restore it from a backup.", "backup.md");
}

void check_objects(const std::string& data, const Settings& settings, const Progress& progress,
                   Findings& out) {
  const auto runtime = runtime::make_real_runtime({1, 16});
  if (settings.objects_engine == "embedded" && !runtime->files().exists(data + "/objects")) return;
  const auto opened = open_objects(settings, *runtime, data);
  if (!opened) return out.bad("objects", opened.error().message, "See the settings objects.….");
  const auto& store = *opened;
  constexpr auto kPatience = std::chrono::hours(1);
  uint64_t count = 0, bytes = 0, problems = 0;
  std::string after;
  for (;;) {
    progress(fmt::format("objects: {}", count));
    const auto page = store->list("", after, 1000, kPatience);
    if (!page) {
      problems++;
      out.bad("objects", page.error().message, "Restore objects/ from a backup.", "backup.md");
    }
    if (!page || page->empty()) break;
    for (const objects::ObjectInfo& object : *page) {
      const auto body = store->get(object.key, {}, kPatience);
      if (body && body->size() == object.size) {
        count++;
        bytes += body->size();
        continue;
      }
      problems++;
      out.bad("objects", object.key + ": " + (body ? "is cut off" : body.error().message),
              "Restore it from a backup.", "backup.md");
    }
    after = page->back().key;
  }
  if (problems == 0) {
    out.good("objects", fmt::format("{} objects can be read ({} bytes)", count, bytes));
  }
}

}  // namespace

void check_log(const std::string& data, const std::string& damage, const Progress& progress,
               Findings& out) {
  const auto runtime = runtime::make_real_runtime({1, 16});
  uint64_t segments = 0, records = 0, problems = 0;
  for (const std::string& topic : folders(data + "/log")) {
    progress("log: " + topic);
    const auto found = log::inspect_topic(*runtime, data + "/log", topic);
    if (!found) {
      problems++;
      out.bad(damage, found.error().message, "penstock log repair", "log_corrupt.md");
      continue;
    }
    for (const log::SegmentReport& s : *found) {
      segments++;
      records += s.records;
      if (s.problem.empty()) continue;
      problems++;
      out.bad(damage, fmt::format("The log is damaged: {}: {}", s.file, s.problem),
              "penstock log repair skips what cannot be read and keeps the originals.",
              "log_corrupt.md");
    }
  }
  if (problems == 0) {
    out.good("log", fmt::format("The log is whole: {} records in {} segments", records, segments));
  }
}

void check_files(const std::string& data_dir, const Settings& settings, const Progress& progress,
                 Findings& out) {
  if (settings.log_engine == "kafka") {
    out.note("log_on_kafka",
             "The log lies on Kafka: whether its bytes are whole is not looked at here.",
             "Brokers check what they store and copy; records are read for the ledger below.");
  } else {
    check_log(data_dir, "log", progress, out);
  }
  check_state(data_dir, progress, out);
  if (settings.catalog_engine == "sqlite") check_catalog(data_dir, progress, out);
  check_objects(data_dir, settings, progress, out);
}

}  // namespace penstock::cli::fsck
