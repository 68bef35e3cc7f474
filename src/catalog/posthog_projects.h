// Projects as an installation of PostHog keeps them in PostgreSQL, read as projects of this
// catalog.
//
// PostHog's `posthog_team` carries some three hundred columns, which come and go with its versions:
// only those that have a meaning here are asked for, and those that are not there say nothing. Ids
// and tokens stay what they are, so that SDKs, rows and persons need no change. Blocks; nothing is
// written there. Failure: PostgreSQL's; kNotFound: the database is no PostHog's; kCorrupt: a row
// that cannot be read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

namespace penstock::catalog {

struct PosthogProject {
  ProjectId id;
  std::string name, token, organization;
  int64_t created_at_ms = 0;
  /// By the setting's name, its JSON; those that are PostHog's default are left out.
  std::vector<std::pair<std::string, std::string>> settings;
  /// What is set there and has no place here, a few words each.
  std::vector<std::string> left_out;
};

Result<std::vector<PosthogProject>> read_posthog_projects(const std::string& url);

/// One row as a JSON object whose members are the columns. Pure.
Result<PosthogProject> posthog_project(std::string_view row);

}  // namespace penstock::catalog
