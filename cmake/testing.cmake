# mlxr_test(NAME kv_arena LABEL kv SOURCES arena_test.cpp LIBS mlxrunner_core): one GoogleTest program, one ctest entry,
# found with `ctest -L kv`. ctest shows it as skipped when all of its tests were (tests/gtest_main.cpp).
if(MLXR_TESTS)
  enable_testing()
  find_package(GTest REQUIRED)
  add_library(mlxr_gtest_main STATIC ${CMAKE_SOURCE_DIR}/tests/gtest_main.cpp)
  target_link_libraries(mlxr_gtest_main PUBLIC GTest::gmock GTest::gtest)
endif()

function(mlxr_test)
  cmake_parse_arguments(T "" "NAME;LABEL;TIMEOUT" "SOURCES;LIBS;ENV" ${ARGN})
  add_executable(test_${T_NAME} ${T_SOURCES})
  target_link_libraries(test_${T_NAME} PRIVATE ${T_LIBS} mlxr_gtest_main)
  set_target_properties(test_${T_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${T_NAME} COMMAND test_${T_NAME})
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 300)
  endif()
  if(CMAKE_CROSSCOMPILING)
    math(EXPR T_TIMEOUT "${T_TIMEOUT} * 12")  # under an emulator
  elseif(MLXR_SANITIZE)
    math(EXPR T_TIMEOUT "${T_TIMEOUT} * 4")
  endif()
  set_tests_properties(${T_NAME} PROPERTIES LABELS "${T_LABEL}" TIMEOUT ${T_TIMEOUT} SKIP_RETURN_CODE 77
    ENVIRONMENT "${T_ENV}" WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
endfunction()

# mlxr_python_test(NAME quant_dequantize LABEL quant PATH dequantize_test.py PROGRAM MLXR_DEQUANTIZE_TOOL=dequantize_tool):
# pytest files that compare one of our programs with a Python reference. The variable contains a command, quoted as for a shell, because an
# emulator may precede the program.
function(mlxr_python_test)
  cmake_parse_arguments(T "" "NAME;LABEL;PATH;PROGRAM;TIMEOUT" "" ${ARGN})
  string(REGEX MATCH "^(.*)=(.*)$" _ "${T_PROGRAM}")
  list(JOIN CMAKE_CROSSCOMPILING_EMULATOR " " emulator)
  set(timeout 300)
  if(T_TIMEOUT)
    set(timeout ${T_TIMEOUT})
  endif()
  if(CMAKE_CROSSCOMPILING)
    math(EXPR timeout "${timeout} * 12")
  endif()
  add_test(NAME ${T_NAME} COMMAND ${MLXR_DEPS_DIR}/venv/bin/python -m pytest -q -rs -p no:cacheprovider ${CMAKE_CURRENT_SOURCE_DIR}/${T_PATH})
  set_tests_properties(${T_NAME} PROPERTIES LABELS "${T_LABEL}" TIMEOUT ${timeout} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
    ENVIRONMENT "${CMAKE_MATCH_1}=${emulator} '$<TARGET_FILE:${CMAKE_MATCH_2}>';PYTHONDONTWRITEBYTECODE=1")
endfunction()
