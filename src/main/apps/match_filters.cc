#include "main/apps/match_filters.h"

namespace penstock::cli {

admin::FilterMatches match_filters(runtime::Runtime& runtime,
                                   const ingest::AppFilters::Groups& groups, ProjectId id,
                                   const catalog::ProjectSettings& project,
                                   const std::string& filters,
                                   const std::vector<std::string>& events) {
  ingest::AppFilters asked(runtime, groups);
  catalog::EnabledApp app;
  app.config.project = id;
  app.config.filters = filters;
  admin::FilterMatches out;
  for (const std::string& event : events) {
    const auto fields = event::JsonFields::parse(event);
    out.matched.push_back(fields && asked.matches(app, project, *fields));
  }
  const ingest::FilterCounts& counts = asked.counts(app, project);
  out.failed = counts.failed;
  out.error = counts.error;
  return out;
}

}  // namespace penstock::cli
