"""What a node may do, state by state."""

from pathlib import Path

import pytest

from cluster.state import ALLOWED, Act, NodeState, State

TABLE = """
| state      | new clients | read | write | push | grant a lease | vouch | serve a checkpoint |
|------------|-------------|------|-------|------|---------------|-------|--------------------|
| joining    |             |      |       | yes  |               |       | yes                |
| lacking    |             |      |       | yes  | yes           | yes   | yes                |
| restoring  |             |      |       | yes  | yes           | yes   |                    |
| damaged    |             | yes  | yes   | yes  | yes           | yes   |                    |
| full       | yes         | yes  |       | yes  | yes           | yes   | yes                |
| failed     |             |      |       |      | yes           | yes   |                    |
| leaving    | yes         | yes  | yes   | yes  | yes           |       | yes                |
| stopping   |             | yes  | yes   | yes  | yes           | yes   | yes                |
"""
DRAWN = Path(__file__).parents[3] / "docs" / "ARCHITECTURE.md"


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


HEADER, _, *ROWS = (cells(line) for line in TABLE.strip().splitlines())


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_state_allows_what_its_row_says(row: list[str]):
    state = NodeState()
    state.put(State(row[0]), "a test")
    assert [cell for cell in HEADER[1:] if state.allows(Act(cell))] == [
        act for act, cell in zip(HEADER[1:], row[1:], strict=True) if cell == "yes"
    ]


def test_every_state_has_its_row_and_the_architecture_draws_it():
    assert [row[0] for row in ROWS] == list(State) == list(ALLOWED)
    assert HEADER[1:] == list(Act)
    drawn = DRAWN.read_text()
    assert TABLE.strip() in drawn, "docs/ARCHITECTURE.md has another table"


def test_a_node_may_do_what_all_its_states_allow():
    state = NodeState()
    assert all(state.allows(act) for act in Act)
    state.put(State.FULL, "no room")
    state.put(State.LEAVING, "it was asked to")
    assert {act for act in Act if not state.allows(act)} == {Act.WRITE, Act.VOUCH}
    state.put(State.FULL, None)
    assert state.allows(Act.WRITE)
    assert State.LEAVING in state


def test_a_state_that_is_looked_at_lasts_as_long_as_its_reason():
    state, room = NodeState(), [None, "no room", None]
    state.watch(State.FULL, lambda: None)
    state.watch(State.FULL, lambda: room[0])
    assert state.allows(Act.WRITE)
    room.pop(0)
    assert state.why(State.FULL) == "no room"
    assert not state.allows(Act.WRITE)
    room.pop(0)
    assert state.allows(Act.WRITE)
