// Who works when: two at a time, and nobody's first turn behind all who take long.
#include "ingest/hog_turns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "runtime/sim_runtime.h"

namespace penstock::ingest {
namespace {

class Worker final : public HogTurns::Task {
 public:
  Worker(std::string& line, char name, int turns) : line_(line), name_(name), left_(turns) {}
  bool turn() override {
    line_ += name_;
    return --left_ == 0;
  }
  void turned(bool done) override {
    if (done) line_ += '.';
  }

 private:
  std::string& line_;
  char name_;
  int left_;
};

/// One that takes what it is told to.
class Pool final : public runtime::BlockingPool {
 public:
  explicit Pool(size_t of) : room(of) {}
  Status submit(runtime::Task job, runtime::Loop& home, runtime::Task done) override {
    if (jobs.size() >= room) return fail(Code::kBusy, "full");
    jobs.push_back([job = std::move(job), &home, done = std::move(done)]() mutable {
      job();
      home.post(std::move(done));
    });
    return {};
  }
  /// The oldest one; false: there is none.
  bool work() {
    if (jobs.empty()) return false;
    runtime::Task job = std::move(jobs.front());
    jobs.pop_front();
    job();
    return true;
  }
  size_t room;
  std::deque<runtime::Task> jobs;
};

class HogTurnsTest : public ::testing::Test {
 protected:
  void add(char name, int turns) { turns_.add(std::make_shared<Worker>(line_, name, turns)); }
  void work_all() {
    do {
      runtime_.run_for(std::chrono::milliseconds(20));
    } while (pool_.work());
  }
  runtime::SimRuntime runtime_{1};
  runtime::Loop& loop_ = runtime_.make_loop();
  Pool pool_{100};
  std::string line_;
  HogTurns turns_{loop_, pool_};
};

TEST_F(HogTurnsTest, TwoAtATime) {
  for (const char name : {'a', 'b', 'c', 'd'}) add(name, 1);
  EXPECT_EQ(pool_.jobs.size(), HogTurns::kAtOnceMax);
  work_all();
  EXPECT_EQ(line_, "a.b.c.d.");
}

TEST_F(HogTurnsTest, FirstTurnsComeBetweenLongOnes) {
  add('l', 6);
  add('m', 6);
  add('a', 1);
  add('b', 1);
  add('c', 1);
  work_all();
  EXPECT_EQ(line_, "lmla.mb.lc.mlmlml.m.");
}

TEST_F(HogTurnsTest, AFullPoolIsAskedAgain) {
  pool_.room = 0;
  add('a', 2);
  add('b', 1);
  work_all();
  EXPECT_EQ(line_, "");
  pool_.room = 1;
  work_all();
  EXPECT_EQ(line_, "aa.b.");
}

TEST_F(HogTurnsTest, WhatWaitsOrWorksMayOutliveThem) {
  auto turns = std::make_unique<HogTurns>(loop_, pool_);
  turns->add(std::make_shared<Worker>(line_, 'x', 2));
  turns->add(std::make_shared<Worker>(line_, 'y', 1));
  turns->add(std::make_shared<Worker>(line_, 'z', 1));
  turns.reset();
  work_all();
  EXPECT_EQ(line_, "xy") << "what had begun, and nobody is told";
}

}  // namespace
}  // namespace penstock::ingest
