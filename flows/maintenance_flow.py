"""Relay, leases and overdue tickets, on a short beat.

Served by ``python -m flows.maintenance_flow``, which starts a flow run every ten minutes; the run
itself looks every two seconds, so that no process starts for a single look.
"""

# Without `from __future__ import annotations`: a served flow travels pickled, and annotations that
# are mere text could not be resolved where it runs.
import time
from datetime import timedelta
from typing import Annotated

from prefect import flow
from prefect.logging import get_run_logger
from pydantic import Field

from tasks.maintenance_tasks import Tally, tend

RUN = timedelta(minutes=10)


@flow(name="maintenance", persist_result=False)
def maintenance(
    minutes: Annotated[float, Field(ge=0)] = RUN.total_seconds() / 60,
    every_s: Annotated[float, Field(gt=0)] = 2.0,
) -> dict[str, int]:
    """Let decisions take effect, send what the outbox holds, end leases, raise old tickets.

    Args:
        minutes: How long to go on; 0 is one look at everything.
        every_s: Seconds from one look to the next.
    """
    tally, until = Tally(), time.monotonic() + 60 * minutes
    while True:
        troubles = tally.troubles
        tend(tally)
        if tally.troubles > troubles:
            get_run_logger().warning("%s", tally.trouble)
        if time.monotonic() + every_s > until:
            break
        time.sleep(every_s)
    return {"rounds": tally.rounds, "ended": tally.ended, "sent": tally.sent}


def main() -> None:
    """Serve the flow until somebody stops this process."""
    maintenance.serve(
        name="default",
        interval=RUN,
        global_limit=1,
        tags=["rigline"],
        description="Relay, leases, overdue tickets. Served by a process of its own.",
    )


if __name__ == "__main__":
    main()
