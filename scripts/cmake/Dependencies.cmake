# SPDX-License-Identifier: Apache-2.0
# Every library Tessera links, found once. README.md names each with its reason, docs/without-root.md says how they are
# found in odd places.

# Modules of clusters often name their folders to compilers only: what is beside such a folder counts as well, behind
# CMAKE_PREFIX_PATH. scripts/setup.sh --check looks in the same places.
foreach(variable CPATH LIBRARY_PATH LD_LIBRARY_PATH)
  string(REPLACE ":" ";" folders "$ENV{${variable}}")
  foreach(folder IN LISTS folders)
    get_filename_component(prefix "${folder}" DIRECTORY)
    if(IS_ABSOLUTE "${folder}" AND NOT prefix MATCHES "^(/|/usr|/usr/local)$")
      list(APPEND CMAKE_PREFIX_PATH "${prefix}")
    endif()
  endforeach()
endforeach()

find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(MPI REQUIRED COMPONENTS C)
# How many ranks are started on one machine, up to "-n N": by selftest --ranks and by the tests. Open MPI wants to be told
# that ranks may outnumber cores and share them; the launcher of MPICH knows no such option.
include(CheckSymbolExists)
set(CMAKE_REQUIRED_LIBRARIES MPI::MPI_C)
check_symbol_exists(OPEN_MPI mpi.h TESSERA_MPI_IS_OPEN_MPI)
unset(CMAKE_REQUIRED_LIBRARIES)
set(launcher mpirun)
if(TESSERA_MPI_IS_OPEN_MPI)
  string(APPEND launcher " --oversubscribe --bind-to none")
endif()
set(TESSERA_LOCAL_LAUNCHER "${launcher}" CACHE STRING "Launcher of the MPI that is linked, with its options")
separate_arguments(TESSERA_LOCAL_LAUNCHER_WORDS UNIX_COMMAND "${TESSERA_LOCAL_LAUNCHER}")

find_package(Boost 1.74 REQUIRED COMPONENTS program_options)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(fmt 9 REQUIRED)

# A header and a library without a CMake package of their own, as one target.
function(tessera_plain_library NAME HEADER)
  cmake_parse_arguments(ARG "" "" "NAMES;HINT_INCLUDE" ${ARGN})
  find_path(${NAME}_INCLUDE ${HEADER} PATH_SUFFIXES ${ARG_HINT_INCLUDE} REQUIRED)
  find_library(${NAME}_LIBRARY NAMES ${ARG_NAMES} REQUIRED)
  add_library(${NAME} INTERFACE)
  target_include_directories(${NAME} SYSTEM INTERFACE "${${NAME}_INCLUDE}")
  target_link_libraries(${NAME} INTERFACE "${${NAME}_LIBRARY}")
endfunction()

tessera_plain_library(external_dnnl dnnl.h NAMES dnnl)
tessera_plain_library(external_xxhash xxhash.h NAMES xxhash)
tessera_plain_library(external_pcre2 pcre2.h NAMES pcre2-8)
# The serial library on purpose: ranks write tensor bytes with pwrite at offsets that HDF5 hands out (io/checkpoint).
set(HDF5_PREFER_PARALLEL OFF)
find_package(HDF5 1.10 REQUIRED COMPONENTS C)
add_library(external_hdf5 INTERFACE)
target_include_directories(external_hdf5 SYSTEM INTERFACE ${HDF5_C_INCLUDE_DIRS})
target_link_libraries(external_hdf5 INTERFACE ${HDF5_C_LIBRARIES})
