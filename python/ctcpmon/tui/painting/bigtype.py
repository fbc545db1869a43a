"""Big letters: three by five dots each, for a screen that is read from across a room. Pure."""

from __future__ import annotations

__all__ = ["HEIGHT", "big", "big_width"]

HEIGHT = 5
_WIDTH = 3

# Five rows of three dots, top first, as octal digits.
_GLYPHS: dict[str, str] = {
    "0": "75557", "1": "26227", "2": "71747", "3": "71717", "4": "55711",
    "5": "74717", "6": "74757", "7": "71122", "8": "75757", "9": "75717",
    "A": "75755", "B": "65656", "C": "74447", "D": "65556", "E": "74647", "F": "74644",
    "G": "74557", "H": "55755", "I": "72227", "J": "11157", "K": "55655", "L": "44447",
    "M": "57755", "N": "65555", "O": "75557", "P": "75744", "Q": "75573", "R": "75655",
    "S": "74717", "T": "72222", "U": "55557", "V": "55552", "W": "55775", "X": "55255",
    "Y": "55222", "Z": "71247", ":": "02020", "/": "11244", "-": "00700", "!": "22202",
    "*": "05250", ".": "00002", ",": "00022", "+": "02720", "%": "51245", "?": "71302",
}  # fmt: skip


def big_width(text: str, scale: int = 1) -> int:
    """Cells of a text: the dots are ``scale`` cells wide."""
    return max(len(text) * (_WIDTH + 1) - 1, 0) * scale


def big(text: str, scale: int = 1, high: int = 1) -> list[str]:
    """Lines of ``█`` and blanks, a dot ``scale`` cells wide and ``high``; what has no shape is a blank."""
    lines = []
    for row in range(HEIGHT):
        dots = " ".join(
            "".join("█" if int(_GLYPHS[char][row], 8) >> bit & 1 else " " for bit in (2, 1, 0))
            if char in _GLYPHS
            else " " * _WIDTH
            for char in text.upper()
        )
        lines += ["".join(dot * scale for dot in dots)] * high
    return lines
