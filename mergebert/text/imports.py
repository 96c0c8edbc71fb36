"""Names that a text imports from two modules at once, which no compiler of its language takes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from mergebert.text.languages import Language

# Imports that stand on one line each; Python, Kotlin and others have uses for one name from two modules.
_QUALIFIED = {
    "java": re.compile(r"^[ \t]*import[ \t]+([\w.]+)\.(\w+)[ \t]*;", re.MULTILINE),
    "php": re.compile(r"^use[ \t]+([\w\\]+)\\(\w+)[ \t]*;", re.MULTILINE),
}
_BINDING = re.compile(r"^import[ \t]+(?:type[ \t]+)?([\w$*{][\w$*{}, \t]*)[ \t]from[ \t]*['\"]", re.MULTILINE)
_BINDING_LANGUAGES = ("javascript", "typescript")


def clashing_imports(text: str, language: Language) -> frozenset[str]:
    """The names that `text` imports more than once, and not as the same thing."""
    modules: dict[str, set[str]] = defaultdict(set)
    for name, module in _imports(text, language):
        modules[name].add(module)
    return frozenset(name for name, found in modules.items() if len(found) > 1)


def _imports(text: str, language: Language) -> Iterator[tuple[str, str]]:
    """Each imported name with its module; of JavaScript, which refuses to bind a name twice, with where its statement begins."""
    if language.name in _QUALIFIED:
        yield from ((found[2], found[1]) for found in _QUALIFIED[language.name].finditer(text))
    elif language.name in _BINDING_LANGUAGES:
        for found in _BINDING.finditer(text):
            names = (part.split() for part in re.split(r"[{},]", found[1]))
            yield from ((words[-1], str(found.start())) for words in names if words)
