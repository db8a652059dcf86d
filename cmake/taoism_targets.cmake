# taoism_library / taoism_test: one call per folder. A library marked TRUSTED may be linked into a
# TEE image: it is compiled without exceptions and RTTI and may depend on TRUSTED libraries alone,
# which taoism_check_directions() verifies at configure time.

option(TAOISM_WERROR "Treat warnings as errors" OFF)

add_library(taoism_options INTERFACE)
target_compile_options(taoism_options INTERFACE -Wall -Wextra -Wno-unused-parameter
  -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 reports std::string's operator+ (GCC bug 105329).
  target_compile_options(taoism_options INTERFACE -Wno-restrict)
endif()
if(TAOISM_WERROR)
  target_compile_options(taoism_options INTERFACE -Werror)
endif()
target_include_directories(taoism_options INTERFACE
  ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include ${CMAKE_BINARY_DIR}/generated)
if(TAOISM_SANITIZE)
  target_compile_options(taoism_options INTERFACE -fsanitize=${TAOISM_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(taoism_options INTERFACE -fsanitize=${TAOISM_SANITIZE})
  if(TAOISM_SANITIZE MATCHES "undefined")
    # Trusted code has no RTTI, which this check needs on every object it meets.
    target_compile_options(taoism_options INTERFACE -fno-sanitize=vptr -fno-sanitize-recover=undefined)
  endif()
endif()

set_property(GLOBAL PROPERTY taoism_libraries "")
set_property(GLOBAL PROPERTY taoism_images "")

# taoism_library(NAME [TRUSTED] SRCS ... DEPS ...): target taoism_NAME, alias taoism::NAME.
function(taoism_library name)
  cmake_parse_arguments(L "TRUSTED" "" "SRCS;DEPS" ${ARGN})
  if(L_SRCS)
    add_library(taoism_${name} STATIC ${L_SRCS})
    set(scope PUBLIC)
    target_link_libraries(taoism_${name} PRIVATE taoism_options)
  else()
    add_library(taoism_${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(taoism_${name} ${scope} ${CMAKE_SOURCE_DIR}/src
    ${CMAKE_SOURCE_DIR}/include ${CMAKE_BINARY_DIR}/generated)
  target_link_libraries(taoism_${name} ${scope} ${L_DEPS})
  if(L_TRUSTED AND L_SRCS)
    target_compile_options(taoism_${name} PRIVATE -fno-exceptions -fno-rtti -ffunction-sections
      -fdata-sections)
  endif()
  add_library(taoism::${name} ALIAS taoism_${name})
  set_property(TARGET taoism_${name} PROPERTY TAOISM_TRUSTED ${L_TRUSTED})
  set_property(TARGET taoism_${name} PROPERTY TAOISM_DEPS "${L_DEPS}")
  set_property(GLOBAL APPEND PROPERTY taoism_libraries ${name})
endfunction()

# Marks an executable or module as a TEE image: the only kind of target that may link `trusted`.
function(taoism_enclave target)
  target_link_options(${target} PRIVATE -Wl,--gc-sections)
  set_property(GLOBAL APPEND PROPERTY taoism_images ${target})
endfunction()

# taoism_test(NAME SRCS ... DEPS ... [LABELS ...]): a GoogleTest binary registered with ctest.
function(taoism_test name)
  if(NOT TAOISM_BUILD_TESTS)
    return()
  endif()
  cmake_parse_arguments(T "" "" "SRCS;DEPS;LABELS" ${ARGN})
  add_executable(${name} ${T_SRCS})
  target_link_libraries(${name} PRIVATE taoism_options ${T_DEPS} GTest::gtest GTest::gtest_main
    GTest::gmock)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT 900)
  if(T_LABELS)
    set_tests_properties(${name} PROPERTIES LABELS "${T_LABELS}")
  endif()
endfunction()

# Third-party targets that a TRUSTED library may use: headers alone, and the crypto providers.
set(TAOISM_TRUSTED_THIRD_PARTY PkgConfig::HWY OpenSSL::Crypto IPSEC_MB::IPSEC_MB)

function(taoism_check_directions)
  get_property(libraries GLOBAL PROPERTY taoism_libraries)
  foreach(name IN LISTS libraries)
    get_target_property(trusted taoism_${name} TAOISM_TRUSTED)
    get_target_property(deps taoism_${name} TAOISM_DEPS)
    foreach(dep IN LISTS deps)
      string(REGEX REPLACE "^taoism::" "" short "${dep}")
      if(short STREQUAL dep)  # third party
        if(trusted AND NOT dep IN_LIST TAOISM_TRUSTED_THIRD_PARTY)
          message(FATAL_ERROR "trusted library ${name} may not link ${dep}: add it to "
            "TAOISM_TRUSTED_THIRD_PARTY only if it runs inside an enclave")
        endif()
        continue()
      endif()
      get_target_property(dep_trusted taoism_${short} TAOISM_TRUSTED)
      if(trusted AND NOT dep_trusted)
        message(FATAL_ERROR "trusted library ${name} depends on host library ${short}")
      endif()
      if(short STREQUAL "trusted" OR (NOT trusted AND short STREQUAL "trusted_test_access"))
        message(FATAL_ERROR "library ${name} links taoism::trusted; only TEE images may")
      endif()
    endforeach()
  endforeach()
endfunction()
