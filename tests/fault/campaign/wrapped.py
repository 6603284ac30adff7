"""`python -m tests.fault.campaign.wrapped <change> <service>` runs a real service with functions
of it replaced: it dies at a certain point of its work, or has a certain bug.
"""

import runpy
import sys

from tests.fault.campaign.crashes import CRASHES
from tests.fault.campaign.planted import BUGS

if __name__ == "__main__":
    change, service = sys.argv[1:]
    {**CRASHES, **BUGS}[change]()
    sys.argv = [f"services.{service}"]
    runpy.run_module(f"services.{service}", run_name="__main__")
