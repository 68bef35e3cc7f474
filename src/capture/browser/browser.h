// Browser: everything SDKs ask a PostHog host for beside taking events.
//
// Bundles, remote config, feature flags and their definitions, and the lists of surveys, early
// access features, experiments and tours; contract/capture, sections 8 and 9. Reads the catalog's
// snapshot, and the catalog itself only for secret keys, on the pool. Belongs to one shard; its
// loop's thread only.
#pragma once

#include <string>
#include <string_view>

#include "capture/admit/admission.h"
#include "capture/answers.h"
#include "capture/browser/definitions.h"
#include "capture/browser/static_files.h"
#include "capture/decode/body.h"
#include "capture/options.h"
#include "capture/refusal_tally.h"
#include "catalog/catalog.h"
#include "runtime/runtime.h"
#include "wire/http.h"

namespace penstock::capture {

class Browser {
 public:
  Browser(runtime::Loop& loop, runtime::Runtime& runtime, catalog::Catalog& catalog,
          Admission& admission, RefusalTally& refusals, const CaptureOptions& options)
      : runtime_(runtime),
        admission_(admission),
        refusals_(refusals),
        options_(options),
        definitions_(loop, runtime, catalog) {}

  /// Answers the request if its path is one of the above; false: it is somebody else's.
  bool handle(wire::Request& request, wire::Responder& responder, const AnswerContext& context,
              const catalog::Snapshot& projects);

 private:
  void flags(wire::Request& request, wire::Responder& responder, const AnswerContext& context,
             const catalog::Snapshot& projects, bool decide);
  void array(const wire::Request& request, wire::Responder& responder, const AnswerContext& context,
             const catalog::Snapshot& projects);
  ConfigContext config_context(const catalog::Project& project, int64_t now_ms);
  std::string request_id(int64_t now_ms);

  runtime::Runtime& runtime_;
  Admission& admission_;
  RefusalTally& refusals_;
  const CaptureOptions& options_;
  BodyDecoder decoder_;
  StaticFiles files_;
  Definitions definitions_;
};

}  // namespace penstock::capture
