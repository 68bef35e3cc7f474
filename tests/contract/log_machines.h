// Machines for suites over asynchronous interfaces: the same test runs on real threads and a real
// disk, or in the simulator. A test's thread starts things and waits; answers arrive on `caller`.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>

#include "runtime/real_runtime.h"
#include "runtime/sim_runtime.h"

namespace penstock::log {

/// What runs the log: real threads, or the simulator.
class Machine {
 public:
  virtual ~Machine() = default;
  virtual runtime::Runtime& runtime() = 0;
  virtual runtime::Loop& home() = 0;    // the log's
  virtual runtime::Loop& caller() = 0;  // where answers arrive
  virtual void wait(std::atomic<bool>& ready) = 0;
  virtual std::string directory() = 0;
};

class RealMachine : public Machine {
 public:
  RealMachine()
      : runtime_(runtime::make_real_runtime()),
        home_("log"),
        caller_("caller"),
        directory_(std::filesystem::temp_directory_path() /
                   ("penstock-log-" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
    home_.start();
    caller_.start();
  }
  ~RealMachine() override { std::filesystem::remove_all(directory_); }
  runtime::Runtime& runtime() override { return *runtime_; }
  runtime::Loop& home() override { return home_.loop(); }
  runtime::Loop& caller() override { return caller_.loop(); }
  void wait(std::atomic<bool>& ready) override { ready.wait(false); }
  std::string directory() override { return directory_ / "log"; }

 private:
  std::unique_ptr<runtime::Runtime> runtime_;
  runtime::LoopThread home_, caller_;
  std::filesystem::path directory_;
};

class SimMachine : public Machine {
 public:
  SimMachine() : runtime_(1), home_(runtime_.make_loop()), caller_(runtime_.make_loop()) {
    EXPECT_TRUE(runtime_.files().create_directories("/data"));
  }
  runtime::Runtime& runtime() override { return runtime_; }
  runtime::Loop& home() override { return home_; }
  runtime::Loop& caller() override { return caller_; }
  void wait(std::atomic<bool>& ready) override {
    ASSERT_EQ(runtime_.run_until([&] { return ready.load(); }), runtime::SimEnd::kDone);
  }
  std::string directory() override { return "/data/log"; }
  runtime::SimRuntime& sim() { return runtime_; }

 private:
  runtime::SimRuntime runtime_;
  runtime::Loop& home_;
  runtime::Loop& caller_;
};

}  // namespace penstock::log
