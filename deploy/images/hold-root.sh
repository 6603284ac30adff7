#!/bin/sh
# hold-root.sh FOLDER REPOSITORY FILE: run in namespaces of its own; enters the folder as root of the file system,
# creates FILE when others may follow, and waits.
set -eu
root=$1 repository=$2 ready=$3
mount --bind "$root" "$root"
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/run"
mount --bind "$repository" "$root/src"
cp /etc/resolv.conf "$root/etc/resolv.conf"
mkdir -p "$root/old"
cd "$root"
pivot_root . old
ip link set lo up
name=${ready#"$repository"}
umount -l /old
touch "/src$name"
exec sleep infinity
