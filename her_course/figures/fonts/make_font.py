"""Make the font that the figures are drawn with: a subset of Noto Sans CJK SC, under a name of its own.

    python her_course/figures/fonts/make_font.py NotoSansCJK-Regular.ttc

Same source and same text in, same bytes out. README.md beside this file tells where the source comes from.
"""

import argparse
import itertools
from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTCollection

FACE = "Noto Sans CJK SC"
FAMILY = "HER Sans SC"
HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]

# Latin with accents, Greek, punctuation, arrows, mathematics, boxes and marks, CJK punctuation, full-width forms.
BLOCKS = [
    (0x0020, 0x017F),
    (0x0370, 0x03FF),
    (0x2010, 0x2027),
    (0x2030, 0x205E),
    (0x2070, 0x209C),
    (0x2100, 0x214F),
    (0x2150, 0x215E),
    (0x2190, 0x21FF),
    (0x2200, 0x22FF),
    (0x2460, 0x2473),
    (0x2500, 0x257F),
    (0x2580, 0x25FF),
    (0x2605, 0x2606),
    (0x2610, 0x2612),
    (0x2713, 0x2718),
    (0x3000, 0x301F),
    (0xFF01, 0xFF5E),
    (0xFFE0, 0xFFE6),
]


# Terms of the field beyond the everyday characters.
TERMS = "熵阈"


def gb2312_level_1() -> set[str]:
    """The 3,755 characters that cover everyday Chinese: rows 16 to 55 of GB 2312."""
    cells = itertools.product(range(0xB0, 0xD8), range(0xA1, 0xFF))
    return {c for pair in cells if (c := bytes(pair).decode("gb2312", "ignore"))}


def text_of_the_course() -> set[str]:
    """Every character that the chapters and the library are written with."""
    files = [*REPOSITORY.glob("chapters/**/*.py"), *REPOSITORY.glob("her*/**/*.py")]
    return {c for file in files for c in file.read_text(encoding="utf-8") if c.isprintable()}


def make(source: Path, target: Path) -> int:
    """Write the subset of the face FACE in the collection `source` to `target`; return its number of glyphs."""
    font = next(f for f in TTCollection(source).fonts if f["name"].getDebugName(1) == FACE)
    font.recalcTimestamp = False
    wanted = {chr(c) for first, last in BLOCKS for c in range(first, last + 1)}
    wanted |= gb2312_level_1() | text_of_the_course() | set(TERMS)

    options = Options()
    options.layout_features = []
    options.hinting = False
    options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 13, 14]
    options.name_languages = [0x409]
    options.drop_tables += ["BASE", "VORG", "vhea", "vmtx"]
    subsetter = Subsetter(options)
    subsetter.populate(text="".join(sorted(wanted)))
    subsetter.subset(font)

    # A name of its own: a complete Noto Sans on the reader's machine must not change the figures.
    postscript = FAMILY.replace(" ", "") + "-Regular"
    for name_id, text in {1: FAMILY, 3: postscript, 4: FAMILY, 6: postscript}.items():
        font["name"].setName(text, name_id, 3, 1, 0x409)
    cff = font["CFF "].cff
    cff.fontNames[0] = postscript
    cff.topDictIndex[0].FamilyName = cff.topDictIndex[0].FullName = FAMILY
    font.save(target)
    return len(font.getGlyphOrder())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source", type=Path, help="NotoSansCJK-Regular.ttc")
    parser.add_argument("--target", type=Path, default=HERE / "HERSansSC-Regular.otf")
    arguments = parser.parse_args()
    glyphs = make(arguments.source, arguments.target)
    print(f"{arguments.target.name}: {glyphs} glyphs, {arguments.target.stat().st_size / 1000:.0f} kB")
