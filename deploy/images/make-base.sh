#!/bin/sh
# make-base.sh FILE: a base image with Python from Debian's packages, for where no image registry can be reached.
set -eu
mmdebstrap --quiet --variant=minbase --include=python3-minimal,python3-venv,ca-certificates \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
  --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1"/var/cache/debconf/*' \
  trixie "$1.new.tar"
mv "$1.new.tar" "$1"
