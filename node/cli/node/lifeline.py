"""
End this process when whoever started it is gone, by watching standard input.

The starter keeps the other end of the pipe. The kernel closes it however the starter ends, also by
SIGKILL. The alternatives: PR_SET_PDEATHSIG exists on Linux only, fires when the starting *thread*
ends, and cannot be set safely between fork and exec of a threaded process; setpriv needs a program
that not every system has; a process group dies with nobody.
"""

import os
import signal
import threading


def stop_at_end_of(fd: int, grace_s: float) -> None:
    """
    Stop this process once *fd* is at its end: SIGTERM, and after *grace_s* the hard way.

    Works from a thread, so that a stalled event loop cannot outlive the starter.
    """
    watcher = threading.Thread(target=_watch, args=(fd, grace_s), name="lifeline", daemon=True)
    watcher.start()


def _watch(fd: int, grace_s: float) -> None:
    try:
        while os.read(fd, 4096):
            pass
    except OSError:
        pass  # A lifeline that cannot be read is as good as cut.
    os.kill(os.getpid(), signal.SIGTERM)
    # Nothing ever sets the event: it is a wait that ends with the process or at the bound.
    threading.Event().wait(grace_s)
    os._exit(1)
