from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mergebert_data.history.licences import UNKNOWN, licence_of, name_of
from tests.conftest import Repository

MIT = (
    "Permission is hereby granted, free of charge, to any person obtaining a copy of this software, to deal in it "
    "without restriction"
)
NOTICE = (
    ", subject to: The above copyright notice and this permission notice shall be included in all copies."
)
BSD = "Redistribution and use in source and binary forms, with or without\nmodification, are permitted provided that: "
ISC = "Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby"
GNU = "This program is free software: you can redistribute it under the terms of the GNU {}General Public License as"
LATER = "published by the Free Software Foundation, either version {} of the License, or (at your option) any later version"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (f"The MIT License (MIT)\n\nCopyright (c) 2020 Someone\n\n{MIT}{NOTICE}", "MIT"),
        (MIT, "MIT-0"),
        (f"{BSD} retain the notice; Neither the name of the holder nor", "BSD-3-Clause"),
        (f"{BSD} retain the notice.", "BSD-2-Clause"),
        (f"{BSD} 3. All advertising materials must display. Neither the name", "BSD-4-Clause"),
        (f"{ISC} granted, provided that the above copyright notice", "ISC"),
        (f"{ISC} granted. THE SOFTWARE IS PROVIDED", "0BSD"),
        ("Permission to use, copy, modify, and distribute this software for any purpose with or without fee is hereby "
         "granted, provided that", "ISC"),
        ("                                 Apache License\n                           Version 2.0, January 2004", "Apache-2.0"),
        ("Licensed under the Apache License, Version 2.0 (the \"License\")", "Apache-2.0"),
        ("GNU GENERAL PUBLIC LICENSE\nVersion 3, 29 June 2007 ... GNU Affero General Public License version 3 of the "
         "License, or (at your option) any later", "GPL-3.0"),
        ("GNU GENERAL PUBLIC LICENSE\n Version 2, June 1991", "GPL-2.0"),
        ("GNU AFFERO GENERAL PUBLIC LICENSE\n   Version 3, 19 November 2007", "AGPL-3.0"),
        ("GNU LESSER GENERAL PUBLIC LICENSE\nVersion 2.1, February 1999", "LGPL-2.1"),
        (f"{GNU.format('')} {LATER.format(2)}", "GPL-2.0-or-later"),
        (f"{GNU.format('Lesser ')} {LATER.format('2.1')}", "LGPL-2.1-or-later"),
        (f"{GNU.format('Affero ')} {LATER.format(3)}", "AGPL-3.0-or-later"),
        ("Mozilla Public License Version 2.0 ... Secondary License means the GNU General Public License, Version 2.0",
         "MPL-2.0"),
        ("All rights reserved.", UNKNOWN),
        ("", UNKNOWN),
    ],
)  # fmt: skip
def test_the_first_licence_of_a_text_is_named(text: str, name: str) -> None:
    assert name_of(text) == name


def test_a_repository_has_the_licences_of_its_newest_commit(repository: Repository) -> None:
    assert licence_of(repository.path / ".git") == UNKNOWN
    repository.commit("begin", {"LICENSE": "All rights reserved.", "src/LICENSE": MIT + NOTICE})
    assert licence_of(repository.path / ".git") == UNKNOWN
    others = {
        "LICENSE-3rdparty.csv": MIT,
        "license_header.txt": MIT,
        "LICENSES/MIT.txt": MIT,
        "licence.py": MIT,
        "COPYING_FAQ.md": MIT,
    }
    repository.commit(
        "free", {"LICENSE-APACHE": "Apache License\nVersion 2.0", "LICENCE.md": MIT + NOTICE, **others}
    )
    assert licence_of(repository.path / ".git") == "Apache-2.0, MIT"


def test_a_mirror_without_a_head_is_asked_for_its_newest_branch(
    make_repository: Callable[..., Repository], tmp_path: Path
) -> None:
    original = make_repository("original")
    original.git("checkout", "--quiet", "-b", "trunk")
    original.commit("begin", {"COPYING.txt": MIT + NOTICE})
    mirror = make_repository("mirror", bare=True)
    mirror.git("fetch", "--quiet", str(original.path), "refs/heads/trunk:refs/heads/trunk")
    assert mirror.run("rev-parse", "--verify", "HEAD").returncode != 0
    assert licence_of(mirror.path) == "MIT"
