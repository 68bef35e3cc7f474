#include "log/log.h"

#include "base/codec.h"

namespace penstock::log {

void encode_record(std::string& data, std::string_view record) { ByteWriter(data).bytes(record); }

void begin_record(std::string& data, size_t size) { ByteWriter(data).varint(size); }

}  // namespace penstock::log
