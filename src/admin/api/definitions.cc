// Definitions: which events and properties the project has.
#include "definitions/definition_store.h"

#include "admin/api/person_query.h"
#include "admin/api/service.h"

namespace penstock::admin {
namespace {

using definitions::DefinitionsAsked;
using definitions::Owner;
using definitions::PropertyDefinition;

constexpr size_t kListMax = 20'000;
constexpr size_t kTextBytesMax = 1000;

struct Asked {
  DefinitionsAsked list;
  std::string event, property;
  Owner owner = Owner::kEvent;
};

Result<Asked> read(std::string_view query) {
  Asked out;
  PENSTOCK_TRY(const uint64_t limit, query_number(query, "limit", 1, kListMax, 1000));
  out.list.limit = limit + 1;  // one more tells whether there is more
  wire::query_param(query, "search", out.list.search);
  wire::query_param(query, "after", out.list.after);
  wire::query_param(query, "event", out.event);
  wire::query_param(query, "property", out.property);
  for (const std::string* text : {&out.list.search, &out.list.after, &out.event, &out.property}) {
    if (text->size() > kTextBytesMax) return fail(Code::kInvalid, "no name is as long as that");
  }
  std::string type;
  if (wire::query_param(query, "type", type) && !type.empty()) {
    const auto owner = definitions::owner_named(type);
    if (!owner) return fail(Code::kInvalid, "'type' is event, person, group or session");
    out.owner = *owner;
  }
  return out;
}

/// The last entry is one more than was asked for; without it the last is where the next page
/// begins.
template <typename List, typename Write, typename Place>
void reply_list(wire::Responder& to, List& list, size_t limit, Write write, Place place) {
  const bool more = list.size() >= limit;
  if (more) list.pop_back();
  JsonWriter w;
  w.begin_object().key("results").begin_array();
  for (const auto& entry : list) write(w, entry);
  w.end_array().key("next");
  if (more)
    w.string(place(list.back()));
  else
    w.null();
  reply_json(to, w.end_object().take());
}

using catalog::DefinitionKey;
using catalog::DefinitionNote;
using catalog::DefinitionNotes;

constexpr std::string_view kEventKind = "event";

std::string kind_of(Owner owner) {
  return std::string(definitions::owner_name(owner)) + "_property";
}

void write_note(JsonWriter& w, const DefinitionNote& note) {
  w.field("description", note.description).field("verified", note.verified);
  w.key("tags").begin_array();
  for (const std::string& tag : note.tags) w.string(tag);
  w.end_array();
}

void write_note_of(JsonWriter& w, const DefinitionNotes& notes, const DefinitionKey& key) {
  const auto it = notes.find(key);
  write_note(w, it == notes.end() ? DefinitionNote{} : it->second);
}

/// A list, and what people say of its entries.
template <typename Entry>
struct Noted {
  std::vector<Entry> list;
  DefinitionNotes notes;
};
template <typename Entry>
Result<Noted<Entry>> noted(Result<std::vector<Entry>> list, const catalog::Catalog& catalog,
                           ProjectId project, std::string_view kind) {
  if (!list) return std::unexpected(std::move(list).error());
  PENSTOCK_TRY(auto notes, catalog.definition_notes(project, kind));
  return Noted<Entry>{std::move(*list), std::move(notes)};
}

/// The note as the body changes it.
Result<DefinitionNote> changed(DefinitionNote note, const event::JsonFields& body) {
  PENSTOCK_TRY(const auto description, body_string(body, "description"));
  if (description) note.description = *description;
  if (const auto tags = body.find("tags")) {
    if (event::json_type(*tags) != event::JsonType::kArray) {
      return fail(Code::kInvalid, "tags must be a list of texts");
    }
    PENSTOCK_TRY(note.tags, catalog::read_tags(*tags));
  }
  if (const auto verified = body.find("verified")) {
    if (event::json_type(*verified) != event::JsonType::kBool) {
      return fail(Code::kInvalid, "verified is true or false");
    }
    note.verified = *verified == "true";
  }
  return note;
}

void write_property(JsonWriter& w, const PropertyDefinition& p, const DefinitionNotes& notes) {
  w.begin_object().field("name", p.name).field("type", definitions::owner_name(p.owner));
  w.key("property_type");
  const std::string_view type = definitions::property_type_name(p.type);
  if (type.empty())
    w.null();
  else
    w.string(type);
  if (p.owner == Owner::kGroup) w.field("group_type", p.group_type);
  w.field("first_seen_at", iso_time(p.first_seen_ms));
  write_note_of(w, notes, {kind_of(p.owner), p.group_type, p.name});
  w.end_object();
}

std::string place_of(const PropertyDefinition& p) {
  return p.owner == Owner::kGroup ? p.group_type + '\0' + p.name : p.name;
}

}  // namespace

void Service::definition_counts(Call& call, wire::Responder& r) {
  const definitions::DefinitionStore& store = parts_.definitions;
  const definitions::DefinitionCounts c = store.counts(call.project);
  const definitions::DefinitionLimits& most = store.limits();
  const DefinitionsStatus stage =
      sources_.definitions ? sources_.definitions() : DefinitionsStatus{};
  JsonWriter w;
  w.begin_object().field("events", c.events).field("properties", c.properties);
  w.field("event_properties", c.pairs);
  w.key("limits").begin_object();
  w.field("events", most.events_max).field("properties", most.properties_max);
  w.field("event_properties", most.pairs_max).end_object();
  w.key("left_out").begin_object();
  w.field("events", c.refused_events).field("properties", c.refused_properties);
  w.field("event_properties", c.refused_pairs).field("long_names", c.long_names);
  w.field("crowded_events", c.crowded_events).end_object();
  w.field("running", static_cast<bool>(sources_.definitions));
  w.field("lag_records", stage.lag_records);
  w.field("last_error", stage.last_error).end_object();
  reply_json(r, w.take());
}

void Service::event_definitions(Call& call, wire::Responder& r) {
  const auto asked = read(call.request.query);
  if (!asked) return reply_error(r, asked.error());
  const auto& store = parts_.definitions;
  if (!asked->property.empty()) {
    return in_pool(
        std::move(r),
        [&store, project = call.project, a = *asked] {
          return store.events_with(project, a.property, a.list);
        },
        [limit = asked->list.limit](R& to, Result<std::vector<std::string>> names) {
          if (!names) return reply_error(to, names.error());
          reply_list(
              to, *names, limit,
              [](JsonWriter& w, const std::string& name) {
                w.begin_object().field("name", name).end_object();
              },
              [](const std::string& name) { return name; });
        });
  }
  in_pool(
      std::move(r),
      [&store, &catalog = parts_.catalog, project = call.project, a = *asked] {
        return noted(store.events(project, a.list), catalog, project, kEventKind);
      },
      [limit = asked->list.limit](R& to, Result<Noted<definitions::EventDefinition>> events) {
        if (!events) return reply_error(to, events.error());
        reply_list(
            to, events->list, limit,
            [&](JsonWriter& w, const definitions::EventDefinition& e) {
              w.begin_object().field("name", e.name);
              w.field("first_seen_at", iso_time(e.first_seen_ms));
              w.field("last_seen_at", iso_time(e.last_seen_ms));
              write_note_of(w, events->notes, {std::string(kEventKind), "", e.name});
              w.end_object();
            },
            [](const definitions::EventDefinition& e) { return e.name; });
      });
}

void Service::property_definitions(Call& call, wire::Responder& r) {
  const auto asked = read(call.request.query);
  if (!asked) return reply_error(r, asked.error());
  in_pool(
      std::move(r),
      [&store = parts_.definitions, &catalog = parts_.catalog, project = call.project, a = *asked] {
        return noted(a.event.empty() ? store.properties(project, a.owner, a.list)
                                     : store.properties_of(project, a.event, a.list),
                     catalog, project, kind_of(a.owner));
      },
      [limit = asked->list.limit](R& to, Result<Noted<PropertyDefinition>> properties) {
        if (!properties) return reply_error(to, properties.error());
        reply_list(
            to, properties->list, limit,
            [&](JsonWriter& w, const PropertyDefinition& p) {
              write_property(w, p, properties->notes);
            },
            place_of);
      });
}

/// A name that was not seen yet may be described all the same.
void Service::note_definition(Call& call, wire::Responder& r) {
  const auto asked = read(call.request.query);
  if (!asked) return reply_error(r, asked.error());
  const bool of_event = call.path.size() == 5 && call.path[4] == "events";
  if (!of_event && (call.path.size() != 5 || call.path[4] != "properties")) {
    return reply_error(r, {Code::kNotFound, "events and properties can be described"});
  }
  DefinitionKey key{of_event ? std::string(kEventKind) : kind_of(asked->owner), "", ""};
  wire::query_param(call.request.query, "name", key.name);
  if (asked->owner == Owner::kGroup && !of_event) {
    wire::query_param(call.request.query, "group_type", key.group_type);
  }
  const auto notes = parts_.catalog.definition_notes(call.project, key.kind);
  if (!notes) return reply_error(r, notes.error());
  const auto it = notes->find(key);
  const auto note = changed(it == notes->end() ? DefinitionNote{} : it->second, call.body);
  if (!note) return reply_error(r, note.error());
  const Status done = parts_.catalog.set_definition_note(call.principal, call.project, key, *note);
  if (!done) return reply_error(r, done.error());
  JsonWriter w;
  w.begin_object().field("name", key.name);
  write_note(w, *note);
  reply_json(r, w.end_object().take());
}

bool Service::definitions(Call& call, wire::Responder& r) {
  if (call.path.size() == 4) return definition_counts(call, r), true;
  if (call.path.size() != 5) return false;
  if (call.path[4] == "events") return event_definitions(call, r), true;
  if (call.path[4] == "properties") return property_definitions(call, r), true;
  return false;
}

}  // namespace penstock::admin
