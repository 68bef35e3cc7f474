// Picture: what is left of a history, in the model's terms, and how two of them differ.
//
// Taken from the model and from the engine alike. `exact` compares everything; `joined` compares
// what must not depend on the mix of distinct ids: persons by their set of ids, groups by the name
// of their type, and rows by the person they lead to once overrides are followed.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/convergence/history.h"

namespace naive {

struct PersonPicture {
  std::string uuid;
  Json properties = Json::object();
  int64_t created_at_ms = 0;
  bool is_identified = false;
  std::map<std::string, int64_t> ids;  // versions of the mappings
};

struct GroupPicture {
  Json properties = Json::object();
  int64_t created_at_ms = 0;
};

struct Picture {
  std::map<std::string, PersonPicture> persons;                   // by uuid
  std::vector<std::string> group_types;                           // by index
  std::map<std::pair<size_t, std::string>, GroupPicture> groups;  // by type index and key
  std::vector<std::pair<std::string, Row>> rows;  // uuid of the event; in arrival order
};

/// The model's picture of events that arrive so.
Picture model_picture(const Project& project, const std::vector<Event>& events);

/// Empty, or one line for each difference.
std::string differences(const Picture& model, const Picture& engine);

/// The parts of a picture that every arrival of a peaceful history must agree on.
Json joined(const Picture& picture, const std::vector<Event>& events);
std::string differences(const Json& one, const Json& other);

/// Every event's row leads to the person its distinct id belongs to in the end; empty, or which
/// does not. Holds for all histories.
std::string strays(const Picture& picture, const std::vector<Event>& events);

}  // namespace naive
