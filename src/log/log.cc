#include "log/log.h"

#include "base/codec.h"

namespace penstock::log {

void encode_record(std::string& data, std::string_view record) { ByteWriter(data).bytes(record); }

}  // namespace penstock::log
