"""`python -m services.gateway` serves; with `openapi` it prints the API description instead."""

import json
import os
import sys

from chassis.telemetry.logs import configure_logs
from services.gateway.openapi import document
from services.gateway.server import serve
from services.gateway.settings import gateway_settings


def main(arguments: list[str]) -> int:
    """Run one of the two commands."""
    if arguments == ["openapi"]:
        sys.stdout.write(json.dumps(document(), ensure_ascii=False, indent=1) + "\n")
        return 0
    if arguments:
        sys.stderr.write("usage: python -m services.gateway [openapi]\n")
        return 2
    settings = gateway_settings(os.environ)
    configure_logs("gateway", settings.log_level)
    serve(settings)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
