#!/bin/bash
# Boots systemd as process 1 of a machine of its own: a root with nothing on it
# but the distribution's programs (/usr, read-only, without /usr/local), its own
# processes, mounts, network and cgroups. To be run by `unshare` with all of
# these but the last.
#
#   boot.sh ROOT CGROUP [FROM:TO ...]
#
# Mounts each FROM read-only at TO of the machine, whose cgroups are below CGROUP
# of this one's.
set -euo pipefail
root=$1 cgroup=$2
shift 2

mount --make-rprivate /
if [[ -z ${IN_CGROUP:-} ]]; then
  mount -t cgroup2 cgroups "$root"
  mkdir "$root/$cgroup"
  echo $$ >"$root/$cgroup/cgroup.procs"
  umount "$root"
  IN_CGROUP=yes exec unshare --cgroup bash "$0" "$root" "$cgroup" "$@"
fi
mount -t tmpfs -o mode=755 machine "$root"
cd "$root"
mkdir -p usr etc/systemd/system var/{lib,log,tmp} run proc sys dev tmp root home srv mnt
chmod 1777 tmp var/tmp
mount --rbind /usr usr
mount -o remount,bind,ro usr
mount -t tmpfs -o mode=755 local usr/local
mkdir usr/local/bin
for link in bin sbin lib lib32 lib64; do
  if [[ -e /$link ]]; then ln -s "usr/$link" "$link"; fi
done

# What an installation of the distribution has.
for file in ld.so.cache ssl; do cp -a "/etc/$file" etc/; done
echo 'root:x:0:0:root:/root:/bin/bash' >etc/passwd
printf 'root:x:0:\nnogroup:x:65534:\n' >etc/group
echo 'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin' >>etc/passwd
printf 'passwd: files systemd\ngroup: files systemd\nhosts: files\n' >etc/nsswitch.conf
printf '127.0.0.1 localhost\n::1 localhost\n' >etc/hosts
touch etc/machine-id etc/fstab

mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=755 dev dev
for device in null zero full random urandom tty; do
  touch "dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
touch dev/console
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
mount -t tmpfs -o mode=1777 shm dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for n in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${n%%:*}" "dev/${n#*:}"; done

for pair in "$@"; do
  from=${pair%%:*} to=.${pair#*:}
  if [[ -d $from ]]; then mkdir -p "$to"; else mkdir -p "$(dirname "$to")" && touch "$to"; fi
  mount --bind "$from" "$to"
  mount -o remount,bind,ro "$to"
done

# Nothing of what a distribution starts besides.
ln -s /dev/null etc/systemd/system/console-getty.service
cat >etc/systemd/system/default.target <<'UNIT'
[Unit]
Requires=sysinit.target basic.target
Wants=systemd-journald.service multi-user.target
After=basic.target
AllowIsolate=yes
UNIT
cat >etc/systemd/system/multi-user.target <<'UNIT'
[Unit]
Requires=basic.target
After=basic.target
UNIT

mkdir mnt/old
pivot_root . mnt/old
cd /
umount -l mnt/old
rmdir mnt/old
exec env -i container=test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin \
  /lib/systemd/systemd --system --log-target=journal --show-status=no
