// BrowserTest: a Browser with one project, and what it answers to a request.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "capture/browser/browser.h"
#include "capture/testing/fixture.h"
#include "event/json_fields.h"
#include "runtime/sim_runtime.h"

namespace penstock::capture {

struct Asked {
  bool taken = false;  // the Browser knew the path
  int status = 0;      // 0: not answered yet
  std::string body, content_type;
  std::vector<std::pair<std::string, std::string>> headers;

  std::string header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (key == name) return value;
    }
    return {};
  }
  /// The raw JSON at a path of members; "" when there is none.
  std::string json(std::initializer_list<std::string_view> path) const {
    std::string at = body;
    for (const std::string_view key : path) {
      const auto fields = event::JsonFields::parse(at);
      if (!fields) return "not an object: " + at;
      const auto found = fields->find(key);
      if (!found) return {};
      at = std::string(*found);
    }
    return at;
  }
};

class BrowserTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = catalog::open_sqlite_catalog(":memory:", runtime_);
    ASSERT_TRUE(opened) << opened.error().message;
    catalog_ = std::move(*opened);
    const auto project = catalog_->create_project({}, "Shop", "phc_shop");
    ASSERT_TRUE(project);
    project_ = project->id;
    browser_ =
        std::make_unique<Browser>(loop_, runtime_, *catalog_, admission_, refusals_, options_);
  }

  void set(std::string_view name, std::string json) {
    const auto done = catalog_->set_project_setting({}, project_, name, std::move(json));
    ASSERT_TRUE(done) << done.error().message;
  }

  Asked ask(std::string_view method, std::string_view target, std::string_view body = {},
            std::vector<wire::Header> headers = {}) {
    auto asked = std::make_shared<Asked>();
    PaddedBuffer buffer;
    buffer.append(body);
    wire::Request request;
    request.method = method;
    request.target = target;
    request.path = target.substr(0, target.find('?'));
    if (request.path.size() < target.size()) request.query = target.substr(request.path.size() + 1);
    request.headers = std::move(headers);
    request.body = &buffer;
    request.peer_ip = "127.0.0.1";
    request.received_us = runtime_.clock().wall_us();
    wire::Responder responder(std::make_shared<Target>(asked));
    const AnswerContext context{std::string(request.find("origin")), false};
    asked->taken = browser_->handle(request, responder, context, *catalog_->snapshot());
    if (!asked->taken) responder.send({});
    runtime_.run_for(std::chrono::milliseconds(50));  // what went to the pool
    return *asked;
  }
  Asked flags(std::string_view body, std::string_view target = "/flags/?v=2",
              std::vector<wire::Header> headers = {}) {
    return ask("POST", target, body, std::move(headers));
  }

  class Target : public wire::Responder::Target {
   public:
    explicit Target(std::shared_ptr<Asked> asked) : asked_(std::move(asked)) {}
    void send(wire::Response response) override {
      asked_->status = response.status;
      asked_->body = std::move(response.body);
      asked_->content_type = response.content_type;
      asked_->headers = std::move(response.headers);
    }
    void send_raw(std::string_view, bool) override { asked_->status = 200; }
    std::shared_ptr<wire::BodyStream> stream(wire::Response) override { return nullptr; }
    void abandon() override { asked_->status = -1; }

   private:
    std::shared_ptr<Asked> asked_;
  };

  runtime::SimRuntime runtime_{1};
  runtime::Loop& loop_ = runtime_.make_loop();
  std::unique_ptr<catalog::Catalog> catalog_;
  ProjectId project_;
  CaptureOptions options_;
  Admission admission_{options_, std::make_shared<usage::Usage>(1)};
  testing::HeldLog log_;
  RefusalTally refusals_{loop_, runtime_, log_};
  std::unique_ptr<Browser> browser_;
};

}  // namespace penstock::capture
