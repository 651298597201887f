"""
Fuzzing: what strangers send, made up by the hundred thousand, through the real application.

Inputs are made by Hypothesis, from strategies that know how names, digests, ranges, tokens, scopes
and manifests are built, and edited byte by byte behind that. Not by atheris: its newest release has
no wheel for Python 3.11; libFuzzer ends the process that it runs in, where a report has to be
written; and what has to be got past here are signatures, digests and documents that refer to each
other, which bytes that are only guided by coverage do not.

- `target.py`: what a target is. One module for each: `names.py`, `digests.py`, `ranges.py`,
  `tokens.py`, `scopes.py`, `manifests.py`.
- `asking.py`: a request byte by byte, and what every answer has to be.
- `trial.py`: one input, measured; `drive.py`: many of them, for a time.
- `watch.py`: the process of a target, watched from outside: what hangs or crashes it is kept.
- `report.py`: what is said of a run. `mutants.py`: bugs that it has to notice.
- `regressions/`: inputs that were answered wrongly once; `make unit` tries each of them.
"""
