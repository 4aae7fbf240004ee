"""A job's process: ``python -m nncift_core.worker JOB_DIR``.

The job's folder says what to do and is told how it went; this file only starts and ends it.
Exit codes: 0 done, 2 something the user can mend, 1 a fault of this software, 130 cancelled.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from nncift_core.errors import Cancelled, NNCIFTError

log = logging.getLogger("nncift.worker")


def main(arguments: list[str]) -> int:
    """Work on the job in the one folder given; the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    if len(arguments) != 1:
        log.error("Usage: python -m nncift_core.worker JOB_DIR")
        return 2
    job_dir = Path(arguments[0])
    try:
        # Imported here, so that a wrong call is answered at once.
        from nncift_core.pipeline import work

        log.info("Start of %s", job_dir.name)
        work(job_dir)
    except Cancelled:
        log.info("Cancelled")
        return 130
    except NNCIFTError as error:
        log.error("%s", error)
        return 2
    except Exception:
        log.exception("A fault of this software")
        return 1
    log.info("Done")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
