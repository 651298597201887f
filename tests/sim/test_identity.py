"""Plans of who may do what. Their seeds are in `test_simulator`, stories in `test_mutants`."""

import asyncio

import pytest

from cluster.model import Dot
from tests.sim.identity.model import DocVersion, Known
from tests.sim.identity.plan import ASKED, CHANGES, STEPS, make_identity_plan, plan_of
from tests.sim.mutants.identity_stories import (
    BOUNDS,
    CUT_S,
    LIB_CI,
    TWO_SIDES,
    ask,
    change,
    founded,
    may,
    renew_after_a_restart_apart,
)
from tests.sim.plan import FAULTS, OPERATIONS, Plan, make_plan
from tests.sim.stories import tell, ways
from tests.sim.world import World

PLANS = [make_identity_plan(str(seed)) for seed in range(50)]


def test_seeds_of_the_other_family_mean_what_they_did():
    """Broken: each seed that the tables name, and each kept plan, would be another one."""
    for seed in range(20):
        plan = plan_of(str(seed))
        assert plan == make_plan(str(seed))
        assert plan.identity == {}
        assert not {step["do"] for step in plan.steps}.intersection(STEPS)
        assert "identity" not in plan.dumps()


def test_a_plan_has_the_faults_of_its_seed():
    for seed, plan in enumerate(PLANS):
        of_seed = [s for s in make_plan(str(seed)).steps if s["do"] not in OPERATIONS]
        assert [step for step in plan.steps if step in of_seed] == of_seed


def test_plans_have_everything():
    """Broken: some change, or some fault, is never tried with accounts."""
    steps = [step for plan in PLANS for step in plan.steps]
    assert {step["do"] for step in steps} >= {*ASKED, *FAULTS, "found"}
    assert {step["what"] for step in steps if step["do"] == "change"} == CHANGES.keys()


def test_a_plan_can_be_kept():
    assert [Plan.loads(plan.dumps()) for plan in PLANS] == PLANS


def version(seq: int, kind: str, name: str, *replaces: int, **doc: object) -> DocVersion:
    gone = frozenset(Dot("n", 1, each) for each in replaces)
    return DocVersion(Dot("n", 1, seq), kind, name, gone, {"id": "u", **doc})


USER = version(1, "user", "alice")
PROJECT = version(2, "access", "lib", id="p")
GRANT = version(3, "grant", "p/u", role=2)


@pytest.mark.parametrize(
    ("more", "allowed"),
    [
        pytest.param([], True, id="granted"),
        pytest.param([version(4, "grant", "p/u", 3, role=1)], False, id="granted less instead"),
        pytest.param([version(4, "grant", "p/u", role=1)], False, id="granted less beside it"),
        pytest.param([version(4, "grant", "p/u", role=3)], True, id="granted more beside it"),
        pytest.param([version(4, "grant", "p/u", deleted=True)], False, id="revoked beside it"),
        pytest.param(
            [version(4, "grant", "p/u", 3, deleted=True), version(5, "grant", "p/u", 4, role=2)],
            True,
            id="granted again",
        ),
        pytest.param([version(4, "user", "alice", disabled=True)], False, id="disabled beside it"),
        pytest.param([version(4, "user", "alice", id="v")], False, id="made twice"),
        pytest.param([version(4, "user", "alice", 1, id="v")], False, id="made anew"),
        pytest.param([version(4, "access", "lib", 2, id="q")], False, id="project made anew"),
        pytest.param(
            [
                version(
                    4,
                    "access",
                    "lib",
                    id="p",
                    denies=[{"subject": "*", "verb": "pull", "pattern": "lib/*"}],
                )
            ],
            False,
            id="denied beside it",
        ),
    ],
)
def test_the_reference_denies_what_any_version_denies(more: list[DocVersion], allowed: bool):
    """Broken: the nodes are held against something that is as wrong as they may be."""
    for order in (1, -1):
        known = Known([USER, PROJECT, GRANT, *more][::order], lambda _: True)
        who = known.who("alice")
        assert (who is not None and known.allows(who, "push", "lib/app", 0.0)) is allowed


def test_the_reference_tells_who_was_made_anew():
    again = [version(4, "user", "alice", 1, deleted=True), version(5, "user", "alice", 4)]
    changed = version(6, "user", "alice", 5, disabled=True)
    known = Known([USER, *again, changed], lambda _: True)
    assert known.makings("user", "alice") == {Dot("n", 1, 1), Dot("n", 1, 5)}
    assert Known([USER], lambda _: False).makings("user", "alice") == set()


def test_a_change_is_in_force_in_another_region_within_a_second():
    """Broken: who was shut out in one region goes on in another one, with nothing wrong."""

    async def story(world: World) -> None:
        w, r, n = world.machines
        await founded(world, r)
        for what, who, allowed in (
            ("disable", "alice", False),
            ("enable", "alice", True),
            ("revoke", LIB_CI, False),
            ("grant", LIB_CI, True),
            ("delete", LIB_CI, False),
        ):
            begun = world.loop.time()
            assert (await change(world, r, what, who=who)).outcome == "ok"
            async with asyncio.timeout_at(begun + 1.0):
                while any(may(machine, who) is not allowed for machine in (w, n)):
                    await asyncio.sleep(0.01)

    tell(story, identity=BOUNDS)


def test_what_a_side_that_is_cut_off_still_allows_has_its_bounds():
    """
    A robot is deleted at R while W is cut off. At R its token is refused at once; at W when it ends
    at the latest, and renewed for as long as the bound goes.
    """

    async def story(world: World) -> None:
        w, r, _ = world.machines
        await founded(world, r)
        assert (await ask(world, r, "log_in", who=LIB_CI)).outcome == "ok"
        with world.rage("half"):
            world.network.cut(ways(world, w))
            assert (await change(world, r, "delete", who=LIB_CI)).outcome == "ok"
            assert (await ask(world, r, "use")).outcome == "missing"
            assert (await ask(world, r, "renew")).outcome == "missing"
            assert (await ask(world, w, "use")).outcome == "ok"
            await asyncio.sleep(BOUNDS["token_life_s"])
            assert (await ask(world, w, "use")).outcome == "missing"
            await asyncio.sleep(CUT_S - BOUNDS["token_life_s"])
            refused = await ask(world, w, "renew")
            assert refused.error.startswith("AuthorityLost")
            world.network.mend(ways(world, w))
        await asyncio.sleep(5.0)
        assert (await ask(world, w, "renew")).outcome == "missing"

    tell(story, identity=BOUNDS)


def test_a_restart_on_the_side_that_is_cut_off_begins_no_other_bound():
    tell(renew_after_a_restart_apart, TWO_SIDES, identity=BOUNDS)
