# mlxr_test(NAME kv_arena LABEL kv SOURCES arena_test.cpp LIBS mlxrunner_core): one GoogleTest program, one ctest entry,
# found with `ctest -L kv`.
if(MLXR_TESTS)
  enable_testing()
  find_package(GTest REQUIRED)
endif()

function(mlxr_test)
  cmake_parse_arguments(T "" "NAME;LABEL;TIMEOUT" "SOURCES;LIBS;ENV" ${ARGN})
  add_executable(test_${T_NAME} ${T_SOURCES})
  target_link_libraries(test_${T_NAME} PRIVATE ${T_LIBS} GTest::gmock GTest::gtest_main)
  set_target_properties(test_${T_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${T_NAME} COMMAND test_${T_NAME})
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 300)
  endif()
  if(CMAKE_CROSSCOMPILING)
    math(EXPR T_TIMEOUT "${T_TIMEOUT} * 12")  # an emulator runs it
  elseif(MLXR_SANITIZE)
    math(EXPR T_TIMEOUT "${T_TIMEOUT} * 4")
  endif()
  set_tests_properties(${T_NAME} PROPERTIES LABELS "${T_LABEL}" TIMEOUT ${T_TIMEOUT}
    ENVIRONMENT "${T_ENV}" WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
endfunction()
