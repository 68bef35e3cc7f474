// Edge: what this process puts between its listeners and HTTP.
//
// Opened on one loop (the admin's), which is also where it is closed; what `server` answers may be
// used from all of them.
#pragma once

#include <memory>
#include <string>

#include "main/settings.h"
#include "runtime/runtime.h"
#include "wire/access_log.h"
#include "wire/tls.h"

namespace penstock::cli {

class Edge {
 public:
  Status open(runtime::Loop& loop, runtime::Runtime& runtime, const Settings& settings);
  void close();

  /// What all listeners have in common.
  wire::ServerEdge server() const;
  std::string url_of(const wire::Server& server) const;
  /// Absolute; empty without TLS.
  const std::string& cert_file() const { return cert_file_; }

 private:
  std::string cert_file_;
  std::unique_ptr<wire::TlsFiles> tls_files_;
  std::shared_ptr<wire::AccessLog> access_log_;
};

}  // namespace penstock::cli
