#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Says what Tessera needs and where it is found: scripts/setup.sh --check [build | quickstart | test] calls this. Exit
# code 0 if all is there, 1 if something is missing or too old, with its names in Debian, in Spack and as a module.
# Needs neither root nor a package manager. Looks where CMake will: in CMAKE_PREFIX_PATH, beside the folders of CPATH,
# LIBRARY_PATH and LD_LIBRARY_PATH, and where the compiler looks. MPI is that of MPI_C_COMPILER (mpicc unless set).
set -eu
wanted=${1:-build}
cxx=${CXX:-g++}
mpicc=${MPI_C_COMPILER:-mpicc}
missing=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The folders to search, as a file with options of the compiler, as they may hold blanks.
architecture=$("$cxx" -print-multiarch 2>/dev/null || true)
options=$scratch/options
search() {
  for folder in "$1" "$1/hdf5/serial" "$1/$architecture"; do
    [ ! -d "$folder" ] || printf '%s"%s"\n' "$2" "$(printf '%s' "$folder" | sed 's/[\\"]/\\&/g')"
  done
}
{
  printf '%s\n' "${CMAKE_PREFIX_PATH:-}" | tr ';' ':' | tr ':' '\n'
  printf '%s\n' "${CPATH:-}" "${LIBRARY_PATH:-}" "${LD_LIBRARY_PATH:-}" | tr ':' '\n' | sed -n 's,/*[^/]*/*$,,p'
} | while read -r prefix; do
  [ -n "$prefix" ] || continue
  search "$prefix/include" "-isystem "
  for lib in lib lib64; do
    search "$prefix/$lib" -L
    search "$prefix/$lib/$architecture" -L
  done
done >"$options"
echo "-isystem /usr/include/hdf5/serial -L/usr/lib/$architecture/hdf5/serial" >>"$options" # Debian's place

found() { printf 'found    %-24s %-9s %s\n' "$1" "$2" "$3"; }

# lacks NAME WHAT DEBIAN SPACK MODULE
lacks() {
  printf '%-8s %-24s Debian: %s; Spack: %s; module: %s\n' "$2" "$1" "$3" "$4" "$5"
  missing=1
}

# is_at_least VERSION MINIMUM
is_at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# judge NAME MINIMUM VERSION PLACE NAMES...: prints the line of what was found, if anything.
judge() {
  name=$1 minimum=$2 version=$3 place=$4
  shift 4
  if [ -z "$place" ]; then
    lacks "$name >= $minimum" missing "$@"
  elif ! is_at_least "$version" "$minimum"; then
    lacks "$name >= $minimum" "$version" "$@"
  else
    found "$name" "$version" "$place"
  fi
}

# numbers: a version from what the preprocessor made of its macros: 2 6 3, "1_74" or 90100.
numbers() {
  sed -e 's/[" ;]\{1,\}/./g' -e 's/_/./g' -e 's/^\.//' -e 's/\.$//' |
    awk '/^[0-9][0-9][0-9][0-9][0-9]+$/ { printf "%d.%d.%d\n", $1 / 10000, $1 / 100 % 100, $1 % 100; next } { print }'
}

# library NAME MINIMUM HEADER MACROS LINK DEBIAN SPACK MODULE: a header and a library that the compiler takes.
library() {
  name=$1 minimum=$2 header=$3 macros=$4 link=$5 place="" version=""
  shift 5
  printf '#include <%s>\nversion_is %s\n' "$header" "$macros" >"$scratch/probe.cpp"
  # shellcheck disable=SC2086  # lists of words
  if $compiler "@$options" -DPCRE2_CODE_UNIT_WIDTH=8 -E -P -H "$scratch/probe.cpp" \
    >"$scratch/out" 2>"$scratch/headers" &&
    echo 'int main() { return 0; }' >"$scratch/main.cpp" &&
    $compiler "$scratch/main.cpp" "@$options" $link -o "$scratch/main" 2>/dev/null; then
    version=$(sed -n 's/^version_is *//p' "$scratch/out" | numbers)
    place=$(sed -n '1s/^\. //p' "$scratch/headers")
  fi
  judge "$name" "$minimum" "$version" "$place" "$@"
}

# program NAME MINIMUM COMMAND DEBIAN SPACK MODULE
program() {
  name=$1 minimum=$2 command=$3
  shift 3
  place=$(command -v "$command" || true) version=""
  if [ -n "$place" ]; then
    version=$("$command" --version 2>&1 </dev/null | grep -Eo '[0-9]+(\.[0-9]+)+' | head -n 1 || true)
  fi
  judge "$name" "$minimum" "${version:-0}" "$place" "$@"
}

check_compiler() {
  cat >"$scratch/probe.cpp" <<'END'
#include <charconv>
#include <concepts>
#include <omp.h>
#include <span>
template <class T> requires std::integral<T> auto f(std::span<const T> x) { return x[0] <=> T{1}; }
int main() { const int one[] = {1}; double d = 0; const char t[] = "1";
  std::from_chars(t, t + 1, d); return f<int>(one) == 0 && omp_get_max_threads() > 0 && d == 1 ? 0 : 1; }
END
  if ! command -v "$cxx" >/dev/null; then
    lacks "C++20 compiler" missing g++ gcc gcc
  elif ! "$cxx" -std=c++20 -fopenmp "$scratch/probe.cpp" -o "$scratch/main" >/dev/null 2>&1; then
    lacks "C++20 with OpenMP ($cxx)" "$("$cxx" -dumpfullversion)" "g++ (12)" "gcc@12:" "gcc, newer than the system's"
  else
    found "C++20 compiler" "$("$cxx" -dumpfullversion)" "$(command -v "$cxx")"
  fi
}

check_build() {
  check_compiler
  program CMake 3.24 cmake cmake cmake cmake
  program Ninja 1.8 ninja ninja-build ninja ninja
  compiler=$mpicc hdf5_compiler="$cxx -std=c++20"
  if command -v "$mpicc" >/dev/null; then
    hdf5_compiler=$mpicc # parallel HDF5 includes MPI's header
    library MPI 3.1 mpi.h "MPI_VERSION MPI_SUBVERSION" "" "libopenmpi-dev openmpi-bin" openmpi "openmpi or mpich"
  else
    lacks "MPI >= 3.1 ($mpicc)" missing "libopenmpi-dev openmpi-bin" openmpi "openmpi or mpich"
  fi
  compiler=$hdf5_compiler
  library HDF5 1.10 hdf5.h "H5_VERS_MAJOR H5_VERS_MINOR H5_VERS_RELEASE" -lhdf5 libhdf5-dev hdf5 hdf5
  compiler="$cxx -std=c++20"
  library oneDNN 2.6 dnnl.h "DNNL_VERSION_MAJOR DNNL_VERSION_MINOR DNNL_VERSION_PATCH" -ldnnl libdnnl-dev onednn onednn
  library Boost.Program_options 1.74 boost/program_options.hpp BOOST_LIB_VERSION -lboost_program_options \
    libboost-program-options-dev boost+program_options boost
  library fmt 9 fmt/core.h FMT_VERSION -lfmt libfmt-dev fmt fmt
  library nlohmann-json 3.11 nlohmann/json.hpp \
    "NLOHMANN_JSON_VERSION_MAJOR NLOHMANN_JSON_VERSION_MINOR NLOHMANN_JSON_VERSION_PATCH" "" \
    nlohmann-json3-dev nlohmann-json nlohmann-json
  library PCRE2 10 pcre2.h "PCRE2_MAJOR PCRE2_MINOR" -lpcre2-8 libpcre2-dev pcre2 pcre2
  library xxHash 0.8 xxhash.h "XXH_VERSION_MAJOR XXH_VERSION_MINOR XXH_VERSION_RELEASE" -lxxhash \
    libxxhash-dev xxhash xxhash
}

check_test() {
  library Boost.Test 1.74 boost/test/unit_test.hpp BOOST_LIB_VERSION -lboost_unit_test_framework \
    libboost-test-dev boost+test boost
  program h5dump 1.10 h5dump hdf5-tools hdf5+tools hdf5
  program Python 3 python3 python3 python python
  python=$(command -v /usr/bin/python3 || echo python3)
  if version=$("$python" -c 'import h5py; print(h5py.__version__)' 2>/dev/null); then
    found h5py "$version" "of $python"
  else
    lacks h5py missing python3-h5py py-h5py python
  fi
  program clang-format 14 clang-format clang-format llvm llvm
  program shellcheck 0.8 shellcheck shellcheck shellcheck "(none)"
  echo "Tests that need Slurm, munge, MPICH, patchelf or pip are skipped without them."
}

check_build
case "$wanted" in
  build) ;;
  quickstart) program "bible-kjv (else: your text)" 0 bible bible-kjv "(none)" "(none)" ;;
  test) check_test ;;
  *)
    echo "usage: scripts/setup.sh --check [build | quickstart | test]" >&2
    exit 2
    ;;
esac
if [ "$missing" != 0 ]; then
  echo "What is missing: load its module, or name its folder in CMAKE_PREFIX_PATH; docs/without-root.md says more."
fi
exit "$missing"
