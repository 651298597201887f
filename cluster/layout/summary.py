"""What became another in the layout, in words for people. Pure."""

from collections.abc import Iterator
from typing import Final

from cluster.layout.document import Layout, LayoutMember

_FIELDS: Final = ("zone", "weight", "availability")


def differences(old: Layout, new: Layout) -> tuple[str, ...]:
    """One line for each thing that is not as it was."""
    return tuple(_differences(old, new))


def contents(first: Layout) -> tuple[str, ...]:
    """The same for a version that has none before it."""
    return tuple(_added(member) for member in first.members)


def _differences(old: Layout, new: Layout) -> Iterator[str]:
    before = {m.node: m for m in old.members}
    for member in new.members:
        was = before.pop(member.node, None)
        if was is None:
            yield _added(member)
        elif was.store != member.store:
            yield f"{member.node} has another disk"
        yield from () if was is None else _changed(was, member)
    for gone in before.values():
        yield f"{gone.node} is removed"
    yield from _region_differences(old, new)
    for name in new.settings.__struct_fields__:
        one, other = getattr(old.settings, name), getattr(new.settings, name)
        if one != other:
            yield f"{name}: {one} -> {other}"


def _added(member: LayoutMember) -> str:
    zone = f", zone {member.zone}" if member.zone else ""
    roles = ", ".join(member.roles)
    return (
        f"{member.node} is added: {roles} in region {member.region}{zone}, weight {member.weight}"
    )


def _changed(old: LayoutMember, new: LayoutMember) -> Iterator[str]:
    for name in _FIELDS:
        one, other = getattr(old, name), getattr(new, name)
        if one != other:
            yield f"{new.node}: {name} {one or '(none)'} -> {other or '(none)'}"
    if old.roles != new.roles:
        yield f"{new.node}: {', '.join(old.roles)} -> {', '.join(new.roles)}"


def _region_differences(old: Layout, new: Layout) -> Iterator[str]:
    for region in sorted({*old.regions, *new.regions}):
        one = next((rule for rule in old.rules if rule.region == region), None)
        other = next((rule for rule in new.rules if rule.region == region), None)
        if one != other:
            told = "as everywhere" if other is None else f"{other.copies}, weight {other.weight}"
            yield f"copies in region {region}: {told}"
        if old.witness(region) != new.witness(region):
            yield f"witness of region {region}: {new.witness(region) or '(none)'}"
