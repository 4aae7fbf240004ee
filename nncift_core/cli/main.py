"""The entry of the command line: parse, run a command, turn errors into exit codes.

Exit codes: 0 done; 2 for everything that the user or their machine's state can mend, with one
sentence on standard error; 1 for faults of this software; 130 after Ctrl-C.
"""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from nncift_core.errors import Cancelled, NNCIFTError

FAULT = "This is a fault of this software; please report it with the lines above."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    try:
        from nncift_core.cli.commands import COMMANDS
        from nncift_core.cli.options import build_parser

        parsed = build_parser().parse_args(arguments)
        COMMANDS[parsed.command](parsed)
    except Cancelled as error:
        return _fail(str(error), 130)
    except KeyboardInterrupt:
        return _fail("Stopped. Resume it to go on from where it stopped.", 130)
    except NNCIFTError as error:
        return _fail(str(error), 2)
    except BrokenPipeError:
        # The reader of standard output has left; there is nobody to tell. Python would flush
        # once more at its end and complain.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except MemoryError:
        return _fail("Memory ran out. Use fewer rows or close other programs.", 2)
    except OSError as error:
        from nncift_core.files import is_machine_state, workspace_error

        if is_machine_state(error):
            path = Path(os.fsdecode(error.filename)) if error.filename else Path.cwd()
            return _fail(str(workspace_error(error, path)), 2)
        traceback.print_exc()
        return _fail(FAULT, 1)
    except SystemExit as stop:
        # --help and --version end this way.
        return int(stop.code or 0)
    except Exception:
        traceback.print_exc()
        return _fail(FAULT, 1)
    return 0


def _fail(sentence: str, code: int) -> int:
    sys.stderr.write(f"nncift: {' '.join(sentence.split())}\n")
    return code
