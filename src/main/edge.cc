#include "main/edge.h"

#include <filesystem>

namespace penstock::cli {
namespace {

constexpr int64_t kLookEveryMs = 2000;

std::string absolute(const std::string& path) { return std::filesystem::absolute(path).string(); }

}  // namespace

Status Edge::open(runtime::Loop& loop, runtime::Runtime& runtime, const Settings& settings) {
  if (!settings.access_log.path.empty()) {
    auto log = wire::AccessLog::open(loop, runtime, settings.access_log);
    if (!log) return fail(log.error(), "the access log");
    access_log_ = std::move(*log);
  }
  if (settings.tls_cert_file.empty()) return {};
  cert_file_ = absolute(settings.tls_cert_file);
  auto files = wire::TlsFiles::start(loop, runtime, cert_file_, absolute(settings.tls_key_file),
                                     kLookEveryMs);
  if (!files) return fail(files.error(), "TLS cannot start");
  tls_files_ = std::move(*files);
  return {};
}

void Edge::close() {
  tls_files_.reset();
  if (access_log_) access_log_->close();
}

wire::ServerEdge Edge::server() const {
  wire::ServerEdge out;
  if (tls_files_) out.tls = tls_files_->identity();
  out.access_log = access_log_;
  return out;
}

std::string Edge::url_of(const wire::Server& server) const {
  return (tls_files_ ? "https://" : "http://") + server.address().text();
}

}  // namespace penstock::cli
