// Publishing: a package becomes an app, or an app's next version, once its code is known to be
// code.
#include <fmt/format.h>

#include <algorithm>

#include "admin/api/app_checks.h"
#include "admin/api/app_package.h"
#include "admin/api/app_templates.h"
#include "admin/api/app_words.h"
#include "admin/api/service.h"

namespace penstock::admin {
namespace {

using catalog::App;
using catalog::AppFiles;

constexpr int kCreated = 201;

struct Package {
  AppFiles files;
  std::string source, name;  // what it is called if its files do not say
  catalog::AppManifest manifest;
};

/// As GitHub names the folder of an archive: the repository, then a branch or a commit.
std::string repository_of(std::string folder) {
  for (const char* end : {"-main", "-master"}) {
    if (folder.ends_with(end)) folder.resize(folder.size() - std::string_view(end).size());
  }
  return folder;
}

/// Without the owner's scope and the version.
std::string name_of_npm(std::string package) {
  if (const size_t at = package.rfind('@'); at != std::string::npos && at > 0) package.resize(at);
  if (const size_t slash = package.rfind('/'); slash != std::string::npos) {
    package.erase(0, slash + 1);
  }
  return package;
}

/// Where a package comes from, taken out of the body before the pool has its turn.
struct PackageAsked {
  std::string files, archive, npm, template_id, name;
  std::function<Result<std::string>(const std::string&)> fetch_npm;

  Result<Package> read() const {
    if (!files.empty()) {
      PENSTOCK_TRY(auto out, files_of_json(files));
      return Package{std::move(out), "upload", name, {}};
    }
    if (!archive.empty()) {
      PENSTOCK_TRY(const std::string bytes, decode_base64(archive));
      PENSTOCK_TRY(auto out, files_of_archive(bytes));
      return Package{std::move(out), "archive", name, {}};
    }
    if (!npm.empty()) {
      if (!fetch_npm) return fail(Code::kUnavailable, "packages cannot be fetched here");
      PENSTOCK_TRY(const std::string bytes, fetch_npm(npm));
      PENSTOCK_TRY(auto out, files_of_archive(bytes));
      return Package{std::move(out), "npm " + npm, name.empty() ? name_of_npm(npm) : name, {}};
    }
    PENSTOCK_TRY(auto out, app_template_files(template_id));
    return Package{std::move(out), "template " + template_id, name, {}};
  }
};

Result<PackageAsked> package_asked(const event::JsonFields& body, const AppSources& sources) {
  PackageAsked out;
  if (const auto files = body.find("files")) out.files = std::string(*files);
  PENSTOCK_TRY(const auto archive, body_string(body, "archive"));
  PENSTOCK_TRY(const auto npm, body_string(body, "npm"));
  PENSTOCK_TRY(const auto id, body_string(body, "template"));
  PENSTOCK_TRY(const auto name, body_string(body, "name"));
  out.archive = archive.value_or("");
  out.npm = npm.value_or("");
  out.template_id = id.value_or("");
  out.name = name.value_or("");
  out.fetch_npm = sources.fetch_npm;
  const int given = int{!out.files.empty()} + int{!out.archive.empty()} + int{!out.npm.empty()} +
                    int{!out.template_id.empty()};
  if (given != 1) {
    return fail(Code::kInvalid,
                "give one of 'files' (paths and texts), 'archive' (Base64 of a zip or tar.gz), "
                "'npm' (name@version) and 'template'");
  }
  return out;
}

/// The package with its name and manifest; or what is wrong with it.
struct Looked {
  std::optional<AppProblem> problem;
  Result<Package> package = fail(Code::kInvalid, "");
};

Looked look_at(const PackageAsked& asked) {
  auto package = asked.read();
  if (!package) return {{}, std::unexpected(std::move(package).error())};
  const std::string folder = catalog::tidy_app_files(package->files);
  if (package->name.empty() && asked.npm.empty()) package->name = folder;
  const std::string name = repository_of(package->name);
  if (const Status named = catalog::name_app_files(package->files, name); !named) {
    return {{}, std::unexpected(named.error())};
  }
  auto manifest = catalog::read_app_manifest(package->files);
  if (!manifest) return {{}, std::unexpected(std::move(manifest).error())};
  package->manifest = std::move(*manifest);
  auto problem = code_problem(package->manifest, package->files);
  return {std::move(problem), std::move(package)};
}

/// The first mistake in what would run; what only lies in the package is nobody's trouble.
std::optional<AppProblem> first_mistake(const std::vector<AppMistake>& mistakes) {
  const auto found = std::ranges::find(mistakes, true, &AppMistake::runs);
  if (found == mistakes.end()) return std::nullopt;
  AppProblem out;
  out.file = found->file;
  out.at.message = found->message;
  out.at.place.line = static_cast<uint32_t>(found->line);
  out.at.place.column = static_cast<uint32_t>(found->column);
  out.sentence = found->line == 0 ? fmt::format("{}: {}", found->file, found->message)
                                  : fmt::format("{}:{}:{}: {}", found->file, found->line,
                                                found->column, found->message);
  return out;
}

void reply_app(wire::Responder& to, const Result<App>& app) {
  if (!app) return reply_error(to, app.error());
  JsonWriter w;
  write_app(w, *app);
  reply_json(to, w.take(), kCreated);
}

}  // namespace

/// Reads the package and looks at it, JavaScript by compiling it in a worker; `keep` stores it.
/// `name` is what it is called if nothing else says so; empty: as where it comes from.
template <typename Keep>
void Service::publish(const Call& call, wire::Responder& r, const std::string& name, Keep keep) {
  auto asked = package_asked(call.body, sources_.apps);
  if (!asked) return reply_error(r, asked.error());
  if (asked->name.empty()) asked->name = name;
  const auto store = [this, keep = std::move(keep)](wire::Responder& to,
                                                    std::shared_ptr<Package> package) {
    in_pool(
        std::move(to), [keep, package] { return keep(std::move(*package)); },
        [](wire::Responder& then, const Result<App>& app) { reply_app(then, app); });
  };
  in_pool(
      std::move(r), [asked = std::move(*asked)] { return look_at(asked); },
      [this, store](wire::Responder& to, Looked looked) {
        if (looked.problem) return reply_problem(to, *looked.problem);
        if (!looked.package) return reply_error(to, looked.package.error());
        auto package = std::make_shared<Package>(std::move(*looked.package));
        const bool hog = package->manifest.language == catalog::AppLanguage::kHog;
        // Where no apps run there is nobody to ask: its worker will tell.
        if (hog || !sources_.apps.compile) return store(to, package);
        auto asker = std::make_shared<wire::Responder>(std::move(to));
        sources_.apps.compile(
            std::make_shared<const AppFiles>(package->files),
            [alive = alive_, asker, package, store](const Result<std::vector<AppMistake>>& found) {
              if (!*alive) return;
              if (!found) return reply_error(*asker, found.error());
              const auto mistake = first_mistake(*found);
              if (mistake) return reply_problem(*asker, *mistake);
              store(*asker, package);
            });
      });
}

void Service::create_app(Call& call, wire::Responder& r) {
  const auto raw = call.body.find("is_global");
  const bool global = raw && *raw == "true";
  if (global && call.principal.project.value != 0) {
    return reply_error(r, {Code::kDenied, "this key is for one project only"});
  }
  const ProjectId owner = global ? ProjectId{} : call.project;
  const auto update = call.body.find("update");
  const bool replaces = update && *update == "true";
  publish(call, r, "",
          [&apps = parts_.catalog.apps(), by = call.principal, owner, replaces](Package package) {
            const std::string name = package.manifest.name;
            // The project's own app of that package's name, else a new one.
            for (const App& known : apps.apps(owner)) {
              const bool same = replaces && known.project == owner && known.manifest.name == name;
              if (!same || name == catalog::kUnnamedApp) continue;
              return apps.add_version(by, known.id, std::move(package.files), package.source);
            }
            return apps.create_app(by, owner, std::move(package.files), package.source);
          });
}

void Service::add_app_version(Call& call, wire::Responder& r, const App& app) {
  publish(call, r, app.manifest.name,
          [&apps = parts_.catalog.apps(), by = call.principal, id = app.id](Package package) {
            return apps.add_version(by, id, std::move(package.files), package.source);
          });
}

}  // namespace penstock::admin
