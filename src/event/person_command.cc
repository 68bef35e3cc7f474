#include "event/person_command.h"

#include "base/codec.h"

namespace penstock::event {
namespace {

constexpr uint8_t kVersion = 1;

}  // namespace

void encode(const PersonCommand& command, std::string& out) {
  ByteWriter w(out);
  w.u8(kVersion);
  w.uuid(command.id);
  w.zigzag(command.project.value);
  w.i64(command.time_ms);
  w.bytes(command.kind);
  w.bytes(command.who);
  w.bytes(command.body);
}

Result<PersonCommand> decode_person_command(std::string_view bytes) {
  ByteReader in(bytes);
  if (in.u8() != kVersion) return fail(Code::kCorrupt, "a person command of an unknown version");
  PersonCommand c;
  c.id = in.uuid();
  c.project.value = in.zigzag();
  c.time_ms = in.i64();
  c.kind = in.bytes();
  c.who = in.bytes();
  c.body = in.bytes();
  if (!in.ok() || !in.at_end()) {
    return fail(Code::kCorrupt, "a person command with a wrong length");
  }
  return c;
}

}  // namespace penstock::event
