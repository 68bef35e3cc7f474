#include "capture/browser/static_files.h"

#include <fmt/format.h>

#include "assets/assets.h"
#include "base/padded.h"
#include "capture/browser/etag.h"
#include "capture/browser/gzip_prepend.h"

namespace penstock::capture {
namespace {

constexpr std::string_view kForever = "public, max-age=31536000, immutable";
constexpr std::string_view kHour = "public, max-age=3600";
constexpr std::string_view kMinute = "public, max-age=60";
constexpr size_t kBundleBytesMax = 8U << 20;

struct Found {
  const assets::Asset* asset = nullptr;
  bool exact = false;  // asked for by its version
};

Found find(const wire::Request& request) {
  constexpr std::string_view kRoot = "/static/";
  std::string_view rest = request.path.substr(kRoot.size());
  const std::string_view version = assets::sdk_version();
  Found out;
  if (rest.starts_with(version) && rest.substr(version.size()).starts_with('/')) {
    rest.remove_prefix(version.size() + 1);
    out.exact = true;
  }
  out.asset = assets::find_sdk(std::string(kRoot) + std::string(rest));
  std::string asked;
  if (wire::query_param(request.query, "v", asked) && asked == version) out.exact = true;
  return out;
}

/// What any page may read and any cache keep. True: the client has it, and 304 is set.
bool prepare(const wire::Request& request, wire::Response& response, std::string_view etag,
             std::string_view cache) {
  auto& h = response.headers;
  h.emplace_back("access-control-allow-origin", "*");
  h.emplace_back("Cache-Control", cache);
  h.emplace_back("ETag", etag);
  h.emplace_back("Vary", "Accept-Encoding");
  h.emplace_back("X-Content-Type-Options", "nosniff");
  if (!etag_matches(request.find("if-none-match"), etag)) return false;
  response.status = 304;
  return true;
}

}  // namespace

std::string StaticFiles::inflate(std::string_view gzip) {
  PaddedBuffer plain;
  if (const Status done = inflater_.gunzip(gzip, plain, kBundleBytesMax); !done) return {};
  return std::string(plain.view());
}

void StaticFiles::answer(const wire::Request& request, wire::Responder& responder) {
  const auto [asset, exact] = find(request);
  wire::Response response;
  if (asset == nullptr) {
    response.status = 404;
    response.content_type = "text/plain; charset=utf-8";
    response.body = "there is no such bundle\n";
    response.headers.emplace_back("access-control-allow-origin", "*");
    return responder.send(std::move(response));
  }
  const std::string etag = fmt::format("W/\"{}\"", assets::sdk_version());
  response.content_type = asset->content_type;
  if (!prepare(request, response, etag, exact ? kForever : kHour)) {
    if (accepts_gzip(request.find("accept-encoding"))) {
      response.headers.emplace_back("Content-Encoding", "gzip");
      response.body = asset->gzip;
    } else {
      response.body = inflate(asset->gzip);
    }
  }
  responder.send(std::move(response));
}

void StaticFiles::answer_bundle(const wire::Request& request, wire::Responder& responder,
                                const std::string& config_script) {
  const assets::Asset* asset = assets::find_sdk("/static/array.js");
  wire::Response response;
  const std::string etag = weak_etag(fmt::format("{} {}", assets::sdk_version(), config_script));
  response.content_type = asset->content_type;
  if (!prepare(request, response, etag, kMinute)) {
    if (accepts_gzip(request.find("accept-encoding"))) {
      response.headers.emplace_back("Content-Encoding", "gzip");
      response.body = gzip_prepend(config_script, asset->gzip);
    } else {
      response.body = config_script + inflate(asset->gzip);
    }
  }
  responder.send(std::move(response));
}

}  // namespace penstock::capture
