"""What is kept of answers, and its bounds."""

from node.remembered.memory import KEY_BYTES, AskedBefore, Memory, Slot


class Text:
    def __init__(self, weight: int) -> None:
        self.weight = weight
        self.slots = 0


def filled(memory: Memory[Text], key: str, answer: Text) -> Slot[Text]:
    slot = Slot[Text]()
    memory.add(key, len(key), slot)
    memory.fill(slot, answer)
    return slot


def test_a_slot_is_found_under_each_of_its_keys():
    memory = Memory[Text](10_000)
    slot = filled(memory, "a", Text(10))
    memory.add("b", 1, slot)
    assert memory.get("a") is memory.get("b") is slot
    assert memory.bytes == 2 * (1 + KEY_BYTES) + 10


def test_another_answer_takes_the_place_of_the_first():
    memory = Memory[Text](10_000)
    slot = filled(memory, "a", Text(10))
    memory.fill(slot, Text(30))
    assert memory.bytes == 1 + KEY_BYTES + 30


def test_the_same_answer_again_counts_once():
    memory, answer = Memory[Text](10_000), Text(10)
    slot = filled(memory, "a", answer)
    memory.fill(slot, answer)
    assert (memory.bytes, slot.answer, answer.slots) == (1 + KEY_BYTES + 10, answer, 1)


def test_an_answer_of_many_counts_once():
    memory, answer = Memory[Text](100_000), Text(1000)
    for number in range(10):
        filled(memory, str(number), answer)
    assert memory.bytes == 10 * (1 + KEY_BYTES) + 1000


def test_what_was_not_used_for_the_longest_goes():
    memory = Memory[Text](3 * (1 + KEY_BYTES) + 300)
    for key in "abc":
        filled(memory, key, Text(100))
    assert memory.get("a") is not None
    filled(memory, "d", Text(100))
    assert [key for key in "abcd" if memory.get(key)] == ["a", "c", "d"]
    assert memory.bytes == 3 * (1 + KEY_BYTES) + 300


def test_the_bytes_stay_within_bounds_whatever_comes():
    """Broken: a stranger who asks for much, often enough, fills the memory of the node."""
    memory, most = Memory[Text](20_000), 0
    for number in range(2000):
        slot = filled(memory, str(number), Text(number * 37 % 3000))
        memory.add(("block", number), 300, slot) if slot.keys else None
        most = max(most, memory.bytes)
    assert most <= 20_000
    assert len(memory) > 10


def test_what_is_too_large_by_itself_is_not_kept():
    memory = Memory[Text](5000)
    filled(memory, "a", Text(10))
    slot = filled(memory, "b", Text(50_000))
    assert (memory.bytes, len(memory), slot.keys, slot.answer) == (0, 0, 0, None)
    memory.fill(slot, Text(10))
    assert memory.bytes == 0, "nobody would find it"


def test_only_what_is_asked_again_is_known():
    seen = AskedBefore()
    assert not seen.again("a")
    assert seen.again("a")
    assert not seen.again("b")


def test_who_asks_for_everything_makes_others_be_forgotten_at_worst():
    seen = AskedBefore(places=8)
    assert sum(seen.again(number) for number in range(10_000)) == 0
