"""Container images: built with podman, docker or buildah, whichever can be had."""
