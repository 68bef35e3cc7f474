// posthog-js's bundles: /static/… and the project's own bundle with its config in it.
//
//   /static/{kind}.js            the bundle; with ?v= of exactly our version it never changes
//   /static/{version}/{kind}.js  the same for exactly our version; 404 for another
// Bundles lie packed in the binary. The few clients that do not take gzip get them inflated.
// Shard's thread only; anything else is 404.
#pragma once

#include <string>

#include "capture/browser/remote_config.h"
#include "wire/http.h"
#include "wire/inflate.h"

namespace penstock::capture {

class StaticFiles {
 public:
  void answer(const wire::Request& request, wire::Responder& responder);
  /// array.js with the project's config ahead of it.
  void answer_bundle(const wire::Request& request, wire::Responder& responder,
                     const std::string& config_script);

 private:
  std::string inflate(std::string_view gzip);

  wire::Inflater inflater_;
};

}  // namespace penstock::capture
