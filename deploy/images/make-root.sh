#!/bin/sh
# make-root.sh FOLDER: podman 5 from Debian trixie in a folder, for machines that have none or an older one.
set -eu
root=$1
command -v mmdebstrap > /dev/null || {
  apt-get -qq update
  apt-get -qq install --yes --no-install-recommends mmdebstrap > /dev/null
}
rm -rf "$root" "$root.new"
mmdebstrap --quiet --variant=minbase trixie "$root.new" \
  --include=podman,buildah,runc,netavark,aardvark-dns,conmon,catatonit,nftables,iptables,iproute2,uidmap,mount,ca-certificates
mkdir -p "$root.new/etc/containers" "$root.new/src" "$root.new/old"
# runc, because crun refuses hybrid control groups; limits as low as where CAP_SYS_RESOURCE is missing.
cat > "$root.new/etc/containers/containers.conf" <<'END'
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=30000:30000"]
END
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > "$root.new/etc/containers/policy.json"
echo 'unqualified-search-registries = []' > "$root.new/etc/containers/registries.conf"
mv "$root.new" "$root"
