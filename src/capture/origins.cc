#include "capture/origins.h"

#include <algorithm>

namespace penstock::capture {

bool origin_allowed(const catalog::Project* project, std::string_view origin) {
  if (project == nullptr) return true;
  const auto& listed = project->settings->admission.cors_origins;
  return listed.empty() || std::ranges::any_of(listed, [&](const std::string& one) {
           return wire::same_ignoring_case(origin, one);
         });
}

void restrict_origin(AnswerContext& context, const catalog::Project* project) {
  if (!context.origin.empty() && !origin_allowed(project, context.origin)) context.origin.clear();
}

AnswerContext restricted(const AnswerContext& context, const catalog::Project* project) {
  AnswerContext out = context;
  restrict_origin(out, project);
  return out;
}

bool origin_known(const catalog::Snapshot& projects, std::string_view origin) {
  return projects.projects.empty() ||
         std::ranges::any_of(projects.projects, [&](const catalog::Project& project) {
           return origin_allowed(&project, origin);
         });
}

}  // namespace penstock::capture
