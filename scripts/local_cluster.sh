#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A private Slurm cluster on this machine, for tests and for trying job scripts at home:
#   scripts/local_cluster.sh start [N]    munged, slurmctld and N slurmd (2 unless told), until all nodes are idle
#   scripts/local_cluster.sh stop         ends its jobs and its daemons, removes its folder
#   scripts/local_cluster.sh status       its nodes and jobs; exit code 1 if it does not run
#   scripts/local_cluster.sh lose K       node nK loses its power: slurmd and all that runs there die without a word.
#                                         Slurm takes half a minute to see it, and requeues the jobs that can be
#   scripts/local_cluster.sh heal K       node nK is switched on again
# It lives in TESSERA_CLUSTER_DIR (${TMPDIR:-/tmp}/tessera-cluster-UID unless set) with a munge key and ports of its
# own: clusters in other folders, and Slurm and munge of the system, are left alone. TESSERA_CLUSTER_CPUS is what each
# node claims to have (the machine's cores unless set); nothing limits or binds what a job uses.
# Started by root it runs jobs of any user, started by another user only that user's.
set -eu
umask 022

dir=${TESSERA_CLUSTER_DIR:-${TMPDIR:-/tmp}/tessera-cluster-$(id -u)}
conf=$dir/slurm.conf
mark="# A private cluster of scripts/local_cluster.sh"
PATH=$PATH:/usr/sbin:/sbin

fail() {
  echo "error: $*" >&2
  exit 1
}

# pid_of NAME PIDFILE: the process in the file, if it is a daemon of that name, started with a path in our folder.
pid_of() {
  pid=$(cat "$2" 2>/dev/null) || return 1
  [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$1" ] || return 1
  tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "$dir/" || return 1
  echo "$pid"
}

# each_daemon COMMAND...: runs COMMAND NAME PIDFILE for each daemon but those of lost nodes, clients first.
each_daemon() {
  for number in $(seq "$(grep -c ^NodeName= "$conf")"); do
    [ -e "$dir/lost-n$number" ] || "$@" slurmd "$dir/slurmd-n$number.pid"
  done
  "$@" slurmctld "$dir/slurmctld.pid"
  "$@" munged "$dir/munged.pid"
}

# is_ours: the folder holds a cluster that this user started with this script.
is_ours() {
  [ -n "$(find "$dir" -maxdepth 0 -user "$(id -u)" 2>/dev/null)" ] &&
    [ "$(head -n 1 "$conf" 2>/dev/null)" = "$mark" ]
}

# is_up: every daemon that was started runs, and the controller answers.
is_up() {
  is_ours || return 1
  [ -z "$(each_daemon say_missing)" ] && SLURM_CONF=$conf scontrol ping >/dev/null 2>&1
}
say_missing() { pid_of "$1" "$2" >/dev/null || echo "$1"; }

# wait_until SECONDS COMMAND...: false if the command does not become true in time.
wait_until() {
  tries=$(($1 * 5))
  shift
  while [ "$tries" -gt 0 ]; do
    "$@" && return
    tries=$((tries - 1))
    sleep 0.2
  done
  return 1
}

# A port that nobody listens on and that no connection of this machine uses.
port=$((20000 + $(od -An -N2 -tu2 /dev/urandom) % 10000))
next_port() {
  while port=$((port + 1)) && awk '{ print $2 }' /proc/net/tcp /proc/net/tcp6 2>/dev/null |
    grep -q ":$(printf %04X "$port")\$"; do :; done
}

write_conf() {
  user=$(id -un)
  next_port
  cat >"$conf" <<END
$mark
ClusterName=tessera
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=$port
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$dir/munge.socket
# A container may have neither control groups nor systemd.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=pmix
ReturnToService=2
# There is no accounting: this is how long one can ask for jobs that ended.
MinJobAge=86400
# A node that does not answer for so long is lost. Slurm's 300 s are long to wait for.
SlurmdTimeout=15
# The CPUs below are what a node claims, not what the machine has.
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=2,bf_interval=2
StateSaveLocation=$dir/state
SlurmctldPidFile=$dir/slurmctld.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdPidFile=$dir/slurmd-%n.pid
SlurmdLogFile=$dir/slurmd-%n.log
SlurmdSpoolDir=$dir/spool/%n
# Where PMIx keeps its sockets: two nodes of one machine would collide in /tmp.
TmpFS=$dir/tmp/%n
END
  # Without mounted control groups the default, to find out which version it is, ends slurmd; this one is never used.
  echo "CgroupPlugin=cgroup/v1" >"$dir/cgroup.conf"
  for node in $(seq "$1"); do
    next_port
    mkdir -p "$dir/spool/n$node" "$dir/tmp/n$node"
    echo "NodeName=n$node NodeHostname=localhost NodeAddr=127.0.0.1 Port=$port CPUs=$cpus" >>"$conf"
  done
  echo "PartitionName=local Nodes=ALL Default=YES MaxTime=INFINITE State=UP" >>"$conf"
}

# What train.sbatch must know about this "site", see slurm/site.env.example.
write_site() {
  cat >"$dir/site.env" <<END
TESSERA_LAUNCHER=\${TESSERA_LAUNCHER:-srun}
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# The nodes share cores: ranks that wait must hand theirs on, and a rank must not take all of them.
export OMPI_MCA_mpi_yield_when_idle=1 OMP_NUM_THREADS=\${OMP_NUM_THREADS:-\${SLURM_CPUS_PER_TASK:-1}}
# They share a host name and /dev/shm, too: segments of shared memory of two nodes would collide.
export OMPI_MCA_btl=self,tcp OMPI_MCA_btl_tcp_if_include=lo OMPI_MCA_oob_tcp_if_include=lo
END
}

start_daemons() {
  (umask 077 && head -c 1024 /dev/urandom >"$dir/munge.key")
  # --force: folders on the way that others cannot enter or may write to are only warned of.
  munged --force --key-file="$dir/munge.key" --socket="$dir/munge.socket" --pid-file="$dir/munged.pid" \
    --log-file="$dir/munged.log" --seed-file="$dir/munge.seed" 2>>"$dir/munged.log" &&
    SLURM_CONF=$conf slurmctld -f "$conf" 2>>"$dir/slurmctld.log" || return 1
  for node in $(seq "$1"); do start_node "n$node" || return 1; done
}
start_node() { SLURM_CONF=$conf slurmd -f "$conf" -N "$1" 2>>"$dir/slurmd-$1.log"; }

# are_idle N: N nodes are ready for jobs.
are_idle() {
  [ "$(SLURM_CONF=$conf sinfo --noheader --Node --format=%T 2>/dev/null | grep -c '^idle$')" = "$1" ]
}

start() {
  nodes=${1:-2}
  case "$nodes" in '' | *[!0-9]* | 0*) fail "'$nodes' is no number of nodes: scripts/local_cluster.sh start 2" ;; esac
  cpus=${TESSERA_CLUSTER_CPUS:-$(nproc)}
  for program in munged slurmctld slurmd; do
    command -v "$program" >/dev/null || fail "there is no $program here: scripts/setup.sh test, or as root: apt-get" \
      "install slurm-wlm munge"
  done
  # Slurm reads blanks in its file as ends of values; names of Unix sockets below the folder are limited to 107 bytes.
  case "$dir" in
    *[!a-zA-Z0-9_./-]* | [!/]*) fail "TESSERA_CLUSTER_DIR = '$dir': a full path of letters, digits, _ . - is needed" ;;
  esac
  [ ${#dir} -le 60 ] || fail "TESSERA_CLUSTER_DIR = '$dir' is longer than 60 characters: choose a shorter one"
  if is_up; then
    had=$(grep -c ^NodeName= "$conf")
    [ "$had" = "$nodes" ] || fail "a cluster of $had nodes runs in '$dir': scripts/local_cluster.sh stop, first"
  else
    stop # what is left of one that did not end well
    mkdir -p "$(dirname "$dir")"
    mkdir "$dir" || fail "no cluster can be made in '$dir': set TESSERA_CLUSTER_DIR to a folder that does not exist yet"
    mkdir "$dir/state"
    write_conf "$nodes"
    write_site
    if ! { start_daemons "$nodes" && wait_until 10 is_up && wait_until 50 are_idle "$nodes"; }; then
      { SLURM_CONF=$conf sinfo --Node --long 2>&1; tail -n 8 "$dir"/*.log; } >&2 || true
      stop
      fail "the cluster did not come up within a minute: see the last lines of its logs above"
    fi
  fi
  cat <<END
a Slurm cluster of $nodes node(s) runs in $dir. To use it:
  export SLURM_CONF=$conf TESSERA_SITE=$dir/site.env
  sinfo; sbatch --nodes=$nodes slurm/train.sbatch CONFIG; squeue
  scripts/local_cluster.sh stop
END
}

# job_processes [NODE]: processes of this cluster's jobs, and what watches over them; those on one node.
job_processes() {
  for process in /proc/[0-9]*; do
    [ "$process" != "/proc/$$" ] || continue
    environment=$(tr '\0' '\n' 2>/dev/null <"$process/environ") || continue
    echo "$environment" | grep -qxF "SLURM_CONF=$conf" || continue
    if [ "$(cat "$process/comm" 2>/dev/null)" = slurmstepd ]; then
      # It was started by slurmd, whose log it has open.
      [ -z "${1:-}" ] || readlink "$process"/fd/* 2>/dev/null | grep -qxF "$dir/slurmd-$1.log" || continue
    else
      echo "$environment" | grep -q "^SLURM_JOB_ID=" || continue
      [ -z "${1:-}" ] || echo "$environment" | grep -qxF "SLURMD_NODENAME=$1" || continue
    fi
    echo "${process#/proc/}"
  done
}

# known_node NUMBER: the name of the node, if it is one of this cluster that runs.
known_node() {
  is_up || fail "no cluster runs in $dir"
  grep -q "^NodeName=n$1 " "$conf" || fail "'$1' is none of the nodes, 1 to $(grep -c ^NodeName= "$conf")"
  echo "n$1"
}

lose() {
  node=$(known_node "$1")
  touch "$dir/lost-$node"
  signal=KILL
  signal_daemon slurmd "$dir/slurmd-$node.pid"
  for _ in 1 2; do # what was born during the first look
    # shellcheck disable=SC2046  # a list of numbers
    kill -KILL $(job_processes "$node") 2>/dev/null || true
  done
}

heal() {
  node=$(known_node "$1")
  [ -e "$dir/lost-$node" ] || fail "node $node is not lost"
  rm "$dir/lost-$node"
  start_node "$node"
}

no_jobs() { [ -z "$(squeue --noheader)" ]; }
gone() { [ -z "$(each_daemon find_daemon)" ]; }
find_daemon() { pid_of "$1" "$2" || true; }
signal_daemon() {
  if pid=$(pid_of "$1" "$2"); then kill "-$signal" "$pid" 2>/dev/null || true; fi
}

stop() {
  is_ours || return 0
  export SLURM_CONF="$conf"
  if find_daemon slurmctld "$dir/slurmctld.pid" | grep -q . && scontrol ping >/dev/null 2>&1; then
    jobs=$(squeue --noheader --format=%A)
    # shellcheck disable=SC2086  # a list of numbers
    if [ -n "$jobs" ]; then
      scancel --quiet $jobs || true
      wait_until 10 no_jobs || true
    fi
  fi
  for signal in TERM KILL; do
    each_daemon signal_daemon
    wait_until 10 gone && break
  done
  # shellcheck disable=SC2046  # a list of numbers
  kill -KILL $(job_processes) 2>/dev/null || true
  rm -rf "$dir"
}

status() {
  is_up || { echo "no cluster runs in $dir"; exit 1; }
  export SLURM_CONF="$conf"
  sinfo --Node --long
  squeue
}

case "${1:-}" in
  start) start "${2:-}" ;;
  stop) stop ;;
  status) status ;;
  lose | heal) "$1" "${2:-}" ;;
  *)
    echo "usage: scripts/local_cluster.sh start [N] | stop | status | lose K | heal K" >&2
    exit 2
    ;;
esac
