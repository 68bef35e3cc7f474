// The web UI: packed files, and index.html for every path the UI routes itself.
//
// A recorded page is rebuilt inside the UI and is held by the same content security policy: nothing
// is fetched from other sites. Only the address of one recording with `remote=1` gets a policy that
// lets pictures, styles, fonts and media come from where the recorded page had them; the UI goes
// there when a person asked for it, and draws nothing there otherwise.
#include "admin/api/service.h"
#include "assets/assets.h"

namespace penstock::admin {
namespace {

constexpr std::string_view kPolicy =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; object-src 'none'; frame-src 'none'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
constexpr std::string_view kRemotePolicy =
    "default-src 'self'; style-src 'self' 'unsafe-inline' https: http:; "
    "img-src 'self' data: https: http:; font-src 'self' data: https: http:; "
    "media-src 'self' data: https: http:; object-src 'none'; frame-src 'none'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

bool wants_remote_content(const wire::Request& request) {
  std::string value;
  return request.path.starts_with("/replay/") &&
         wire::query_param(request.query, "remote", value) && value == "1";
}

}  // namespace

void Service::file(const wire::Request& request, wire::Responder& r) const {
  if (request.method != "GET" && request.method != "HEAD") {
    return reply_error(r, {Code::kNotFound, "the API begins with /api/"});
  }
  const assets::Asset* asset = assets::find_web(request.path);
  const bool hashed = asset != nullptr && request.path.starts_with("/assets/");
  if (asset == nullptr) {
    if (request.path.starts_with("/assets/")) {
      return reply_error(r, {Code::kNotFound, "no such file"});
    }
    asset = assets::find_web("/index.html");
  }
  wire::Response response;
  response.content_type = asset->content_type;
  const bool gzip = !asset->gzip.empty() &&
                    request.find("accept-encoding").find("gzip") != std::string_view::npos;
  response.body = gzip ? asset->gzip : asset->bytes;
  if (gzip) response.headers.emplace_back("Content-Encoding", "gzip");
  response.headers.emplace_back("Vary", "Accept-Encoding");
  response.headers.emplace_back("Cache-Control",
                                hashed ? "public, max-age=31536000, immutable" : "no-cache");
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  response.headers.emplace_back("X-Frame-Options", "DENY");
  response.headers.emplace_back("Referrer-Policy", "no-referrer");
  // A browser may look up the hosts of a page's links ahead of time, those of a recorded page too.
  response.headers.emplace_back("X-DNS-Prefetch-Control", "off");
  response.headers.emplace_back("Content-Security-Policy",
                                wants_remote_content(request) ? kRemotePolicy : kPolicy);
  r.send(std::move(response));
}

}  // namespace penstock::admin
