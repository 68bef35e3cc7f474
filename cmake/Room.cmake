# room(<name> NEEDS <rooms…> USES <dep::…>)
#
# A room is one folder of src/ and one static library. NEEDS is the only place its arrows are
# written. Rooms are declared in order, and a room may only need rooms declared before it, so the
# graph can have no cycle. Two tests hold every room to what it declared: the include check
# (tools/check_rooms.py reads the JSON written here) and a link test that links the whole room
# against its declared needs alone.
set_property(GLOBAL PROPERTY PENSTOCK_ROOMS "")

function(room name)
  cmake_parse_arguments(R "" "" "NEEDS;USES" ${ARGN})
  foreach(need IN LISTS R_NEEDS)
    if(NOT TARGET ${need})
      message(FATAL_ERROR "room ${name} needs '${need}', which is not declared before it")
    endif()
  endforeach()

  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$|_bench\\.cc$|_fuzz\\.cc$|_main\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  if(NOT sources)
    set(sources ${CMAKE_SOURCE_DIR}/cmake/empty.cc)
  endif()

  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC ${R_NEEDS} ${R_USES} PUBLIC penstock_flags)
  set_property(GLOBAL APPEND PROPERTY PENSTOCK_ROOMS ${name})
  set_property(GLOBAL PROPERTY PENSTOCK_ROOM_${name}_NEEDS "${R_NEEDS}")

  if(PENSTOCK_TESTS)
    add_executable(${name}_link_test ${CMAKE_SOURCE_DIR}/cmake/link_test.cc)
    target_link_libraries(${name}_link_test PRIVATE
      -Wl,--whole-archive ${name} -Wl,--no-whole-archive)
    add_test(NAME ${name}.link COMMAND ${name}_link_test)
    if(tests)
      add_executable(${name}_test ${tests})
      target_link_libraries(${name}_test PRIVATE ${name} dep::gmock dep::gtest)
      target_compile_definitions(${name}_test PRIVATE PENSTOCK_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
      add_test(NAME ${name}.unit COMMAND ${name}_test --gtest_brief=1)
      set_tests_properties(${name}.unit PROPERTIES TIMEOUT 900)
    endif()
  endif()
endfunction()

# Writes the declared arrows where the include check finds them.
function(write_room_map)
  get_property(rooms GLOBAL PROPERTY PENSTOCK_ROOMS)
  set(lines "")
  foreach(name IN LISTS rooms)
    get_property(needs GLOBAL PROPERTY PENSTOCK_ROOM_${name}_NEEDS)
    list(JOIN needs "\", \"" joined)
    if(joined)
      set(joined "\"${joined}\"")
    endif()
    list(APPEND lines "  \"${name}\": [${joined}]")
  endforeach()
  list(JOIN lines ",\n" body)
  file(WRITE ${CMAKE_BINARY_DIR}/rooms.json "{\n${body}\n}\n")
endfunction()
