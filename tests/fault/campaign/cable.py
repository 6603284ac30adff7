"""A network namespace for one service: a cable of its own, on which real packets get lost.

The namespace has no name: it ends with the processes in it, also when a campaign is killed, and
takes the cable along. The machine keeps its own network as it is but for one end of the cable.
"""

import re
import subprocess
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from deploy.local import ports
from deploy.local.settings import HOST

# For tests of networks (RFC 2544): two addresses for each port that a machine has.
ADDRESSES: Final = IPv4Address("198.18.0.0")
INNER: Final = "cable"
WIDE: Final = "htb rate 100gbit burst 10mb cburst 10mb quantum 60000"
NARROW: Final = "htb rate 64kbit burst 2kb cburst 2kb quantum 1600"
LOST: Final = "1:ff"
# One packet in sixteen, by the low bits of its number.
ONE_IN_16: Final = "match u16 0x0007 0x000f at 4"


class Cable:
    """The service's end has `address`, and reaches this machine's servers at HOST as ever.

    `routes` are the ports of conversations by name; those that the service begins bear its name.
    """

    def __init__(self, service: str, routes: Mapping[str, int]) -> None:
        (number,) = ports.pick(1)
        self._here, self.address = (str(ADDRESSES + 2 * number + end) for end in (0, 1))
        self._outer = f"crm{number}"
        self._service = service
        self._routes = routes
        self._holder: subprocess.Popen[bytes] | None = None
        self.refused = ""

    def lay(self) -> bool:
        """Make it; False where this user or machine may not, and then `refused` says why."""
        try:
            self._hold()
            self._connect()
        except (OSError, subprocess.CalledProcessError) as error:
            self.refused = str(getattr(error, "stderr", "") or error).strip()
            self.remove()
            return False
        return True

    def remove(self) -> None:
        """Take it away, after the service has ended."""
        if self._holder is not None:
            self._holder.communicate()
            self._holder = None

    def inside(self, command: Sequence[str]) -> list[str]:
        """The command in the service's namespace; it is killed when this process dies."""
        return [*self._enter(), "setpriv", "--pdeathsig", "KILL", "--", *command]

    def order(self, route: str, what: str = "") -> None:
        """`cut`, `cut there` (requests) or `cut back` (answers), `narrow` (64 kbit a second),
        `lose` (one packet in sixteen), or nothing.
        """
        place = list(self._routes).index(route) + 2
        word, _, way = what.partition(" ")
        outward = route.startswith(f"{self._service}-")
        for inner in (True, False):
            cut = word == "cut" and way in {"", "there" if inner == outward else "back"}
            dev = f"dev {self._device(inner=inner)}"
            rate = NARROW if word == "narrow" else WIDE
            lines = [f"class change {dev} parent 1: classid 1:{place} {rate}"]
            if cut:
                lines.append(f"qdisc replace {dev} parent 1:{place} handle {place}0: blackhole")
            if word == "lose":
                lines += _filters(dev, 1, self._routes[route], ONE_IN_16, LOST)
            self._tc(lines, inner=inner)
            if not what:
                self._heal(dev, place, inner=inner)

    def moved(self, _route: str) -> int:
        """Packets that were lost or had to wait so far, by the counters of the kernel."""
        told = ""
        for inner in (True, False):
            show = ("tc", "-s", "class", "show", "dev", self._device(inner=inner))
            told += self._run(self._at(inner, *show))
        return sum(map(int, re.findall(r"(?:dropped|overlimits) (\d+)", told)))

    def _heal(self, dev: str, place: int, *, inner: bool) -> None:
        """What was not there cannot be taken away: that is no error."""
        for line in (f"qdisc del {dev} parent 1:{place}", f"filter del {dev} parent 1: prio 1"):
            subprocess.run(self._at(inner, "tc", *line.split()), check=False, capture_output=True)

    def _hold(self) -> None:
        """A process in a new namespace, which ends when nobody can write to it any more."""
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo; exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        if self._holder.stdout is None or not self._holder.stdout.readline():
            raise OSError(self._holder.communicate()[1].decode())

    def _connect(self) -> None:
        """Both ends with addresses, and a class of traffic for each route at both."""
        outer, local = self._outer, "/proc/sys/net/ipv4/conf/{}/route_localnet"
        self._run(["ip", "link", "add", "name", outer, "type", "veth",
                   "peer", "name", INNER, "netns", str(self._pid())])  # fmt: skip
        for inner, address in ((False, self._here), (True, self.address)):
            device = self._device(inner=inner)
            self._run(self._at(inner, "ip", "addr", "add", f"{address}/31", "dev", device))
            self._run(self._at(inner, "ip", "link", "set", "dev", device,
                               "gso_max_size", "16384", "up"))  # fmt: skip
        Path(local.format(outer)).write_text("1")
        # Servers listen on this machine's loopback: in the namespace that address is out here.
        self._run(self._at(True, "sh", "-ec", (
            f"echo 1 > {local.format('all')}; ip link set dev lo up; ip addr flush dev lo;"
            f" ip route add {HOST}/32 via {self._here} src {self.address}"
        )))  # fmt: skip
        for inner in (True, False):
            dev = f"dev {self._device(inner=inner)}"
            lines = [
                f"qdisc add {dev} root handle 1: htb default 1",
                *(f"class add {dev} parent 1: classid {one} {WIDE}" for one in ("1:1", LOST)),
                f"qdisc add {dev} parent {LOST} handle ff: blackhole",
            ]
            for place, port in enumerate(self._routes.values(), 2):
                lines.append(f"class add {dev} parent 1: classid 1:{place} {WIDE}")
                lines += _filters(dev, 2, port, "", f"1:{place}")
            self._tc(lines, inner=inner)

    def _device(self, *, inner: bool) -> str:
        return INNER if inner else self._outer

    def _enter(self) -> list[str]:
        return ["nsenter", f"--net=/proc/{self._pid()}/ns/net"]

    def _pid(self) -> int:
        assert self._holder is not None
        return self._holder.pid

    def _at(self, inner: bool, *command: str) -> list[str]:
        return [*(self._enter() if inner else []), *command]

    def _tc(self, lines: Sequence[str], *, inner: bool) -> None:
        self._run(self._at(inner, "tc", "-batch", "-"), "\n".join(lines))

    def _run(self, command: Sequence[str], told: str = "") -> str:
        return subprocess.run(
            command, input=told, check=True, capture_output=True, text=True
        ).stdout


def _filters(dev: str, priority: int, port: int, more: str, into: str) -> list[str]:
    """Packets from and to a port go into a class."""
    return [
        f"filter add {dev} parent 1: protocol ip prio {priority} u32"
        f" match ip {end} {port} 0xffff {more} flowid {into}"
        for end in ("dport", "sport")
    ]
