// The lists posthog-js fetches: surveys, early access features, web experiments, product tours.
//
// What the project's settings hold, or an empty list. 401 for an unknown project. Pure.
#pragma once

#include <string_view>

#include "capture/answers.h"
#include "catalog/catalog.h"
#include "wire/http.h"

namespace penstock::capture {

/// False when the path is none of the lists.
bool answer_list(const wire::Request& request, wire::Responder& responder,
                 const AnswerContext& context, const catalog::Snapshot& projects);

}  // namespace penstock::capture
