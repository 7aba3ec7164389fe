"""How a file was read: what was taken, what was left out, and the questions that are open."""

MESSAGES: dict[str, tuple[str, str]] = {
    "doubt.encoding": (
        "{file} may be written in {found} or in {expected}: the letters come out differently.",
        "Look at both and choose the one whose words are right.",
    ),
    "doubt.delimiter": (
        "{file} may have its cells split at the {found} or at the {expected}.",
        "Look at both and choose the one whose columns are right.",
    ),
    "doubt.quotes": (
        "{file} may be meant with {found} or with {expected}.",
        "Look at both and choose the one whose cells are right.",
    ),
    "doubt.header": (
        "The first row of {file} may name the columns, or be a row of data.",
        "Look at both and choose.",
    ),
    "doubt.roles": (
        "In {file} it is not clear which column is the text and which is the answer.",
        "Look at both and choose.",
    ),
}
