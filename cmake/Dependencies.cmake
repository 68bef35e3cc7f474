# Every third-party library, by one name each: dep::<name>. Debian's packages are found where apt
# puts them; what comes from other registries lies in the cache that tools/setup fills, in folders
# named by the versions of tools/versions.env.
set(PENSTOCK_CACHE "$ENV{PENSTOCK_CACHE}" CACHE PATH "Where tools/setup keeps what it fetched")
if(NOT PENSTOCK_CACHE)
  set(PENSTOCK_CACHE "$ENV{HOME}/.cache/penstock" CACHE PATH "" FORCE)
endif()
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tools/versions.env)

# dep_version(<key> <variable>): one value of tools/versions.env.
function(dep_version key variable)
  file(STRINGS ${CMAKE_SOURCE_DIR}/tools/versions.env line REGEX "^${key}=")
  string(REGEX REPLACE "^${key}=" "" value "${line}")
  set(${variable} ${value} PARENT_SCOPE)
endfunction()

# dep_missing(<what>): the one sentence that says what to do.
function(dep_missing what)
  message(FATAL_ERROR "${what} was not found: run tools/setup, it installs what is missing")
endfunction()

# dep_library(<name> <header> <libraries…>): a Debian library without CMake files of its own.
function(dep_library name header)
  find_path(DEP_${name}_INCLUDE ${header})
  mark_as_advanced(DEP_${name}_INCLUDE)
  if(NOT DEP_${name}_INCLUDE)
    dep_missing(${header})
  endif()
  add_library(dep_${name} INTERFACE)
  foreach(library IN LISTS ARGN)
    find_library(DEP_${name}_${library} ${library})
    mark_as_advanced(DEP_${name}_${library})
    if(NOT DEP_${name}_${library})
      dep_missing(lib${library})
    endif()
    target_link_libraries(dep_${name} INTERFACE ${DEP_${name}_${library}})
  endforeach()
  add_library(dep::${name} ALIAS dep_${name})
endfunction()

find_package(Threads REQUIRED)
link_libraries(Threads::Threads)

dep_library(simdjson simdjson.h simdjson)
dep_library(libdeflate libdeflate.h deflate)
dep_library(zlib zlib.h z)
dep_library(zstd zstd.h zstd)
dep_library(lz4 lz4frame.h lz4)
dep_library(brotli brotli/decode.h brotlidec brotlienc brotlicommon)
dep_library(snappy snappy.h snappy)
dep_library(psl libpsl.h psl)
dep_library(icu unicode/ucal.h icui18n icuuc)
dep_library(re2 re2/re2.h re2)
dep_library(isal isa-l/crc.h isal)
dep_library(rocksdb rocksdb/db.h rocksdb)
dep_library(sqlite sqlite3.h sqlite3)
dep_library(libpq postgresql/libpq-fe.h pq)
dep_library(openssl openssl/ssl.h ssl crypto)
dep_library(curl curl/curl.h curl)
dep_library(maxminddb maxminddb.h maxminddb)
dep_library(pugixml pugixml.hpp pugixml)
dep_library(fmt fmt/format.h fmt)
dep_library(spdlog spdlog/spdlog.h spdlog)
target_compile_definitions(dep_spdlog INTERFACE SPDLOG_COMPILED_LIB SPDLOG_FMT_EXTERNAL)
target_link_libraries(dep_spdlog INTERFACE dep_fmt)
dep_library(cli11 CLI/CLI.hpp)
dep_library(tomlplusplus toml++/toml.h)
dep_library(benchmark benchmark/benchmark.h benchmark)
dep_library(json nlohmann/json.hpp)
dep_library(gtest gtest/gtest.h gtest gtest_main)
if(PENSTOCK_TESTS)
  dep_library(gmock gmock/gmock.h gmock)
  target_link_libraries(dep_gmock INTERFACE dep_gtest)
  dep_library(rapidcheck rapidcheck.h rapidcheck)
endif()

# llhttp's C sources, from the pinned source package that tools/setup unpacked.
dep_version(LLHTTP_VERSION llhttp_version)
set(llhttp_dir ${PENSTOCK_CACHE}/llhttp-${llhttp_version})
if(NOT EXISTS ${llhttp_dir}/include/llhttp.h)
  dep_missing("llhttp ${llhttp_version} in ${PENSTOCK_CACHE}")
endif()
add_library(dep_llhttp STATIC
  ${llhttp_dir}/src/api.c ${llhttp_dir}/src/http.c ${llhttp_dir}/src/llhttp.c)
target_include_directories(dep_llhttp SYSTEM PUBLIC ${llhttp_dir}/include)
target_compile_options(dep_llhttp PRIVATE -O2 -w)
if(PENSTOCK_FUZZ)
  # The only dependency compiled here: the fuzzer sees into it.
  target_compile_options(dep_llhttp PRIVATE -fsanitize=${PENSTOCK_SANITIZE} -fno-sanitize-recover=all)
endif()
set_target_properties(dep_llhttp PROPERTIES C_CLANG_TIDY "")
add_library(dep::llhttp ALIAS dep_llhttp)

# librdkafka, which tools/setup compiled.
dep_version(RDKAFKA_VERSION rdkafka_version)
dep_version(RDKAFKA_EDITION rdkafka_edition)
set(rdkafka_dir ${PENSTOCK_CACHE}/rdkafka-${rdkafka_version}-${rdkafka_edition})
if(NOT EXISTS ${rdkafka_dir}/lib/librdkafka.a)
  dep_missing("librdkafka ${rdkafka_version} in ${PENSTOCK_CACHE}")
endif()
add_library(dep_rdkafka INTERFACE)
target_include_directories(dep_rdkafka SYSTEM INTERFACE ${rdkafka_dir}/include)
target_link_libraries(dep_rdkafka INTERFACE ${rdkafka_dir}/lib/librdkafka.a dep_openssl dep_zlib
  dep_zstd ${CMAKE_DL_LIBS} m)
add_library(dep::rdkafka ALIAS dep_rdkafka)

# The embedded ClickHouse engine: never linked, the engine child loads libchdb.so at run time from
# beside the binary, which is where this link puts it.
dep_version(CHDB_VERSION chdb_version)
set(PENSTOCK_CHDB_LIB ${PENSTOCK_CACHE}/chdb-${chdb_version}/libchdb.so)
if(NOT EXISTS ${PENSTOCK_CHDB_LIB})
  dep_missing("The embedded ClickHouse engine ${chdb_version} in ${PENSTOCK_CACHE}")
endif()
file(CREATE_LINK ${PENSTOCK_CHDB_LIB} ${CMAKE_BINARY_DIR}/libchdb.so SYMBOLIC)

# posthog-js's browser bundles, which are packed into the binary and served to browsers.
dep_version(POSTHOG_JS_VERSION PENSTOCK_SDK_VERSION)
set(PENSTOCK_SDK_DIST ${PENSTOCK_CACHE}/posthog-js-${PENSTOCK_SDK_VERSION}/dist)
if(NOT EXISTS ${PENSTOCK_SDK_DIST}/array.js)
  dep_missing("posthog-js ${PENSTOCK_SDK_VERSION} in ${PENSTOCK_CACHE}")
endif()

# QuickJS's C sources. It asks whether a script has to stop once in so many steps; by default the
# steps are so many that a loop around a slow builtin goes on for seconds.
dep_version(QUICKJS_VERSION quickjs_version)
set(quickjs_dir ${PENSTOCK_CACHE}/quickjs-${quickjs_version})
if(NOT EXISTS ${quickjs_dir}/quickjs.c)
  dep_missing("QuickJS ${quickjs_version} in ${PENSTOCK_CACHE}")
endif()
file(STRINGS ${quickjs_dir}/quickjs.c quickjs_steps REGEX "^#define JS_INTERRUPT_COUNTER_INIT 10000$")
if(NOT quickjs_steps)
  message(FATAL_ERROR "QuickJS ${quickjs_version} counts its steps differently than expected")
endif()
add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/quickjs_steps.c
  COMMAND sed "s/^#define JS_INTERRUPT_COUNTER_INIT 10000$/#define JS_INTERRUPT_COUNTER_INIT 50/"
    ${quickjs_dir}/quickjs.c > ${CMAKE_BINARY_DIR}/quickjs_steps.c
  DEPENDS ${quickjs_dir}/quickjs.c VERBATIM)
enable_language(C)
add_library(dep_quickjs STATIC ${CMAKE_BINARY_DIR}/quickjs_steps.c ${quickjs_dir}/libregexp.c
  ${quickjs_dir}/libunicode.c ${quickjs_dir}/cutils.c ${quickjs_dir}/dtoa.c)
target_include_directories(dep_quickjs SYSTEM PUBLIC ${quickjs_dir})
target_compile_definitions(dep_quickjs PRIVATE _GNU_SOURCE CONFIG_VERSION="${quickjs_version}")
target_compile_options(dep_quickjs PRIVATE -O2 -w -fwrapv)
target_link_libraries(dep_quickjs INTERFACE m)
set_target_properties(dep_quickjs PROPERTIES C_CLANG_TIDY "")
add_library(dep::quickjs ALIAS dep_quickjs)

# What takes the types out of TypeScript, packed into the binary with the apps' own scripts.
dep_version(SUCRASE_VERSION sucrase_version)
set(PENSTOCK_SUCRASE ${PENSTOCK_CACHE}/sucrase-${sucrase_version})
if(NOT EXISTS ${PENSTOCK_SUCRASE}/index.js)
  dep_missing("sucrase ${sucrase_version} in ${PENSTOCK_CACHE}")
endif()
