#include "main/apps/npm.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "base/base64.h"
#include "event/json_fields.h"
#include "main/http_client.h"

namespace penstock::cli {
namespace {

constexpr size_t kMetadataBytesMax = 4U << 20, kArchiveBytesMax = 8U << 20;
constexpr int64_t kAnswerMs = 20'000;

bool is_plain(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '+';
  });
}

struct Named {
  std::string path;  // of the version, below the registry
};
Result<Named> read_name(const std::string& package) {
  const size_t at = package.rfind('@');
  const std::string name = package.substr(0, at == std::string::npos ? 0 : at);
  const std::string version = at == std::string::npos ? "" : package.substr(at + 1);
  const size_t slash = name.find('/');
  const bool scoped = name.starts_with('@');
  const bool good = scoped ? slash != std::string::npos && is_plain(name.substr(1, slash - 1)) &&
                                 is_plain(name.substr(slash + 1))
                           : is_plain(name);
  if (!good || !is_plain(version) || name.find("..") != std::string::npos) {
    return fail(Code::kInvalid, fmt::format("'{}' is not name@version", package));
  }
  const std::string escaped =
      scoped ? name.substr(0, slash) + "%2F" + name.substr(slash + 1) : name;
  return Named{fmt::format("/{}/{}", escaped, version)};
}

Result<std::string> get(const std::string& url, size_t bytes_max) {
  std::string body;
  HttpCall call;
  call.url = url;
  call.timeout_ms = kAnswerMs;
  call.on_data = [&](std::string_view piece) {
    body += piece;
    return body.size() <= bytes_max;
  };
  const auto reply = http(call);
  if (body.size() > bytes_max) return fail(Code::kInvalid, "the registry's answer is too large");
  if (!reply) return std::unexpected(reply.error());
  if (reply->status == 404) return fail(Code::kNotFound, "the registry has no such version");
  if (reply->status != 200) {
    return fail(Code::kUnavailable, fmt::format("the registry answered {}", reply->status));
  }
  return body;
}

std::string text_of(const event::JsonFields& fields, std::string_view key) {
  const auto raw = fields.find(key);
  return raw && raw->starts_with('"') ? event::decode_string(*raw) : std::string();
}

/// As the registry writes it.
std::string integrity_of(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha512(), nullptr);
  return "sha512-" + base64({reinterpret_cast<const char*>(digest.data()), size});
}

}  // namespace

Result<std::string> fetch_npm(const std::string& registry, const std::string& package) {
  PENSTOCK_TRY(const Named named, read_name(package));
  PENSTOCK_TRY(const std::string metadata, get(registry + named.path, kMetadataBytesMax));
  PENSTOCK_TRY(const auto fields, event::JsonFields::parse(metadata));
  PENSTOCK_TRY(const auto dist, event::JsonFields::parse(fields.find("dist").value_or("{}")));
  const std::string archive = text_of(dist, "tarball"), integrity = text_of(dist, "integrity");
  if (!archive.starts_with(registry + "/")) {
    return fail(Code::kInvalid, "the registry names an archive that lies elsewhere");
  }
  if (!integrity.starts_with("sha512-")) {
    return fail(Code::kInvalid, "the registry does not say what the archive's sha512 is");
  }
  PENSTOCK_TRY(std::string bytes, get(archive, kArchiveBytesMax));
  if (integrity_of(bytes) != integrity) {
    return fail(Code::kInvalid, "the archive is not what the registry describes");
  }
  return bytes;
}

}  // namespace penstock::cli
