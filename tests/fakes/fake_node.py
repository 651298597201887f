"""
A stand-in for `atoll serve`: takes its flags, answers `/readyz`, stops on SIGTERM.

The region decides what it does: `mute` never becomes ready, `broken` fails at once, `deaf` ignores
SIGTERM, and any other works.
"""

import argparse
import http.server
import signal
import sys

from node.cli.node.lifeline import stop_at_end_of
from node.settings import Address


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        mute = self.server.region == "mute"
        self.send_response(503 if mute else 200)
        self.end_headers()
        self.wfile.write(b'{"status":"mute"}' if mute else b'{"status":"ready"}')


def main():
    parser = argparse.ArgumentParser()
    for flag in ("--data-dir", "--http", "--rpc", "--admin", "--region", "--node"):
        parser.add_argument(flag, required=True)
    for flag in ("--joining", "--quiet-s"):
        parser.add_argument(flag)
    for flag in ("--join", "--initial"):
        parser.add_argument(flag, action="append", default=[])
    parser.add_argument("--stop-with-stdin", action="store_true")
    arguments = parser.parse_args()
    print(f"node {arguments.node} joins {len(arguments.join)}", file=sys.stderr, flush=True)
    if arguments.region == "broken":
        print("atoll: the data directory is of a newer version", file=sys.stderr)
        sys.exit(1)
    if arguments.region == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if arguments.stop_with_stdin:
        stop_at_end_of(sys.stdin.fileno(), grace_s=1.0)
    server = http.server.ThreadingHTTPServer(Address.parse(arguments.admin), _Answer)
    server.region = arguments.region
    server.serve_forever()


if __name__ == "__main__":
    main()
