#include "main/apps/match_filters.h"

namespace penstock::cli {

admin::FilterMatches match_filters(runtime::Runtime& runtime, const AppGroups& groups, ProjectId id,
                                   const catalog::ProjectSettings& project,
                                   const std::string& filters,
                                   const std::vector<std::string>& events) {
  admin::FilterMatches out;
  catalog::EnabledApp app;
  app.config.project = id;
  app.config.filters = filters;
  // Before an event is stored no group has properties.
  const bool with_groups = id.value != 0 && ingest::AppFilters(runtime).ask_groups(app, project);
  auto known = with_groups ? groups.at_once(id, events) : ingest::AppFilters::Groups();
  if (!known) {
    out.matched.resize(events.size());
    out.failed = events.size();
    out.error = "groups cannot be read: " + known.error().message;
    return out;
  }
  ingest::AppFilters asked(runtime, std::move(*known));
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
