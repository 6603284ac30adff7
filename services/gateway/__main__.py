"""`python -m services.gateway` serves; with `openapi` or `events` it prints what callers or
consumers may rely on.
"""

import json
import os
import sys

from chassis.telemetry.logs import configure_logs
from services.gateway.events_document import events_document
from services.gateway.openapi import document
from services.gateway.server import serve
from services.gateway.settings import gateway_settings


def main(arguments: list[str]) -> int:
    """Run one of the commands."""
    if arguments == ["openapi"]:
        sys.stdout.write(json.dumps(document(), ensure_ascii=False, indent=1) + "\n")
        return 0
    if arguments == ["events"]:
        sys.stdout.write(events_document())
        return 0
    if arguments:
        sys.stderr.write("usage: python -m services.gateway [openapi|events]\n")
        return 2
    settings = gateway_settings(os.environ)
    configure_logs("gateway", settings.log_level)
    serve(settings)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
