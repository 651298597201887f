"""What holds for every test."""

from hypothesis import settings

# Hypothesis fails an example that takes longer than 200 ms: on a busy machine that is the
# scheduler's doing. Tests assert no durations.
settings.register_profile("atoll", deadline=None)
settings.load_profile("atoll")
