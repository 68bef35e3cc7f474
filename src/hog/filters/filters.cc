#include "hog/filters.h"

#include <algorithm>
#include <array>

#include "event/json_fields.h"
#include "hog/compile/compiler.h"
#include "hog/syntax/parser.h"
#include "hog/values/compare.h"
#include "hog/values/json.h"

namespace penstock::hog {
namespace {

/// A filter's tree of JSON to code. Throws Failure.
class Filters {
 public:
  explicit Filters(Heap& heap) : heap_(heap) {}

  Code all(Object& filters) {
    std::vector<Code> terms;
    for (const Value& property : list(filters, "test_account_properties")) {
      terms.push_back(this->property(object_of(property)));
    }
    for (const Value& property : list(filters, "properties")) {
      terms.push_back(this->property(object_of(property)));
    }
    std::vector<Code> any;
    for (const Value& one : list(filters, "events")) any.push_back(event(object_of(one)));
    for (const Value& one : list(filters, "actions")) any.push_back(action(object_of(one)));
    if (!any.empty()) terms.push_back(joined(std::move(any), Op::kOr));
    return joined(std::move(terms), Op::kAnd);
  }

 private:
  static Code code(std::initializer_list<Slot> slots) { return slots; }
  static Code text(std::string_view value) {
    return code({Slot::of(Op::kString), Slot::of(std::string(value))});
  }
  /// A single one is not wrapped; none is true.
  static Code joined(std::vector<Code> terms, Op op) {
    if (terms.empty()) return code({Slot::of(Op::kTrue)});
    if (terms.size() == 1) return std::move(terms[0]);
    const auto count = static_cast<double>(terms.size());
    Code out;
    for (Code& term : terms) append(out, std::move(term));
    append(out, code({Slot::of(op), Slot::of(count)}));
    return out;
  }

  Value part(Object& object, std::string_view name) {
    const Value* found = heap_.find(object, name);
    return found == nullptr ? Value() : *found;
  }
  std::string string_part(Object& object, std::string_view name) {
    const Value value = part(object, name);
    return value.is_string() ? std::string(value.text()) : "";
  }
  std::span<const Value> list(Object& object, std::string_view name) {
    const Value value = part(object, name);
    if (value.is_nothing()) return {};
    if (!value.is(Kind::kArray)) throw Failure{"'" + std::string(name) + "' is not a list"};
    kept_.push_back(value);
    return value.as<Array>().span();
  }
  static Object& object_of(const Value& value) {
    if (!value.is(Kind::kObject)) throw Failure{"a filter is a JSON object"};
    return value.as<Object>();
  }

  Code constant(const Value& value) {
    switch (value.kind()) {
      case Kind::kString: return text(value.text());
      case Kind::kNumber: {
        const double n = value.as_number();
        const bool whole = n == static_cast<double>(static_cast<int64_t>(n));
        return code({Slot::of(whole ? Op::kInteger : Op::kFloat), Slot::of(n)});
      }
      case Kind::kBool: return code({Slot::of(value.as_bool() ? Op::kTrue : Op::kFalse)});
      case Kind::kNull: return code({Slot::of(Op::kNull)});
      default:
        throw Failure{"a property's value is a string, a number, a boolean or a list of them"};
    }
  }

  static Code chain(const std::vector<std::string>& path) {
    Code out;
    for (size_t i = path.size(); i-- > 0;) append(out, text(path[i]));
    append(out, code({Slot::of(Op::kGetGlobal), Slot::of(static_cast<double>(path.size()))}));
    return out;
  }

  Code hogql(const std::string& source) {
    const auto tree = Parser(source).whole_expression();
    if (tree->type == NodeType::kSqlNode) {
      throw Failure{"Select queries are not allowed in filters"};
    }
    const CompileOptions options;
    return Compiler(source, options).expression(*tree);
  }

  Code property(Object& filter) {
    const std::string type = string_part(filter, "type"), key = string_part(filter, "key");
    if (type == "hogql") return hogql(key);
    if (type == "cohort") throw Failure{"Can't use cohorts in real-time filters"};
    if (type == "element") return element(filter, key);
    static constexpr std::string_view kKnown[] = {"",      "event",          "feature", "person",
                                                  "group", "event_metadata", "flag"};
    if (std::ranges::find(kKnown, type) == std::end(kKnown)) {
      throw Failure{"filters can't look at a property of type '" + type + "' here"};
    }
    std::vector<std::string> path = {"properties", key};
    if (type == "person") path.insert(path.begin(), "person");
    if (type == "event_metadata") path = {key};
    if (type == "group") {
      const Value index = part(filter, "group_type_index");
      path.insert(path.begin(),
                  "group_" + to_js_string(heap_, index.is_nothing() ? Value::number(0) : index));
    }
    return compared(filter, chain(path));
  }

  Code element(Object& filter, const std::string& key) {
    const std::string global = key == "href"       ? "elements_chain_href"
                               : key == "text"     ? "elements_chain_texts"
                               : key == "tag_name" ? "elements_chain_elements"
                               : key == "selector" ? "elements_chain"
                                                   : "";
    if (global.empty()) throw Failure{"elements have no '" + key + "'"};
    return compared(filter, chain({global}));
  }

  /// The operators of properties; several values are alternatives (none of them, when negated).
  Code compared(Object& filter, const Code& read) {
    std::string op = string_part(filter, "operator");
    if (op.empty()) op = "exact";
    const Value value = part(filter, "value");
    if (op == "is_set" || op == "is_not_set") {
      Code out = code({Slot::of(Op::kNull)});
      append(out, read);
      append(out, code({Slot::of(op == "is_set" ? Op::kNotEq : Op::kEq)}));
      return out;
    }
    if (op == "between" || op == "not_between") return range(op, value, read);
    if (!value.is(Kind::kArray)) return single(op, value, read);
    std::vector<Code> terms;
    for (const Value& one : value.as<Array>().span()) terms.push_back(single(op, one, read));
    if (terms.empty()) return code({Slot::of(Op::kTrue)});
    const bool negated = op.starts_with("not_") || op == "is_not";
    return joined(std::move(terms), negated ? Op::kAnd : Op::kOr);
  }

  /// Two values: at least the first and at most the second, or neither.
  Code range(const std::string& op, const Value& value, const Code& read) {
    if (!value.is(Kind::kArray) || value.as<Array>().size != 2) {
      throw Failure{"the operator '" + op + "' has a list of two values"};
    }
    const auto ends = value.as<Array>().span();
    const bool inside = op == "between";
    std::vector<Code> terms;
    terms.push_back(single(inside ? "gte" : "lt", ends[0], read));
    terms.push_back(single(inside ? "lte" : "gt", ends[1], read));
    return joined(std::move(terms), inside ? Op::kAnd : Op::kOr);
  }

  Code single(const std::string& op, const Value& value, const Code& read) {
    static constexpr std::pair<std::string_view, Op> kPlain[] = {{"exact", Op::kEq},
                                                                 {"is_not", Op::kNotEq},
                                                                 {"gt", Op::kGt},
                                                                 {"lt", Op::kLt},
                                                                 {"gte", Op::kGtEq},
                                                                 {"lte", Op::kLtEq},
                                                                 {"min", Op::kGtEq},
                                                                 {"max", Op::kLtEq},
                                                                 {"is_date_before", Op::kLt},
                                                                 {"is_date_after", Op::kGt},
                                                                 {"is_date_exact", Op::kEq}};
    static constexpr std::pair<std::string_view, Op> kText[] = {{"icontains", Op::kIlike},
                                                                {"not_icontains", Op::kNotIlike},
                                                                {"regex", Op::kRegex},
                                                                {"not_regex", Op::kNotRegex}};
    for (const auto& [name, operation] : kPlain) {
      if (name != op) continue;
      Code out = constant(value);
      append(out, read);
      append(out, code({Slot::of(operation)}));
      return out;
    }
    for (const auto& [name, operation] : kText) {
      if (name != op) continue;
      const bool pattern = operation == Op::kRegex || operation == Op::kNotRegex;
      const std::string wanted = to_js_string(heap_, value);
      Code out = text(pattern ? wanted : "%" + wanted + "%");
      append(out, read);
      append(out, code({Slot::of(Op::kCallGlobal), Slot::of(std::string("toString")), Slot::of(1.0),
                        Slot::of(operation)}));
      return out;
    }
    throw Failure{"the operator '" + op + "' is not known"};
  }

  /// `first` and a filter's own properties.
  Code with_properties(std::vector<Code> terms, Object& filter) {
    for (const Value& property : list(filter, "properties")) {
      terms.push_back(this->property(object_of(property)));
    }
    return joined(std::move(terms), Op::kAnd);
  }

  static Code named(std::string_view event) {
    Code out = text(event);
    append(out, chain({"event"}));
    append(out, code({Slot::of(Op::kEq)}));
    return out;
  }

  Code event(Object& filter) {
    std::vector<Code> terms;
    const Value id = part(filter, "id");
    if (id.is_string()) terms.push_back(named(id.text()));
    if (!id.is_string() && list(filter, "properties").empty()) return code({Slot::of(Op::kTrue)});
    return with_properties(std::move(terms), filter);
  }

  Code action(Object& filter) {
    std::vector<Code> steps;
    for (const Value& one : list(filter, "steps")) {
      Object& step = object_of(one);
      std::vector<Code> terms;
      if (const std::string name = string_part(step, "event"); !name.empty()) {
        terms.push_back(named(name));
      }
      if (const std::string url = string_part(step, "url"); !url.empty()) {
        terms.push_back(page(url, string_part(step, "url_matching")));
      }
      if (const std::string words = string_part(step, "text"); !words.empty()) {
        Code out = chain({"elements_chain_texts"});
        append(out, text(words));
        append(out, code({Slot::of(Op::kCallGlobal), Slot::of(std::string("has")), Slot::of(2.0)}));
        terms.push_back(std::move(out));
      }
      steps.push_back(with_properties(std::move(terms), step));
    }
    if (steps.empty()) throw Failure{"an action without steps"};
    return joined(std::move(steps), Op::kOr);
  }

  static Code page(const std::string& url, const std::string& how) {
    const bool exact = how == "exact", regex = how == "regex";
    Code out = text(exact || regex ? url : "%" + url + "%");
    append(out, chain({"properties", "$current_url"}));
    append(out, code({Slot::of(exact ? Op::kEq : regex ? Op::kRegex : Op::kLike)}));
    return out;
  }

  Heap& heap_;
  std::vector<Value> kept_;  // lists that spans look into
};

constexpr const char* kTestAccounts = "test_account_properties";

}  // namespace

std::string with_test_accounts(std::string_view filters, std::string_view test_account_filters) {
  auto fields = event::JsonFields::parse(filters);
  if (!fields) return std::string(filters);
  fields->erase(kTestAccounts);
  if (fields->find("filter_test_accounts").value_or("") == "true") {
    fields->set(kTestAccounts, test_account_filters);
  }
  return fields->text();
}

bool match_everything(std::string_view filters) {
  const auto fields = event::JsonFields::parse(filters);
  const auto is_empty = [&](const char* key) {
    const auto raw = fields->find(key);
    if (!raw || event::json_type(*raw) == event::JsonType::kNull) return true;
    const auto items = event::split_array(*raw);
    return items && items->empty();
  };
  return fields && std::ranges::all_of(std::array{"events", "actions", "properties", kTestAccounts},
                                       is_empty);
}

Result<std::shared_ptr<const Program>> compile_filters(std::string_view filters) {
  Heap heap;
  try {
    const Value tree = parse_json(heap, filters, Revive::kNothing);
    if (!tree.is(Kind::kObject))
      return fail(::penstock::Code::kInvalid, "filters are a JSON object");
    Code out = {Slot::of(std::string("_H")), Slot::of(1.0)};
    append(out, Filters(heap).all(tree.as<Object>()));
    for (Slot& slot : out) slot.place = {};
    return Program::from_slots(out);
  } catch (const Failure& failure) {
    return fail(::penstock::Code::kInvalid, "filters: " + failure.message);
  } catch (const SyntaxError& error) {
    return fail(::penstock::Code::kInvalid, "filters: " + error.message);
  }
}

}  // namespace penstock::hog
