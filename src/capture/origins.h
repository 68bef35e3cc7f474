// Origins: which web pages may read the answers about a project (its setting "admission",
// member cors_origins).
//
// Events are taken from every page; what a browser hides from a page that is not listed is the
// answer. Pure; the project may be unknown.
#pragma once

#include <string>
#include <string_view>

#include "capture/answers.h"
#include "catalog/catalog.h"

namespace penstock::capture {

/// An empty list allows every origin, and so does an unknown project.
bool origin_allowed(const catalog::Project* project, std::string_view origin);

/// Takes the CORS headers from an answer, once it is known about which project it is.
void restrict_origin(AnswerContext& context, const catalog::Project* project);
AnswerContext restricted(const AnswerContext& context, const catalog::Project* project);

/// For preflights, which name no project: an origin that any project allows is mirrored.
bool origin_known(const catalog::Snapshot& projects, std::string_view origin);

}  // namespace penstock::capture
