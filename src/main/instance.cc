#include "main/instance.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/json_writer.h"
#include "event/json_fields.h"

namespace penstock::cli {
namespace {

std::string file_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Written beside its place and renamed, readable by the owner only.
Status write_private(const std::string& path, std::string_view text) {
  const std::string fresh = path + ".new";
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return fail(Code::kUnavailable, "cannot write " + fresh);
  const ssize_t n = ::write(fd, text.data(), text.size());
  ::close(fd);
  if (n != static_cast<ssize_t>(text.size()) || std::rename(fresh.c_str(), path.c_str()) != 0) {
    return fail(Code::kUnavailable, "cannot write " + path);
  }
  return {};
}

std::string member(const event::JsonFields& fields, std::string_view key) {
  const auto raw = fields.find(key);
  return raw && raw->starts_with('"') ? event::decode_string(*raw) : std::string(raw.value_or(""));
}

}  // namespace

std::string default_data_dir() {
  const char* set = std::getenv("PENSTOCK_DATA");
  return set != nullptr && *set != '\0' ? set : "penstock-data";
}

Result<Instance> find_instance(const std::string& data_dir) {
  const std::string text = file_text(data_dir + "/run/instance.json");
  if (text.empty()) {
    return fail(Code::kNotFound, "no Penstock is running on " + data_dir +
                                     "; start one with: penstock up --data " + data_dir);
  }
  PENSTOCK_TRY(const auto fields, event::JsonFields::parse(text));
  Instance out;
  const std::string pid = member(fields, "pid");
  std::from_chars(pid.data(), pid.data() + pid.size(), out.pid);
  out.version = member(fields, "version");
  out.capture_url = member(fields, "capture_url");
  out.admin_url = member(fields, "admin_url");
  out.project_key = member(fields, "project_key");
  out.tls_cert_file = member(fields, "tls_cert_file");
  out.proxy_protocol = member(fields, "proxy_protocol") == "true";
  out.cli_key = file_text(data_dir + "/run/cli.key");
  if (out.pid <= 0 || ::kill(static_cast<pid_t>(out.pid), 0) != 0) {
    return fail(Code::kUnavailable, "the Penstock on " + data_dir +
                                        " has died; start it again with: penstock up --data " +
                                        data_dir);
  }
  return out;
}

Status write_instance(const std::string& data_dir, const Instance& instance) {
  std::error_code error;
  std::filesystem::create_directories(data_dir + "/run", error);
  ::chmod((data_dir + "/run").c_str(), 0700);
  PENSTOCK_CHECK(write_private(data_dir + "/run/cli.key", instance.cli_key));
  JsonWriter w;
  w.begin_object().field("pid", instance.pid).field("version", instance.version);
  w.field("capture_url", instance.capture_url).field("admin_url", instance.admin_url);
  w.field("project_key", instance.project_key);
  w.field("tls_cert_file", instance.tls_cert_file);
  w.field("proxy_protocol", instance.proxy_protocol).end_object();
  return write_private(data_dir + "/run/instance.json", w.take() + "\n");
}

void remove_instance(const std::string& data_dir) {
  std::error_code error;
  std::filesystem::remove(data_dir + "/run/instance.json", error);
  std::filesystem::remove(data_dir + "/run/cli.key", error);
}

HttpCall admin_call(const Instance& instance, std::string_view path) {
  HttpCall call;
  call.url = instance.admin_url + std::string(path);
  call.bearer = instance.cli_key;
  call.ca_file = instance.tls_cert_file;
  return call;
}

HttpCall capture_call(const Instance& instance, std::string_view path) {
  HttpCall call;
  call.url = instance.capture_url + std::string(path);
  call.ca_file = instance.tls_cert_file;
  call.proxy_header = instance.proxy_protocol;
  return call;
}

}  // namespace penstock::cli
