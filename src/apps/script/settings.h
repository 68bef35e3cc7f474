// What a Vm is made of and what it may use. Plain values that travel from the parent to a worker.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "apps/apps.h"

namespace penstock::apps {

/// Per app configuration; docs/apps/ENGINE.md lists them with their reasons.
struct VmLimits {
  uint64_t memory_bytes = 64U << 20;
  int64_t cpu_ms = 500;        // one call, without its waiting
  int64_t event_cpu_ms = 500;  // processEvent until it waits for something
  int64_t load_cpu_ms = 5000;  // evaluating the app's file
  int64_t task_ms = 30'000;    // one call, with its waiting: plugins.md's TASK_TIMEOUT
  uint64_t event_bytes = 1U << 20;
  uint64_t stack_bytes = 512U << 10;
  uint32_t host_calls = 200;  // under way at once
  uint32_t timers = 1000;
  uint32_t logs_per_second = 100;
  uint32_t log_bytes = 8U << 10;
  bool shared = false;  // with other projects' apps: who takes too long is asked elsewhere
};

struct VmSpec {
  ConfigId config = 0;
  int64_t plugin = 0;
  int64_t project = 0;  // 0: stateless, all of them
  int64_t version = 0;
  std::string name, token, config_json, site_url;
  std::string main;  // empty: main_file says
  std::map<std::string, std::string> files;
  std::map<std::string, Attachment> attachments;
  bool only_compile = false;  // nothing of it runs
};

void encode(const VmSpec& spec, std::string& out);
void encode(const VmLimits& limits, std::string& out);
/// False: the text is not what encode made.
bool decode(std::string_view text, VmSpec& spec);
bool decode(std::string_view text, VmLimits& limits);

/// The file that is run: plugin.json's "main", else index.js, index.ts or index.tsx; empty: there
/// is none. kInvalid: plugin.json is not JSON.
Result<std::string> main_file(const std::map<std::string, std::string>& files);

}  // namespace penstock::apps
