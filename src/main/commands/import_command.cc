// penstock projects import: the projects of an installation of PostHog, with their ids and tokens.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>

#include "base/json_writer.h"
#include "catalog/catalog_copy.h"
#include "catalog/posthog_projects.h"
#include "main/commands/import_command.h"
#include "main/instance.h"
#include "main/settings.h"
#include "main/table.h"
#include "runtime/lock_file.h"
#include "runtime/real_runtime.h"

namespace penstock::cli {
namespace {

using catalog::PosthogProject;

struct ImportArgs {
  std::string data = default_data_dir(), from;
  bool dry_run = false, json = false;
};

struct Known {
  std::string name, token;
  std::map<std::string, std::string> settings;
};
using KnownProjects = std::map<int64_t, Known>;

/// Columns by their names, so that one more changes nothing here.
const std::string& value(const catalog::CatalogTable& t, const std::vector<std::string>& row,
                         std::string_view column) {
  const auto at = std::ranges::find(t.columns, column, &catalog::CatalogColumn::name);
  return row[static_cast<size_t>(at - t.columns.begin())];
}

KnownProjects known_projects(const catalog::CatalogContent& content) {
  KnownProjects out;
  for (const catalog::CatalogTable& t : content.tables) {
    for (const auto& row : t.rows) {
      if (t.name == "projects") {
        Known& p = out[std::stoll(value(t, row, "id"))];
        p.name = value(t, row, "name");
        p.token = value(t, row, "token");
      } else if (t.name == "project_settings") {
        out[std::stoll(value(t, row, "project_id"))].settings[value(t, row, "name")] =
            value(t, row, "json");
      }
    }
  }
  return out;
}

/// What importing a project would do.
struct Step {
  const PosthogProject* project = nullptr;
  std::string what;  // "new", "same", "changes …", or why it cannot be
  bool conflict = false, changes = false;
};

Step step_of(const PosthogProject& p, const KnownProjects& known) {
  Step out{&p, "new", false, true};
  for (const auto& [id, other] : known) {
    if (id == p.id.value || other.token != p.token) continue;
    out.what = fmt::format("its token is project {}'s here", id);
    out.conflict = true;
    return out;
  }
  const auto it = known.find(p.id.value);
  if (it == known.end()) return out;
  if (it->second.token != p.token) {
    out.what =
        fmt::format("project {} is '{}' here, with another token", p.id.value, it->second.name);
    out.conflict = true;
    return out;
  }
  std::vector<std::string> changed;
  if (it->second.name != p.name) changed.emplace_back("name");
  for (const auto& [name, json] : p.settings) {
    const auto setting = it->second.settings.find(name);
    if (setting == it->second.settings.end() || setting->second != json) changed.push_back(name);
  }
  out.changes = !changed.empty();
  out.what = out.changes ? fmt::format("changes {}", fmt::join(changed, ", ")) : "same";
  return out;
}

void print_table(const std::vector<Step>& steps) {
  Table table{{"id", "name", "token", "organization", "here", "settings", "left out"},
              {true, false, false, false, false, false, false},
              {}};
  for (const Step& s : steps) {
    std::vector<std::string> settings;
    for (const auto& [name, json] : s.project->settings) settings.push_back(name + " " + json);
    table.rows.push_back({fmt::to_string(s.project->id.value), s.project->name, s.project->token,
                          s.project->organization, s.what,
                          fmt::format("{}", fmt::join(settings, "; ")),
                          fmt::format("{}", fmt::join(s.project->left_out, "; "))});
  }
  std::fputs(render(table, terminal_width()).c_str(), stdout);
}

void print_json(const std::vector<Step>& steps, bool done) {
  JsonWriter w;
  w.begin_object().field("done", done).key("projects").begin_array();
  for (const Step& s : steps) {
    w.begin_object().field("id", s.project->id.value).field("name", s.project->name);
    w.field("token", s.project->token).field("organization", s.project->organization);
    w.field("here", s.what).field("conflict", s.conflict).key("settings").begin_object();
    for (const auto& [name, json] : s.project->settings) w.key(name).raw(json);
    w.end_object().key("left_out").begin_array();
    for (const std::string& one : s.project->left_out) w.string(one);
    w.end_array().end_object();
  }
  fmt::print("{}\n", w.end_array().end_object().take());
}

/// The catalog that the settings name; null: there is none yet and nobody asked for one.
Result<std::unique_ptr<catalog::CatalogCopy>> open_copy(const Settings& settings,
                                                        const ImportArgs& args) {
  if (settings.catalog_engine == "postgres") {
    return catalog::open_postgres_catalog_copy(settings.catalog);
  }
  const std::string file = args.data + "/catalog.db";
  if (args.dry_run && !std::filesystem::exists(file)) return nullptr;
  return catalog::open_sqlite_catalog_copy(file);
}

/// A catalog in the directory is its process's alone; one in PostgreSQL is looked at by all.
Result<runtime::LockFile> lock(const Settings& settings, const ImportArgs& args) {
  std::error_code error;
  if (settings.catalog_engine == "postgres") return runtime::LockFile{};
  if (!std::filesystem::exists(args.data, error)) {
    if (args.dry_run) return runtime::LockFile{};
    std::filesystem::create_directories(args.data, error);
    if (error) return fail(Code::kDenied, "cannot create " + args.data + ": " + error.message());
  }
  auto held = runtime::LockFile::take(args.data + "/lock");
  if (!held) return fail(held.error(), "stop Penstock first (its catalog is in its directory)");
  return held;
}

Result<int> import_projects(const ImportArgs& args) {
  Settings settings;
  config::OptionTable table;
  PENSTOCK_CHECK(read_settings(table, settings, args.data));
  PENSTOCK_TRY(const std::vector<PosthogProject> projects,
               catalog::read_posthog_projects(args.from));
  PENSTOCK_TRY(const runtime::LockFile held, lock(settings, args));
  PENSTOCK_TRY(const auto copy, open_copy(settings, args));
  KnownProjects known;
  if (copy) {
    PENSTOCK_TRY(const catalog::CatalogContent content, copy->read(""));
    known = known_projects(content);
  }
  std::vector<Step> steps;
  std::vector<catalog::PutProject> put;
  for (const PosthogProject& p : projects) {
    const Step& s = steps.emplace_back(step_of(p, known));
    if (s.changes) put.push_back({p.id.value, p.name, p.token, p.created_at_ms, p.settings});
  }
  const auto conflicts = std::ranges::count_if(steps, &Step::conflict);
  const bool does = !args.dry_run && conflicts == 0;
  if (does && !put.empty()) {
    const auto runtime = runtime::make_real_runtime({1, 1});
    PENSTOCK_CHECK(copy->put_projects(put, "penstock projects import", runtime->clock().wall_ms()));
  }
  args.json ? print_json(steps, does) : print_table(steps);
  if (conflicts > 0) {
    return fail(
        Code::kConflict,
        fmt::format("{} of {} projects cannot be taken over, and nothing was changed. Import "
                    "before the first start, into a directory without projects",
                    conflicts, projects.size()));
  }
  if (!args.json) {
    fmt::print("\n{} of {} projects {}.\n", put.size(), projects.size(),
               does ? "imported; the others are what they were" : "would be imported or changed");
  }
  return 0;
}

int run_import(const ImportArgs& args) {
  const auto done = import_projects(args);
  return done ? *done : complain(done.error().message);
}

}  // namespace

void add_import(CLI::App& projects, Run& run) {
  auto args = std::make_shared<ImportArgs>();
  CLI::App* c = projects.add_subcommand("import", "The projects of a PostHog installation");
  c->footer(
      "Reads posthog_team in PostHog's PostgreSQL: ids, tokens, names and what has a meaning here "
      "of its settings.\nOnly reads there. Run again, it makes them what they are there by then; "
      "projects of other ids stay.\nBefore the first start (which makes a project of its own if "
      "there is none):\n\n  penstock projects import --from "
      "postgresql://posthog@db-1/posthog --dry-run\n\nPasswords are best in PGPASSWORD or "
      "~/.pgpass. More: docs/SCALE_OUT.md.");
  add_data_option(*c, args->data);
  c->add_option("--from", args->from, "PostHog's database: postgresql://…")->required();
  c->add_flag("--dry-run", args->dry_run, "Only show what would be done");
  c->add_flag("--json", args->json, "JSON for machines");
  c->callback([args, &run] { run = [args] { return run_import(*args); }; });
}

}  // namespace penstock::cli
