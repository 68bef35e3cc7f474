// What browsers ask for beside sending events: flags and remote config, in the shapes of contract
// sections 8 and 9, for a project without flags.
#pragma once

#include "capture/answers.h"
#include "capture/decode/body.h"
#include "capture/options.h"
#include "catalog/catalog.h"
#include "wire/http.h"

namespace penstock::capture {

/// POST /flags and /decide: no flags, in the shape of the asked version; 401 for an unknown token.
void flags(wire::Request& request, wire::Responder& responder, const AnswerContext& context,
           BodyDecoder& decoder, const catalog::Snapshot& projects, bool decide,
           const CaptureOptions& options);

/// GET /array/{token}/config and config.js; 404 for an unknown token.
void remote_config(const wire::Request& request, wire::Responder& responder,
                   const AnswerContext& context, const catalog::Snapshot& projects);

}  // namespace penstock::capture
