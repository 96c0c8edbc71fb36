"""The set-up files of the editors: the pages quote them to the letter, and those no test runs at least parse."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from typing import Any

import pytest
from lsprotocol.converters import get_converter
from lsprotocol.types import ClientCapabilities

from mergebert import __version__
from mergebert_lsp.features.capabilities import client_of
from mergebert_lsp.server.options import options_of
from tests.lsp.editors.merge_in_progress import EDITORS, HERE, ROOT
from tests.lsp.features.test_capabilities import USED

PAGE = (ROOT / "docs" / "editors.md").read_text(encoding="utf-8")
QUOTE = re.compile(r"`lsp/editors/([\w.-]+)`(?:(?!\n\n).)*\n\n```\w+\n(.*?)```\n", re.DOTALL)
FILES = sorted(path.name for path in EDITORS.iterdir() if path.is_file())
# What each editor said of itself, recorded from its first message; the order is that of the table's columns.
PROFILES = ("vscode", "neovim-0.11", "neovim-0.7", "eglot-1.9")
LANGUAGES_OF_THE_MODEL = {"java", "javascript", "typescript", "c-sharp", "python", "go"}


def parsed_toml() -> dict[str, Any]:
    return tomllib.loads((EDITORS / "helix.toml").read_text(encoding="utf-8"))


def parsed_json() -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads((EDITORS / "zed.json").read_text(encoding="utf-8"))
    return parsed


def test_the_page_quotes_every_file_to_the_letter() -> None:
    quotes = dict(QUOTE.findall(PAGE))
    assert sorted(quotes) == FILES
    for name, quote in quotes.items():
        assert quote == (EDITORS / name).read_text(encoding="utf-8"), (
            f"docs/editors.md quotes {name} otherwise"
        )


def test_helix_starts_our_server_beside_its_own() -> None:
    settings = parsed_toml()
    known = settings["language-server"]["mergebert"]
    assert known["command"] == "mergebert-lsp"
    assert options_of(known["config"])[1] == ()
    servers = {one["name"]: one["language-servers"] for one in settings["language"]}
    assert servers.keys() >= LANGUAGES_OF_THE_MODEL
    assert all(names[-1] == "mergebert" and len(names) > 1 for names in servers.values())


def test_zed_is_told_to_start_our_server() -> None:
    (server,) = parsed_json()["lsp"].values()
    assert server["binary"]["path"].endswith("/mergebert-lsp")
    assert options_of(server["initialization_options"])[1] == ()
    assert options_of(server["settings"])[1] == ()


@pytest.mark.parametrize("name", ["neovim.lua", "neovim-0.7.lua"])
def test_lua_files_compile(name: str) -> None:
    program = shutil.which("nvim")
    if program is None:
        pytest.skip("no Neovim is installed")
    check = f"lua assert(loadfile([[{EDITORS / name}]]))"
    done = subprocess.run(
        [program, "--headless", "-n", "-i", "NONE", "-u", "NONE", "-c", check, "-c", "qall!"],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.stderr.strip() == ""


def test_the_extension_offers_the_settings_of_the_server() -> None:
    manifest = json.loads((ROOT / "lsp" / "vscode" / "package.json").read_text(encoding="utf-8"))
    properties = manifest["contributes"]["configuration"]["properties"]
    names = {name.removeprefix("mergebert.") for name in properties}
    assert names >= {"maxError", "bundle", "suggestions", "inlayHints", "codeLens", "feedback"}
    defaults = {name.removeprefix("mergebert."): one["default"] for name, one in properties.items()}
    assert options_of(defaults) == (options_of({})[0], ())
    assert manifest["version"] == __version__


def test_the_table_of_capabilities_is_what_the_editors_say() -> None:
    read = get_converter()
    said = [json.loads((HERE / "profiles" / f"{name}.json").read_text(encoding="utf-8")) for name in PROFILES]
    clients = [client_of(read.structure(one, ClientCapabilities)) for one in said]
    for name, capability in USED.items():
        cells = " | ".join("yes" if getattr(client, name) else "no" for client in clients)
        row = re.compile(rf"^\| `{re.escape(capability)}` \| [^|]+ \| {re.escape(cells)} \|$", re.MULTILINE)
        assert row.search(PAGE), f"docs/editors.md lacks the row `{capability}` | ... | {cells}"
