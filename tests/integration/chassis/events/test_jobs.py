"""A job that several processes have: one does it at a time, another takes over from the dead."""

import asyncio
import sys
from functools import partial

from prometheus_client import REGISTRY

from chassis.db.pool import Database
from chassis.events.leader import ByOne
from deploy.local.settings import ROOT
from tests.integration.chassis.events.ground import SERVICE, Ground, until

HOLDER = """
import asyncio, sys
from chassis.db.pool import Database
from chassis.events.leader import ByOne

async def hold():
    print("at work", flush=True)
    await asyncio.sleep(3600)

asyncio.run(ByOne(Database("sales", *sys.argv[1:]), "sales held", hold, 0.05).run())
"""


def done(job: str) -> float:
    """When the job was done in this process last."""
    return REGISTRY.get_sample_value("crm_job_done_timestamp_seconds", {"work": job}) or 0.0


def both_urls(ground: Ground) -> tuple[str, str]:
    """The logins of the service's two roles."""
    platform = ground.platform
    return platform.database_url(SERVICE, "runtime"), platform.database_url(SERVICE, "worker")


async def again(job: ByOne) -> None:
    while True:
        await job.run()


async def test_a_job_runs_once_at_a_time_and_tells_when(ground: Ground) -> None:
    urls = both_urls(ground)
    running, most, turns = 0, 0, [0, 0]
    databases = [Database(SERVICE, *urls) for _ in turns]

    async def work(at: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        turns[at] += 1

    for at, database in enumerate(databases):
        ground.run(again(ByOne(database, "sales shared", partial(work, at), 0.03)))
    begun = done("sales shared")
    await until(lambda: min(turns) >= 3)
    assert most == 1
    assert done("sales shared") > begun


async def test_another_takes_over_when_the_process_dies(ground: Ground) -> None:
    urls = both_urls(ground)
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, *urls, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"at work\n"
    turns: list[float] = []

    async def work() -> None:
        turns.append(asyncio.get_running_loop().time())

    ground.run(again(ByOne(ground.database, "sales held", work, 0.05)))
    await asyncio.sleep(0.5)
    assert not turns
    holder.kill()
    await holder.wait()
    await until(lambda: bool(turns))
