# What every program and library of this build is compiled and linked with against holes that tests
# have not found: canaries, checked memory functions, tables that nobody can write once a program runs,
# addresses that nobody can foretell, and jumps that land where a function begins. Included before any
# target is made. tests/hardening looks at everything that was built.
option(TAOISM_HARDENING "Stack protector, FORTIFY, full RELRO, PIE and CET" ON)

# Writes `file`: what this build makes that can be run or loaded, a path a line. Called last.
function(taoism_list_binaries file)
  set(folders ${CMAKE_SOURCE_DIR})
  set(binaries "")
  while(folders)
    list(POP_FRONT folders folder)
    get_property(inner DIRECTORY ${folder} PROPERTY SUBDIRECTORIES)
    list(APPEND folders ${inner})
    get_property(targets DIRECTORY ${folder} PROPERTY BUILDSYSTEM_TARGETS)
    foreach(target IN LISTS targets)
      get_target_property(type ${target} TYPE)
      get_target_property(is_extra ${target} EXCLUDE_FROM_ALL)
      if(NOT is_extra AND type MATCHES "^(EXECUTABLE|MODULE_LIBRARY|SHARED_LIBRARY)$")
        string(APPEND binaries "$<TARGET_FILE:${target}>\n")
      endif()
    endforeach()
  endwhile()
  file(GENERATE OUTPUT ${file} CONTENT "${binaries}")
endfunction()

include(CheckPIESupported)
check_pie_supported(OUTPUT_VARIABLE pie_output LANGUAGES CXX)
if(NOT TAOISM_HARDENING)
  return()
endif()
if(NOT CMAKE_CXX_LINK_PIE_SUPPORTED)
  message(WARNING "the linker makes no position-independent programs: ${pie_output}")
endif()

add_compile_options(-fstack-protector-strong)
add_link_options(LINKER:-z,relro LINKER:-z,now LINKER:-z,noexecstack)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  add_compile_options(-fcf-protection=full)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
  add_compile_options(-mbranch-protection=standard)
endif()
# Sanitizers check memory functions themselves, and do not see those that FORTIFY puts in their place;
# without optimization it does nothing. A distribution's compiler may define another level.
if(NOT TAOISM_SANITIZE)
  add_compile_options("$<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE>"
    "$<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=3>")
endif()
