// Instance: how the command line finds the Penstock that runs on a data directory.
//
// `up` writes <data>/run/instance.json (addresses, pid) and <data>/run/cli.key (a key for this
// machine's user, mode 0600) when it is ready, and removes them when it stops. Other commands read
// them. `--data` defaults to $PENSTOCK_DATA, else ./penstock-data.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "main/http_client.h"

namespace penstock::cli {

struct Instance {
  int64_t pid = 0;
  std::string version;
  std::string capture_url;  // empty when this process does not capture
  std::string admin_url;
  std::string project_key;      // of the default project
  std::string cli_key;          // phx_…
  std::string tls_cert_file;    // what both listeners show; empty: plain HTTP
  bool proxy_protocol = false;  // capture wants a PROXY header
};

std::string default_data_dir();
/// kNotFound says how to start one; kUnavailable that it has died.
Result<Instance> find_instance(const std::string& data_dir);
Status write_instance(const std::string& data_dir, const Instance& instance);
void remove_instance(const std::string& data_dir);

/// Calls to its listeners, as they want to be called; the admin one carries the key.
HttpCall admin_call(const Instance& instance, std::string_view path);
HttpCall capture_call(const Instance& instance, std::string_view path);

}  // namespace penstock::cli
