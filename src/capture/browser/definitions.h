// What server SDKs fetch with a secret key: flag definitions for local evaluation, and the payload
// of one flag (remote config).
//
//   GET /flags/definitions, GET /api/feature_flag/local_evaluation/
//   GET /api/projects/{@current|id}/feature_flags/{key}/remote_config
// The key (phx_…) is looked up in the catalog on a pool thread, where the answer is put together as
// well. A key bound to one project reads that project only. Shard's thread; at most
// kDefinitionsWaitingMax requests wait for the pool, more are answered 503.
#pragma once

#include <memory>
#include <string>

#include "capture/browser/api_error.h"
#include "catalog/catalog.h"
#include "runtime/runtime.h"
#include "wire/http.h"

namespace penstock::capture {

inline constexpr size_t kDefinitionsWaitingMax = 64;

class Definitions {
 public:
  Definitions(runtime::Loop& loop, runtime::Runtime& runtime, catalog::Catalog& catalog)
      : loop_(loop), runtime_(runtime), catalog_(catalog) {}

  /// False when the path is none of the above.
  static bool takes(std::string_view path);
  void answer(const wire::Request& request, wire::Responder& responder,
              const AnswerContext& context);

 private:
  runtime::Loop& loop_;
  runtime::Runtime& runtime_;
  catalog::Catalog& catalog_;
  std::shared_ptr<size_t> waiting_ = std::make_shared<size_t>(0);
};

}  // namespace penstock::capture
