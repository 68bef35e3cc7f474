#include "main/prove/server.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <thread>

#include "runtime/net.h"

namespace penstock::cli::prove {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kLook{3};
constexpr size_t kLastWords = 600;

Result<std::string> free_address() {
  constexpr uint16_t kFirst = 19'000, kCount = 12'000;
  std::random_device dice;
  for (int i = 0; i < 200; i++) {
    const runtime::Address address{"127.0.0.1", static_cast<uint16_t>(kFirst + dice() % kCount)};
    if (runtime::Listener::bind(address, 1, false)) return address.text();
  }
  return fail(Code::kUnavailable, "no port between 19000 and 31000 seems to be free");
}

}  // namespace

Server::Server(std::string data, std::string key, std::vector<std::string> flags)
    : data_(std::move(data)),
      key_(std::move(key)),
      output_(data_ + ".output.txt"),
      flags_(std::move(flags)) {}

Status Server::prepare() {
  PENSTOCK_TRY(capture_address_, free_address());
  do {
    PENSTOCK_TRY(admin_address_, free_address());
  } while (admin_address_ == capture_address_);
  return {};
}

Status Server::spawn() {
  runtime::SpawnOptions options;
  options.argv = {std::filesystem::read_symlink("/proc/self/exe").string(),
                  "up",
                  "--data",
                  data_,
                  "--listen",
                  capture_address_,
                  "--admin",
                  admin_address_,
                  "--project-key",
                  key_};
  options.argv.insert(options.argv.end(), flags_.begin(), flags_.end());
  options.output_file = output_;
  PENSTOCK_TRY(auto child, runtime::ChildProcess::spawn(options));
  child_.emplace(std::move(child));
  return {};
}

Status Server::wait_ready(milliseconds limit) {
  const auto deadline = steady_clock::now() + limit;
  while (steady_clock::now() < deadline) {
    if (const auto how = ended_by_itself()) return fail(Code::kUnavailable, *how);
    auto found = find_instance(data_);
    if (found && found->pid == child_->pid()) {
      instance_ = std::move(*found);
      return {};
    }
    std::this_thread::sleep_for(kLook);
  }
  return fail(Code::kTimeout, fmt::format("it was not ready after {} ms; its last words: {}",
                                          limit.count(), last_words()));
}

void Server::kill() {
  if (!child_) return;
  child_->kill();
  child_->wait();
  child_.reset();
}

Status Server::stop(milliseconds limit) {
  child_->terminate();
  const auto deadline = steady_clock::now() + limit;
  while (!child_->ended() && steady_clock::now() < deadline) std::this_thread::sleep_for(kLook);
  const auto how = child_->ended();
  if (!how) {
    kill();
    return fail(Code::kTimeout, fmt::format("a stop took longer than {} ms", limit.count()));
  }
  child_.reset();
  if (how->success()) return {};
  return fail(Code::kUnavailable, "when asked to stop it " + how->text() + ": " + last_words());
}

void Server::freeze(bool frozen) { ::kill(child_->pid(), frozen ? SIGSTOP : SIGCONT); }

bool Server::kill_engine() {
  std::error_code error;
  const std::string tasks = fmt::format("/proc/{}/task", child_->pid());
  for (const auto& task : std::filesystem::directory_iterator(tasks, error)) {
    std::ifstream children(task.path() / "children");
    if (pid_t pid = 0; children >> pid) return ::kill(pid, SIGKILL) == 0;
  }
  return false;
}

std::optional<std::string> Server::ended_by_itself() {
  const auto how = child_->ended();
  if (!how) return std::nullopt;
  return "it " + how->text() + " although nobody asked it to: " + last_words();
}

std::string Server::last_words() const {
  std::ifstream in(output_, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(in), {});
  return text.substr(text.size() - std::min(text.size(), kLastWords));
}

}  // namespace penstock::cli::prove
