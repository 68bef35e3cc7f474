# The allocator of what ships and of what is measured (src/main/allocator.cc): jemalloc, its functions
# renamed to own_…, so that the engine child can do without it. Sanitizers bring their own.
add_library(penstock_allocator INTERFACE)
if(NOT PENSTOCK_SANITIZE)
  find_library(DEP_jemalloc_archive libjemalloc_pic.a)
  mark_as_advanced(DEP_jemalloc_archive)
  if(NOT DEP_jemalloc_archive)
    dep_missing(libjemalloc_pic.a)
  endif()
  set(own_jemalloc ${CMAKE_BINARY_DIR}/libown_jemalloc.a)
  set(renamed "")
  foreach(name malloc calloc realloc free memalign aligned_alloc posix_memalign valloc
      malloc_usable_size mallocx rallocx xallocx sallocx dallocx sdallocx nallocx mallctl
      mallctlnametomib mallctlbymib malloc_stats_print malloc_message malloc_conf
      malloc_conf_2_conf_harder)
    list(APPEND renamed --redefine-sym ${name}=own_${name})
  endforeach()
  add_custom_command(OUTPUT ${own_jemalloc}
    COMMAND ${CMAKE_OBJCOPY} ${renamed} ${DEP_jemalloc_archive} ${own_jemalloc}
    COMMAND ${CMAKE_AR} d ${own_jemalloc} jemalloc_cpp.pic.o
    DEPENDS ${DEP_jemalloc_archive} VERBATIM)
  add_custom_target(own_jemalloc DEPENDS ${own_jemalloc})
  add_dependencies(penstock_allocator own_jemalloc)
  target_link_libraries(penstock_allocator INTERFACE ${own_jemalloc} ${CMAKE_DL_LIBS})
  target_compile_definitions(penstock_allocator INTERFACE PENSTOCK_OWN_ALLOCATOR)
endif()
