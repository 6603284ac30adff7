"""Container images: built with podman or docker, whichever can be had."""
