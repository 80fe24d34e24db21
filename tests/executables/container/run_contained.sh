#!/bin/sh
# Runs a program as a container engine does: in namespaces of its own for mounts
# and processes, in a root of its own, as a user without rights. SIGTERM reaches
# the program, which is process 1 there.
#
#   run_contained.sh ROOT ro|rw WORKDIR UID GID [SOURCE:TARGET:ro|rw …] -- COMMAND …
#
# The environment is the program's.
set -eu

if [ "${1:-}" != --inside ]; then
  unshare --mount --pid --fork --kill-child=KILL -- /bin/sh "$0" --inside "$@" &
  namespace=$!
  # It is the only child of what made the namespaces.
  trap 'kill -s TERM $(cat "/proc/$namespace/task/$namespace/children") || :' TERM
  code=0
  while kill -0 "$namespace" 2>/dev/null; do
    code=0
    wait "$namespace" || code=$?
  done
  exit "$code"
fi

shift
root=$1 access=$2 workdir=$3 uid=$4 gid=$5
shift 5
mount --make-rprivate /
# A mount of its own, so that it can be read-only.
mount --bind "$root" "$root"

mount -t tmpfs -o nosuid,noexec,mode=755 tmpfs "$root/dev"
for device in null zero full random urandom; do
  : >"$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
mount -o remount,ro "$root/dev"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"

while [ "$1" != -- ]; do
  source=${1%%:*}
  target=${1#*:}
  mount --bind "$source" "$root${target%:*}"
  [ "${target##*:}" = rw ] || mount -o remount,bind,ro "$root${target%:*}"
  shift
done
shift
[ "$access" = rw ] || mount -o remount,bind,ro "$root"

# What is left is what entering the root, and that user's home, as that user
# takes. The program has nothing.
exec setpriv --no-new-privs --inh-caps=-all \
  --bounding-set=-all,+setuid,+setgid,+sys_chroot,+dac_read_search \
  unshare --root="$root" --wd="$workdir" --setgid="$gid" --setuid="$uid" "$@"
