"""
Benchmarks, one file per question, against CNCF Distribution on the same machine and file system.

Each file says what it asks, what is expected and how it measures; `python -m bench.<file>` runs
one, `make bench` all of them. Every figure is a rate, so more is better.
"""
