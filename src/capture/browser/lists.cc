#include "capture/browser/lists.h"

#include <algorithm>

#include "capture/browser/api_error.h"
#include "capture/origins.h"

namespace penstock::capture {
namespace {

struct List {
  std::string_view path;
  catalog::BrowserList catalog::BrowserLists::* member;
  std::string_view empty;
};
constexpr List kLists[] = {
    {"/api/surveys", &catalog::BrowserLists::surveys, R"({"surveys":[],"survey_config":null})"},
    {"/api/early_access_features", &catalog::BrowserLists::early_access_features,
     R"({"earlyAccessFeatures":[]})"},
    {"/api/web_experiments", &catalog::BrowserLists::web_experiments, R"({"experiments":[]})"},
    {"/api/product_tours", &catalog::BrowserLists::product_tours, R"({"product_tours":[]})"},
};

}  // namespace

bool answer_list(const wire::Request& request, wire::Responder& responder,
                 const AnswerContext& context, const catalog::Snapshot& projects) {
  std::string_view path = request.path;
  if (path.ends_with('/')) path.remove_suffix(1);
  const auto* list = std::ranges::find(kLists, path, &List::path);
  if (list == std::end(kLists)) return false;
  if (request.method != "GET" && request.method != "HEAD") {
    answer_error(responder, context, {405, "method_not_allowed", "use GET"});
    return true;
  }
  std::string token;
  if (!wire::query_param(request.query, "token", token)) {
    wire::query_param(request.query, "api_key", token);
  }
  const catalog::Project* project = projects.find_token(token);
  if (project == nullptr) {
    answer_error(responder, context, token.empty() ? missing_token() : unknown_token());
    return true;
  }
  const catalog::BrowserList& found = project->settings->lists.*(list->member);
  answer_json(responder, restricted(context, project), 200,
              std::string(found.json.empty() ? list->empty : std::string_view(found.json)));
  return true;
}

}  // namespace penstock::capture
