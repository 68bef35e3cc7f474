// What `penstock app` asks the running instance for.
//
// Blocking calls of the admin API; errors are the API's sentences.
#pragma once

#include <string>
#include <vector>

#include "catalog/app_manifest.h"
#include "main/commands/api.h"

namespace penstock::cli {

struct AppArgs {
  std::string data = default_data_dir();
  std::string from, to;             // of an export
  std::string job, payload = "{}";  // of a public job
  std::string target, language = "js", config = "{}", since = "24h";
  int64_t project = 1, limit = 100, version = 0;
  bool stop = false, json = false, follow = false, off = false, once = false;
};

std::string project_path(const AppArgs& args);
/// The members of an answer's `results`.
std::vector<std::string> results_of(const std::string& body);
/// The configuration that `args.target` names by its id or its app's name.
Result<int64_t> config_named(const Instance& instance, const AppArgs& args);

/// The answer about the configuration.
Result<std::string> deploy(const Instance& instance, const AppArgs& args);
/// The version that runs now.
Result<int64_t> roll_back(const Instance& instance, const AppArgs& args);

/// Starts a public job of the app; without `args.job` it prints which there are. Exit code.
int start_job(const AppArgs& args);
/// Hands past events to the app and shows how far it has come, until it is through. Exit code.
int export_past(const AppArgs& args);
/// Exit codes; they print.
int test_folder(const Instance& instance, const AppArgs& args, const catalog::AppFiles& files);
int replay_folder(const AppArgs& args);
int develop(const AppArgs& args);

}  // namespace penstock::cli
