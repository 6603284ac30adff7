"""`python -m deploy.backup`: the same as `crm backup`, for jobs that have no command line."""

import sys

from deploy.backup.commands import app
from deploy.backup.errors import BackupError
from deploy.local.errors import RunnerError


def main() -> int:
    """Run the command; what goes wrong is one clear message, with exit code 1."""
    try:
        app()
    except (BackupError, RunnerError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
