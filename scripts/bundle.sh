#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# One folder with the program, every library it needs and mpirun, which works wherever it is unpacked, on every machine
# of this architecture whose C library is not older: scripts/bundle.sh [OUTPUT.tar.gz]
# Takes build/release/bin/tessera (TESSERA_BINARY, if set) and the Open MPI of PATH, with which it must have been built.
#
# The C library and its dynamic linker are the machine's, as they fit its kernel and name services; all else is in the
# bundle, also the C++ and OpenMP libraries, which old systems have too old. Messages go through shared memory and TCP:
# what drives InfiniBand and the like must be that of the machine, so there build with the modules of the site.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
program=${TESSERA_BINARY:-$root/build/release/bin/tessera}
output=${1:-tessera.tar.gz}

fail() {
  echo "error: $*" >&2
  exit 1
}

for tool in patchelf ompi_info ldd readelf tar; do
  command -v "$tool" >/dev/null || fail "there is no $tool here (scripts/setup.sh test, or a module or Spack package)"
done
[ -x "$program" ] || fail "there is no program '$program': cmake --preset release && cmake --build build/release"

# One folder of Open MPI: bindir, pkglibdir, pkgdatadir, sysconfdir.
ompi_path() { ompi_info --parsable --path "$1" | sed -n "s/^path:$1://p"; }
# The file a program or library would load as NAME.
loads() { ldd "$1" | sed -n "s/^[[:space:]]*$2[^ ]* => \(\/.*\) (0x[0-9a-f]*)\$/\1/p" | head -n 1; }
runtime=$(loads "$program" libopen-rte)
[ -n "$runtime" ] || fail "'$program' was not built with Open MPI 4: it loads no libopen-rte"
bindir=$(ompi_path bindir)
[ "$(loads "$bindir/orterun" libopen-rte)" = "$runtime" ] ||
  fail "'$program' loads '$runtime', $bindir/orterun another one: put the Open MPI that it was built with first in PATH"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
bundle=$scratch/tessera
mkdir -p "$bundle/bin" "$bundle/libexec" "$bundle/lib/openmpi" "$bundle/share" "$bundle/etc"
cp -L "$program" "$bundle/libexec/tessera"
cp -L "$bindir/orterun" "$bundle/libexec/mpirun"
cp -L "$bindir/orted" "$bundle/libexec/orted"
cp -RL "$(ompi_path pkgdatadir)" "$bundle/share/openmpi"
cp -RL "$(ompi_path sysconfdir)" "$bundle/etc/openmpi"
cp -R "$root/configs" "$root/slurm" "$root/LICENSE" "$bundle"
rm -f "$bundle/slurm/site.env"

# Plugins, but those of networks with drivers, of OpenSHMEM and of tools.
for plugin in "$(ompi_path pkglibdir)"/mca_*.so; do
  [ -e "$plugin" ] || fail "there is no plugin '$plugin': an Open MPI that has them inside is not bundled"
  case "$(basename "$plugin")" in
    *ucx* | *ofi* | *psm* | *openib* | *usnic* | *uct* | *verbs* | *portals* | *knem* | *monitoring*) ;;
    mca_memheap_* | mca_spml_* | mca_scoll_* | mca_sshmem_* | mca_atomic_*) ;;
    *) cp -L "$plugin" "$bundle/lib/openmpi" ;;
  esac
done
pmix=$(for plugin in "$bundle"/lib/openmpi/mca_pmix_*.so; do loads "$plugin" libpmix; done | head -n 1)
if [ -n "$pmix" ]; then # else Open MPI has one inside
  pmix=$(dirname "$(readlink -f "$pmix")")
  mkdir -p "$bundle/pmix/lib" "$bundle/pmix/share"
  cp -RL "$pmix/pmix" "$bundle/pmix/lib/pmix"
  cp -RL "$pmix/../share/pmix" "$bundle/pmix/share/pmix"
fi

# objects [COMMAND...]: runs find's -exec for each program and library, or prints their names.
objects() {
  if [ $# = 0 ]; then set -- -print; else set -- -exec "$@" {} \;; fi
  find "$bundle" -type f \( -name '*.so' -o -name '*.so.*' -o -path '*/libexec/*' \) "$@"
}
# needs: "NAME FILE" for each library that any of them loads, "NAME not found" for one that is nowhere.
needs() { objects ldd 2>/dev/null | sed -n -e 's/^[[:space:]]*//' -e 's/ (0x[0-9a-f]*)$//' -e 's/ => / /p' | sort -u; }
# is_of_c_library NAME: glibc, which is the machine's.
is_of_c_library() {
  case "$1" in
    ld-linux* | libc.so.* | libm.so.* | libmvec.so.* | libdl.so.* | libpthread.so.* | librt.so.* | libutil.so.*) ;;
    libresolv.so.* | libnsl.so.1 | libanl.so.* | libnss_* | linux-vdso*) ;;
    *) return 1 ;;
  esac
}

# What all of them load, found while they still look where they were installed.
needs >"$scratch/needed"
while read -r name file; do
  if is_of_c_library "$name"; then continue; fi
  [ "$file" != "not found" ] || fail "$name is needed, and not found"
  [ -e "$bundle/lib/$name" ] || cp -L "$file" "$bundle/lib/$name"
done <"$scratch/needed"

# From now on they look in the bundle, before anything that LD_LIBRARY_PATH names (hence the older form, RPATH).
chmod -R u+w "$bundle"
objects | while read -r file; do
  folder=${file%/*}
  patchelf --force-rpath --set-rpath "\$ORIGIN/$(realpath --relative-to="$folder" "$bundle/lib")" "$file"
done

cat >"$bundle/bin/tessera" <<'END'
#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the program of this name in libexec with the plugins and texts of this folder.
here=$(dirname "$(dirname "$(readlink -f "$0")")")
export PATH="$here/bin:$PATH" OPAL_PREFIX="$here" OPAL_EXEC_PREFIX="$here" OPAL_BINDIR="$here/bin"
export OPAL_LIBDIR="$here/lib" OPAL_PKGLIBDIR="$here/lib/openmpi" OPAL_DATADIR="$here/share"
export OPAL_PKGDATADIR="$here/share/openmpi" OPAL_SYSCONFDIR="$here/etc/openmpi"
export PMIX_PREFIX="$here/pmix" PMIX_EXEC_PREFIX="$here/pmix" PMIX_LIBDIR="$here/pmix/lib"
export PMIX_PKGLIBDIR="$here/pmix/lib/pmix" PMIX_DATADIR="$here/pmix/share" PMIX_PKGDATADIR="$here/pmix/share/pmix"
export HWLOC_PLUGINS_PATH="$here/lib/hwloc" # none: those of the system would bring its libraries along
exec "$here/libexec/$(basename "$0")" "$@"
END
chmod +x "$bundle/bin/tessera"
for name in mpirun orted; do ln -s tessera "$bundle/bin/$name"; done

# Job scripts, and people, read it with bash, from any folder.
cat "$bundle/slurm/site.env.example" - >"$bundle/slurm/site.env" <<'END'

# Written by scripts/bundle.sh: the program and mpirun of the folder that holds this one.
bundle=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TESSERA_BINARY=$bundle/bin/tessera
export PATH=$bundle/bin:$PATH
END

# Nothing but the C library may come from elsewhere.
needs >"$scratch/needed"
while read -r name file; do
  case "$file" in
    "$bundle"/*) ;;
    *) is_of_c_library "$name" || fail "$name would come from outside of the bundle: $file" ;;
  esac
done <"$scratch/needed"

glibc=$(objects readelf --version-info --wide 2>/dev/null |
  grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1)
{
  echo "bin/tessera and bin/mpirun run where the C library is ${glibc#GLIBC_} or newer (ldd --version)."
  echo "slurm/README.md and docs/without-root.md of Tessera say more. What is inside:"
  "$bundle/bin/tessera" version | sed 's/^/  /'
  (cd "$bundle/lib" && echo lib*) | fold -s -w 118 | sed "s/^/  /"
} >"$bundle/README"
tar -C "$scratch" --sort=name --owner=0 --group=0 --numeric-owner -czf "$output" tessera
kib() { du -sk "$1" | cut -f 1; }
echo "'$output': $(kib "$output") KiB, $(kib "$bundle") KiB unpacked, needs glibc ${glibc#GLIBC_}"
