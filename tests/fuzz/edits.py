"""Editing bytes: what no grammar makes."""

from typing import Final

from hypothesis import strategies as st

_TOKENS: Final = (
    b"", b"\x00", b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"%2f", b"%00",
    b"%", b"/",
    b"//", b"..", b":", b",", b"-", b"=", b'"', b"\\", b"\\u0000", b"\\ud800", b"{", b"}",
    b"[", b"]",
    b"null", b"-1", b"1e999", b"9" * 25, b"\n", b"\t", b" ", b"A", b"a" * 300,
    "\u0660".encode(), "\u212a".encode(), "\u00df".encode(), "\uff11".encode(),
)  # fmt: skip
"""Among them digits and letters that are some only to careless readers."""

Edit = tuple[str, int, int, bytes]
"""What is done, where, over how many bytes, and with what."""

_EDIT: Final = st.tuples(
    st.sampled_from(["insert", "delete", "replace", "flip", "repeat", "swap case", "cut"]),
    st.integers(0, 10_000),
    st.integers(1, 24),
    st.one_of(st.sampled_from(_TOKENS), st.binary(min_size=1, max_size=3)),
)


def edited(text: bytes, edits: list[Edit]) -> bytes:
    """*text* with the edits made, one after the other; places are ten-thousandths of its length."""
    for kind, place, length, piece in edits:
        at = place * len(text) // 10_000
        before, middle, after = text[:at], text[at : at + length], text[at + length :]
        match kind:
            case "insert":
                text = before + piece + middle + after
            case "delete":
                text = before + after
            case "replace":
                text = before + piece + after
            case "flip":
                text = before + bytes([byte ^ (piece or b"\x01")[0] for byte in middle[:1]])
                text += middle[1:] + after
            case "repeat":
                text = before + middle * (2 + length % 8) + after
            case "swap case":
                text = before + middle.swapcase() + after
            case "cut":
                text = before
    return text


def edits(most: int = 3) -> st.SearchStrategy[list[Edit]]:
    return st.lists(_EDIT, max_size=most)


def mutated(texts: st.SearchStrategy[bytes], most: int = 3) -> st.SearchStrategy[bytes]:
    """Texts, edited up to *most* times."""
    return st.builds(edited, texts, edits(most))


def mutated_text(texts: st.SearchStrategy[str], most: int = 3) -> st.SearchStrategy[str]:
    """The same of text; what is no UTF-8 any more is replaced."""
    encoded = texts.map(lambda text: text.encode())
    return mutated(encoded, most).map(lambda raw: raw.decode(errors="replace"))
