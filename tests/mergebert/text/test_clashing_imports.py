from __future__ import annotations

import pytest

from mergebert.text.imports import clashing_imports
from mergebert.text.languages import by_name


@pytest.mark.parametrize(
    ("language", "text", "names"),
    [
        ("java", "import one.Message;\nimport two.Message;\n", {"Message"}),
        ("java", "import one.Message;\r\n  import one.deep.Message ;\r\n", {"Message"}),
        ("java", "import one.Message;\nimport one.Message;\n", set()),
        ("java", "import one.*;\nimport two.*;\n", set()),
        ("java", "import static one.List.of;\nimport static two.Set.of;\n", set()),
        ("java", "// import one.Message;\nimport two.Message;\n", set()),
        ("php", "use One\\Message;\nuse Two\\Message;\n", {"Message"}),
        ("php", "use function One\\send;\nuse Two\\send;\nuse Two\\Message as Mail;\n", set()),
        ("javascript", "import {A, B} from './x'\nimport {A, C} from './x'\n", {"A"}),
        ("javascript", "import A from './x';\nimport * as A from './y';\n", {"A"}),
        ("javascript", "import A, {B as C} from './x';\nimport {C as B, D} from './y';\n", set()),
        ("typescript", "import type { A } from './x';\nimport { B as A } from './y';\n", {"A"}),
        ("typescript", "import './x';\nimport './y';\n", set()),
        ("python", "from one import A\nfrom two import A\n", set()),
    ],
)
def test_names_imported_twice(language: str, text: str, names: set[str]) -> None:
    assert clashing_imports(text, by_name(language)) == names
