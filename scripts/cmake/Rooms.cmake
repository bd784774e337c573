# SPDX-License-Identifier: Apache-2.0
# A room is a folder, a CMake target tessera_<room>, and a namespace tessera::<room>.

# What every file is compiled with, kernels included.
add_library(tessera_common_flags INTERFACE)
target_compile_options(tessera_common_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
                                                      -Wnon-virtual-dtor
                                                      -Wno-restrict)  # false alarms in std::string: GCC bug 105329
# Developers build with tests. A compiler that warns of more than theirs must not keep users from building.
if(TESSERA_TESTS)
  target_compile_options(tessera_common_flags INTERFACE -Werror)
endif()
if(TESSERA_SANITIZE)
  target_compile_options(tessera_common_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all
                                                        -fno-omit-frame-pointer)
  target_link_options(tessera_common_flags INTERFACE -fsanitize=address,undefined)
endif()
# Programs find libraries in odd places by themselves, also those that only libraries need, which the newer form of a
# run-time path (DT_RUNPATH) does not cover.
target_link_options(tessera_common_flags INTERFACE "LINKER:--disable-new-dtags")
# From {fmt} 11 on, fmt/core.h has fmt::format only if asked.
if(fmt_VERSION VERSION_GREATER_EQUAL 11)
  target_compile_definitions(tessera_common_flags INTERFACE FMT_DEPRECATED_HEAVY_CORE)
endif()
target_link_libraries(tessera_common_flags INTERFACE fmt::fmt Threads::Threads)

# Bits must not depend on which multiply-adds the compiler fuses. Kernels want them fused and do not link this: of two
# -ffp-contract options the last one wins, and a target cannot put its own behind those it inherits.
add_library(tessera_flags INTERFACE)
target_compile_options(tessera_flags INTERFACE -ffp-contract=off)
target_link_libraries(tessera_flags INTERFACE tessera_common_flags)

# tessera_room(NAME FLOOR n IN folder [EXECUTABLE binary] USES room... [LIBRARIES target...])
# Builds every .cpp of folder/NAME. A room's own CMakeLists.txt, if any, adds what is special to it.
function(tessera_room NAME)
  cmake_parse_arguments(ARG "" "FLOOR;IN;EXECUTABLE" "USES;LIBRARIES" ${ARGN})
  set(folder "${CMAKE_SOURCE_DIR}/${ARG_IN}/${NAME}")
  foreach(used IN LISTS ARG_USES)
    get_property(used_floor GLOBAL PROPERTY tessera_floor_${used})
    if("${used_floor}" STREQUAL "" OR used_floor GREATER_EQUAL ARG_FLOOR)
      message(FATAL_ERROR "room ${NAME} (floor ${ARG_FLOOR}) may not use ${used} (floor ${used_floor})")
    endif()
  endforeach()
  set_property(GLOBAL PROPERTY tessera_floor_${NAME} ${ARG_FLOOR})

  file(GLOB sources CONFIGURE_DEPENDS "${folder}/*.cpp")
  set(target tessera_${NAME})
  if(ARG_EXECUTABLE)
    add_executable(${target} ${sources})
    set_target_properties(${target} PROPERTIES OUTPUT_NAME ${ARG_EXECUTABLE})
    add_custom_target(${ARG_EXECUTABLE} DEPENDS ${target})
  elseif(sources)
    add_library(${target} STATIC ${sources})
  else()
    message(FATAL_ERROR "room ${NAME} has no source in ${folder}")
  endif()
  target_include_directories(${target} PUBLIC "${CMAKE_SOURCE_DIR}/${ARG_IN}")
  list(TRANSFORM ARG_USES PREPEND tessera_)
  target_link_libraries(${target} PUBLIC ${ARG_USES} PRIVATE tessera_flags ${ARG_LIBRARIES})
  target_link_libraries(${target} PUBLIC fmt::fmt)
  if(EXISTS "${folder}/CMakeLists.txt")
    add_subdirectory("${folder}")
  endif()
endfunction()
