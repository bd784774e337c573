# SPDX-License-Identifier: Apache-2.0
# Every library Tessera links, found once. README.md names each with its reason, docs/without-root.md says how they are
# found in odd places.

# Modules of clusters often name their folders to compilers only: what is beside such a folder counts as well, behind
# CMAKE_PREFIX_PATH. scripts/setup.sh --check looks in the same places.
string(REPLACE ":" ";" own "$ENV{CMAKE_PREFIX_PATH}") # CMake would look there behind those of the variable
list(APPEND CMAKE_PREFIX_PATH ${own})
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

# A header and a library without a CMake package of their own, as one target. Both may lie in a SUBFOLDER.
function(tessera_plain_library NAME HEADER)
  cmake_parse_arguments(ARG "" "SUBFOLDER" "NAMES" ${ARGN})
  find_path(${NAME}_INCLUDE ${HEADER} PATH_SUFFIXES ${ARG_SUBFOLDER} REQUIRED)
  find_library(${NAME}_LIBRARY NAMES ${ARG_NAMES} NAMES_PER_DIR PATH_SUFFIXES ${ARG_SUBFOLDER} REQUIRED)
  add_library(${NAME} INTERFACE)
  target_include_directories(${NAME} SYSTEM INTERFACE "${${NAME}_INCLUDE}")
  target_link_libraries(${NAME} INTERFACE "${${NAME}_LIBRARY}")
endfunction()

tessera_plain_library(external_dnnl dnnl.h NAMES dnnl)
tessera_plain_library(external_xxhash xxhash.h NAMES xxhash)
tessera_plain_library(external_pcre2 pcre2.h NAMES pcre2-8)
# Not by FindHDF5: it asks the compiler wrapper h5cc, which knows only the folder that HDF5 was built for. The serial
# library suffices, as ranks write tensor bytes with pwrite at offsets that HDF5 hands out (io/checkpoint); of the
# parallel one, which some sites have instead, the headers need MPI.
tessera_plain_library(external_hdf5 hdf5.h NAMES hdf5_serial hdf5 SUBFOLDER hdf5/serial)
find_file(external_hdf5_CONFIG NAMES H5pubconf.h H5pubconf-64.h PATHS "${external_hdf5_INCLUDE}" NO_DEFAULT_PATH REQUIRED)
file(STRINGS "${external_hdf5_CONFIG}" parallel REGEX "define H5_HAVE_PARALLEL 1")
if(parallel)
  target_link_libraries(external_hdf5 INTERFACE MPI::MPI_C)
endif()
