// Value: what a Hog program computes with, and Heap: where one run's values live.
//
// A Value is 16 bytes: null, undefined, a bool, a number (a double, as in PostHog's TypeScript VM),
// JSON text that nobody has looked at yet, or a counted reference to a cell of a Heap. Strings are
// UTF-8 (surrogates that stand alone are three bytes each); their lengths are UTF-16 units, which
// is what Hog programs see. A Heap belongs to one Machine and one thread at a time: its values are
// valid until that Machine's next run, then all are gone at once, cycles included. Cells of a
// Program are never changed or counted, so that any number of threads may read them.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace penstock::hog {

/// How a run or a call into a Heap fails; caught where this room answers other rooms.
struct Failure {
  std::string message;
};

enum class Kind : uint8_t {
  kNull,
  kUndefined,  // what JavaScript leaves where a call gives nothing; prints as null
  kBool,
  kNumber,
  kRaw,  // JSON text, turned into a value when it is first looked at
  kString,
  kArray,  // or tuple
  kObject,
  kDate,
  kDateTime,
  kInterval,
  kError,
  kCallable,
  kClosure,
};

class Heap;
struct String;
struct Array;
struct Object;

/// The head of everything a Value can refer to.
struct Cell {
  static constexpr uint32_t kForever = UINT32_MAX;  // a Program's: not counted
  uint32_t refs = 0;
  Kind kind = Kind::kNull;
  bool visiting = false;  // on the path of a walk: how walks see cycles
  bool tuple = false;
};

class Value {
 public:
  Value() : number_(0) {}
  Value(const Value& other) : kind_(other.kind_), aux_(other.aux_), number_(0) {
    bits_ = other.bits_;
    retain();
  }
  Value(Value&& other) noexcept : kind_(other.kind_), aux_(other.aux_), number_(0) {
    bits_ = other.bits_;
    other.kind_ = Kind::kNull;
  }
  Value& operator=(const Value& other) {
    Value copy(other);
    swap(copy);
    return *this;
  }
  Value& operator=(Value&& other) noexcept {
    Value moved(std::move(other));
    swap(moved);
    return *this;
  }
  ~Value() { drop(); }
  void swap(Value& other) noexcept {
    std::swap(kind_, other.kind_);
    std::swap(aux_, other.aux_);
    std::swap(bits_, other.bits_);
  }

  static Value undefined() { return Value(Kind::kUndefined); }
  static Value boolean(bool b) {
    Value v(Kind::kBool);
    v.bits_ = b ? 1 : 0;
    return v;
  }
  static Value number(double n) {
    Value v(Kind::kNumber);
    v.number_ = n;
    return v;
  }
  template <std::integral T>
  static Value number(T n) {
    return number(static_cast<double>(n));
  }
  /// JSON text of one value, valid (the caller checked it or will bear a failed run) and kept until
  /// the Machine's next run.
  static Value raw(std::string_view json) {
    Value v(Kind::kRaw);
    v.aux_ = static_cast<uint32_t>(json.size());
    v.text_ = json.data();
    return v;
  }
  static Value of(Cell* cell) {
    Value v(cell->kind);
    v.cell_ = cell;
    v.retain();
    return v;
  }

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_null() const { return kind_ == Kind::kNull; }
  /// null or undefined
  bool is_nothing() const { return kind_ <= Kind::kUndefined; }
  bool is_cell() const { return kind_ >= Kind::kString; }
  bool is_string() const { return kind_ == Kind::kString; }
  bool is_number() const { return kind_ == Kind::kNumber; }
  bool is_true() const { return kind_ == Kind::kBool && bits_ != 0; }
  bool as_bool() const { return bits_ != 0; }
  double as_number() const { return number_; }
  std::string_view raw_text() const { return {text_, aux_}; }
  Cell* cell() const { return cell_; }
  template <typename T>
  T& as() const {
    return *static_cast<T*>(cell_);
  }
  inline std::string_view text() const;  // of a string
  /// A number the owner keeps beside a number: bytecode keeps the operation there.
  int32_t note() const { return static_cast<int32_t>(aux_); }
  void set_note(int32_t note) { aux_ = static_cast<uint32_t>(note); }

 private:
  explicit Value(Kind kind) : kind_(kind), number_(0) {}
  void retain() const {
    if (is_cell() && cell_->refs != Cell::kForever) cell_->refs++;
  }
  void drop() {
    if (is_cell() && cell_->refs != Cell::kForever && --cell_->refs == 0) bury(cell_);
  }
  static void bury(Cell* cell);

  Kind kind_ = Kind::kNull;
  uint32_t aux_ = 0;
  union {
    double number_;
    uint64_t bits_;
    Cell* cell_;
    const char* text_;
  };
};

struct String : Cell {
  uint32_t size = 0;   // bytes
  uint32_t units = 0;  // UTF-16 units
  uint32_t hash = 0;   // 0: not computed yet
  int32_t stl = -1;    // a Program's: which library function has this name
  bool own = false;    // `data` is a block of the heap
  const char* data = nullptr;
  std::string_view view() const { return {data, size}; }
  bool ascii() const { return size == units; }
};

struct Array : Cell {
  Value* items = nullptr;
  uint32_t size = 0, capacity = 0;
  uint32_t containers = 0;  // items that are arrays or objects
  uint64_t cost = 0;        // of itself and of items that are not
  std::span<Value> span() const { return {items, size}; }
};

struct Entry {
  Value key, value;
};

/// Insertion-ordered map; keys of any kind, as in a JavaScript Map. Made of JSON it stays text
/// until it is first looked into, then one level at a time.
struct Object : Cell {
  Entry* entries = nullptr;
  uint32_t* index = nullptr;  // open addressing over entries, once it pays
  const char* raw = nullptr;  // the text it was made of, until it is changed
  bool seen = false;          // that text was looked into
  uint32_t size = 0, capacity = 0, index_size = 0, raw_size = 0;
  uint32_t containers = 0, lookups = 0;
  uint64_t cost = 0;
};

struct Date : Cell {
  double year = 0, month = 0, day = 0;
};
struct DateTime : Cell {
  double seconds = 0;
  Value zone;  // a string
};
struct Interval : Cell {
  Value amount, unit;
};
struct ErrorCell : Cell {
  Value type, message, payload;
};
enum class CallKind : uint8_t { kLocal, kStl, kAsync };
struct Callable : Cell {
  CallKind call = CallKind::kLocal;
  Value name, chunk;  // strings
  int32_t arguments = 0, upvalues = 0, ip = 0;
};
struct Closure : Cell {
  Value callable;
  uint32_t* upvalues = nullptr;  // ids
  uint32_t size = 0;
};

std::string_view Value::text() const { return static_cast<String*>(cell_)->view(); }

/// One run's memory. Nothing here is freed one by one at the end; `reset` takes it all back.
class Heap {
 public:
  Heap();
  ~Heap();
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  /// Takes everything back; every Value of this heap must be gone or never touched again.
  void reset();
  /// Bytes in use, and how many may be before a call throws Failure.
  size_t live_bytes() const { return live_; }
  size_t peak_bytes() const { return peak_; }
  void set_limit(size_t bytes) { limit_ = bytes; }

  Value string(std::string_view text);
  /// The same without a copy; the bytes outlive the run.
  Value borrowed(std::string_view text);
  Value concat(std::span<const std::string_view> parts);
  Value array(size_t reserve = 0);
  Value tuple(size_t reserve = 0);
  Value object(size_t reserve = 0);
  /// An array or object over JSON text (which must be one), or a scalar read from it.
  Value from_raw(std::string_view json);
  Value date(double year, double month, double day);
  Value date_time(double seconds, std::string_view zone);
  Value interval(Value amount, std::string_view unit);
  Value error(Value type, Value message, Value payload);
  Value callable(CallKind call, Value name, Value chunk, int32_t arguments, int32_t upvalues,
                 int32_t ip);
  Value closure(Value callable, std::span<const uint32_t> upvalues);

  void push(Array& array, Value value);
  void assign(Array& array, size_t at, Value value);  // `at` may lie behind the end
  /// The item, looked at: never raw.
  const Value& item(Array& array, size_t at);
  void set(Object& object, Value key, Value value);
  void set(Object& object, std::string_view key, Value value) {
    set(object, string(key), std::move(value));
  }
  /// Nullptr: no such key.
  const Value* find(Object& object, const Value& key);
  const Value* find(Object& object, std::string_view key);
  size_t size(Object& object);
  const Value& key_at(Object& object, size_t at);
  const Value& value_at(Object& object, size_t at);
  /// What `find` would find, not looked at: raw if it was never touched.
  const Value* peek(Object& object, std::string_view key);

  /// What JavaScript makes of a Map: keys are strings, array indexes come first.
  Value as_json_object(Object& object);
  /// Whether that changes nothing.
  static bool is_json_object(Object& object);

  void* take(size_t bytes);
  void give(void* block, size_t bytes);
  void bury(Cell* cell);
  static Heap& of(const void* cell);

 private:
  template <typename T>
  T* make(Kind kind);
  void destroy(Cell* cell);
  void look_into(Object& object);
  void order_indexes(Object& object);
  void merge_duplicates(Object& object);
  void append_entry(Object& object, Value key, Value value);
  Entry* find_entry(Object& object, const Value* key, std::string_view text, bool is_text);
  void build_index(Object& object);
  void count(size_t bytes);

  struct Chunk;
  struct Large;
  static constexpr size_t kClasses = 33;  // of 16 bytes, up to 512
  void* free_[kClasses] = {};
  Chunk* chunks_ = nullptr;
  Chunk* current_ = nullptr;
  Large* large_ = nullptr;
  size_t live_ = 0, peak_ = 0, limit_ = SIZE_MAX;
  std::vector<Cell*> graves_;  // waiting to be destroyed
  bool burying_ = false;
};

/// What the contract counts: 8 per value and the UTF-16 units of strings, with everything inside;
/// JSON text that was never looked at counts its bytes. Throws Failure when nested too deep.
uint64_t cost_of(const Value& value);
constexpr int kDepthMax = 1000;

/// JavaScript's idea of truth.
inline bool truthy(const Value& v) {
  switch (v.kind()) {
    case Kind::kNull:
    case Kind::kUndefined: return false;
    case Kind::kBool: return v.as_bool();
    case Kind::kNumber: return v.as_number() != 0 && v.as_number() == v.as_number();
    case Kind::kString: return v.as<String>().size != 0;
    default: return true;
  }
}

/// As `toString` and `print` show it.
std::string print_value(Heap& heap, const Value& value);
/// As `jsonStringify` writes it; nothing for undefined. Text never looked at is copied.
std::string to_json(Heap& heap, const Value& value, int indent = 0);
void append_json(Heap& heap, std::string& out, const Value& value);
/// JSON text as values; Hog's dates, errors and functions are revived. Throws Failure.
Value from_json(Heap& heap, std::string_view json);

}  // namespace penstock::hog
