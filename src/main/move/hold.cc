#include "main/move/hold.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>
#include <vector>

#include "main/instance.h"
#include "main/move/refusals.h"

namespace penstock::cli::move {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr auto kLook = std::chrono::milliseconds(20);
constexpr auto kPatience = std::chrono::minutes(2);
constexpr std::string_view kSettled = "settled";

std::string hold_path(const std::string& data_dir) { return data_dir + "/state/move.hold"; }
std::string held_path(const std::string& data_dir) { return data_dir + "/run/held"; }
std::string again_path(const std::string& data_dir) { return data_dir + "/run/again"; }
std::string copy_path(const std::string& data_dir) { return data_dir + "/run/log-copy"; }
std::string finish_path(const std::string& data_dir) { return data_dir + "/run/log-finish"; }
constexpr std::string_view kHeldText = "held\n";
constexpr std::string_view kLogWord = "log ";

std::string text_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

Status write(const std::string& path, std::string_view text) {
  const std::string fresh = path + ".new";
  std::ofstream out(fresh, std::ios::binary | std::ios::trunc);
  if (!(out << text << std::flush)) return fail(Code::kDenied, "cannot write " + fresh);
  out.close();
  if (std::rename(fresh.c_str(), path.c_str()) != 0) {
    return fail(Code::kDenied, "cannot write " + path);
  }
  return {};
}

int64_t ms_since(Clock::time_point begun) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun).count();
}

void remove(const std::string& path) {
  std::error_code error;
  fs::remove(path, error);
}

/// Words of /proc's files, each ended by a NUL.
std::vector<std::string> words_of(const std::string& path) {
  const std::string text = text_of(path);
  std::vector<std::string> out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\0', at), text.size());
    out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

/// An engine on the command line or in the environment would win over penstock.toml.
Status check_reach(int64_t pid, const ConfigChanges& changes) {
  const std::string proc = "/proc/" + std::to_string(pid);
  for (const auto& [option, value] : changes) {
    std::string variable = "PENSTOCK_" + option;
    for (char& c : variable) c = c == '.' ? '_' : static_cast<char>(std::toupper(c));
    for (const std::string& word : words_of(proc + "/cmdline")) {
      if (word.find(option + "=") == std::string::npos) continue;
      return fail(Code::kConflict, option +
                                       " is on the command line of the running Penstock, where "
                                       "penstock.toml does not reach it: take it away there, "
                                       "and start again");
    }
    for (const std::string& word : words_of(proc + "/environ")) {
      if (!word.starts_with(variable + "=")) continue;
      return fail(Code::kConflict, variable +
                                       " is set for the running Penstock, and wins over "
                                       "penstock.toml: take it away, and start again");
    }
  }
  return {};
}

template <typename Ready>
Status wait_for(const std::string& data_dir, int64_t pid, Ready ready) {
  const auto deadline = Clock::now() + kPatience;
  while (!ready()) {
    if (::kill(static_cast<pid_t>(pid), 0) != 0) {
      return fail(Code::kUnavailable,
                  "the Penstock on " + data_dir + " did not come back; its output says why");
    }
    if (Clock::now() > deadline) {
      return fail(Code::kUnavailable, "the Penstock on " + data_dir + " does not come back");
    }
    std::this_thread::sleep_for(kLook);
  }
  return {};
}

Status ask_again(const std::string& data_dir, int64_t pid) {
  PENSTOCK_CHECK(write(again_path(data_dir), "again\n"));
  if (::kill(static_cast<pid_t>(pid), SIGTERM) == 0) return {};
  remove(again_path(data_dir));
  return fail(Code::kDenied, "the running Penstock cannot be signalled: be the same user");
}

}  // namespace

bool is_held(const std::string& data_dir) { return fs::exists(hold_path(data_dir)); }

Status tell_held(const std::string& data_dir, const Status& settled) {
  return write(held_path(data_dir), settled ? kSettled : std::string_view(settled.error().message));
}

void forget_held(const std::string& data_dir) {
  for (const auto& path : {held_path(data_dir), copy_path(data_dir), finish_path(data_dir)}) {
    remove(path);
  }
}

LogOrder log_order_of(const std::string& data_dir) {
  const std::string text = text_of(hold_path(data_dir));
  LogOrder out;
  const size_t at = text.find(kLogWord);
  if (at == std::string::npos) return out;
  std::istringstream(text.substr(at + kLogWord.size())) >> out.to >> out.piece_bytes >>
      out.bytes_per_second;
  return out;
}

Status tell_log_copy(const std::string& data_dir, const LogCopyState& s) {
  return write(copy_path(data_dir), fmt::format("{} {} {} {}\n{}", s.state, s.records,
                                                s.records_total, s.bytes, s.text));
}

bool finish_asked(const std::string& data_dir) { return fs::exists(finish_path(data_dir)); }

Result<ConfigChanges> take_finish(const std::string& data_dir) {
  std::istringstream in(text_of(finish_path(data_dir)));
  remove(finish_path(data_dir));
  ConfigChanges out;
  for (std::string line; std::getline(in, line);) {
    const size_t equals = line.find('=');
    if (equals == std::string::npos) continue;
    out.emplace_back(line.substr(0, equals), line.substr(equals + 1));
  }
  if (out.empty()) return fail(Code::kInvalid, "nobody says what penstock.toml should be");
  return out;
}

Status begin_anew(const std::string& data_dir) {
  remove(hold_path(data_dir));
  return ask_again(data_dir, ::getpid());
}

bool asked_again(const std::string& data_dir) {
  std::error_code error;
  return fs::remove(again_path(data_dir), error);
}

int begin_again() {
  std::vector<std::string> words = words_of("/proc/self/cmdline");
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  ::execv("/proc/self/exe", arguments.data());
  std::fputs("penstock: cannot begin anew\n", stderr);
  return 1;
}

Result<LogCopyState> log_copy_of(const std::string& data_dir) {
  std::ifstream in(copy_path(data_dir), std::ios::binary);
  LogCopyState out;
  if (!(in >> out.state >> out.records >> out.records_total >> out.bytes)) {
    return fail(Code::kUnavailable, "the Penstock that is held does not move its log");
  }
  in.ignore();
  out.text.assign(std::istreambuf_iterator<char>(in), {});
  return out;
}

Result<Switch> finish_log(const std::string& data_dir, const ConfigChanges& changes) {
  PENSTOCK_TRY(const Instance instance, find_instance(data_dir));
  // Appends are refused before it ends, while it says that it is ready.
  Refusals refusals(instance, /*begun=*/true);
  std::string text;
  for (const auto& [option, value] : changes) text += option + "=" + value + "\n";
  const auto begun = Clock::now();
  PENSTOCK_CHECK(write(finish_path(data_dir), text));
  Status outcome;
  bool moved = false;
  PENSTOCK_CHECK(wait_for(data_dir, instance.pid, [&] {
    if (const auto at = log_copy_of(data_dir); at && at->state == kLogFailed) {
      outcome = fail(Code::kConflict, at->text);
      return true;
    }
    moved = moved || (!fs::exists(again_path(data_dir)) && !fs::exists(held_path(data_dir)) &&
                      find_instance(data_dir).has_value());
    return moved && refusals.look();
  }));
  PENSTOCK_CHECK(outcome);
  return Switch{ms_since(begun), refusals.longest_ms()};
}

Result<int64_t> hold(const std::string& data_dir, const ConfigChanges& changes,
                     const LogOrder& log) {
  PENSTOCK_TRY(const Instance instance, find_instance(data_dir));
  PENSTOCK_CHECK(check_reach(instance.pid, changes));
  std::string wanted(kHeldText);
  if (!log.to.empty()) {
    wanted += fmt::format("{}{} {} {}\n", kLogWord, log.to, log.piece_bytes, log.bytes_per_second);
  }
  const auto copy = log_copy_of(data_dir);
  const bool failed = copy && copy->state == kLogFailed;
  if (fs::exists(held_path(data_dir)) && text_of(hold_path(data_dir)) == wanted && !failed) {
    return 0;
  }
  Refusals refusals(instance, /*begun=*/false);
  PENSTOCK_CHECK(write(hold_path(data_dir), wanted));
  if (Status s = ask_again(data_dir, instance.pid); !s) {
    remove(hold_path(data_dir));
    return std::unexpected(std::move(s).error());
  }
  PENSTOCK_CHECK(wait_for(data_dir, instance.pid, [&] {
    const bool takes = refusals.look();
    return takes && !fs::exists(again_path(data_dir)) && fs::exists(held_path(data_dir));
  }));
  return refusals.longest_ms();
}

Status settled_of(const std::string& data_dir) {
  const std::string text = text_of(held_path(data_dir));
  if (text == kSettled) return {};
  return fail(Code::kConflict, text.empty() ? "the Penstock that was held is gone" : text);
}

Result<Switch> let_go(const std::string& data_dir) {
  remove(hold_path(data_dir));
  const auto instance = find_instance(data_dir);
  if (!instance || !fs::exists(held_path(data_dir))) return Switch{};
  Refusals refusals(*instance, /*begun=*/false);
  const auto begun = Clock::now();
  PENSTOCK_CHECK(ask_again(data_dir, instance->pid));
  PENSTOCK_CHECK(wait_for(data_dir, instance->pid, [&] {
    const bool takes = refusals.look();
    return takes && !fs::exists(again_path(data_dir)) && !fs::exists(held_path(data_dir)) &&
           find_instance(data_dir).has_value();
  }));
  return Switch{ms_since(begun), refusals.longest_ms()};
}

}  // namespace penstock::cli::move
