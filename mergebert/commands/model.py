"""`mergebert model`: what a bundle is, how good it was measured to be, and whether it is whole."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path

from mergebert.commands.offers import load_resolver, ranked_conflicts
from mergebert.ranking.bundle import Bundle, default_bundle_path, load_bundle
from mergebert.settings import Settings, load_settings
from mergebert.strict_json import json_text
from mergebert.terminal import visible
from mergebert.text.threeway import ThreeWay
from mergebert.tiers import USUAL_BUDGETS, ErrorBudgets

_SHOWN_ERRORS = (0.01, 0.02, 0.05, 0.10, 0.20)  # budgets a person may think of
_INNER = frozenset(("calibration", "codes", "features", "files", "format"))  # for programs only


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of `mergebert model`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="info | verify")
    info = actions.add_parser("info", help="describe the bundle")
    info.add_argument("--json", action="store_true", help="print what bundle.json says")
    verify = actions.add_parser("verify", help="check every file of the bundle")
    for action in (info, verify):
        action.add_argument(
            "path",
            nargs="?",
            metavar="FOLDER",
            help="the bundle; without it, the one that resolving would use",
        )


def run(arguments: Namespace) -> int:
    """The exit code of `mergebert model`."""
    settings = load_settings({"bundle": arguments.path})
    folder = settings.bundle or default_bundle_path()
    if arguments.action == "verify":
        files = load_bundle(folder).manifest.files
        _try(settings)
        print(f"{visible(str(folder))}: all {len(files)} files are whole.")
        return 0
    bundle = load_bundle(folder)
    # A line at a time, and JSON in one: indenting what is nested deeply would take gigabytes.
    for line in [json_text(bundle.facts)] if arguments.json else _described(bundle):
        print(line)
    return 0


def _try(settings: Settings) -> None:
    """Raises ModelBundleError unless the bundle ranks a conflict: whole files may still hold nonsense."""
    from mergebert.commands.workfile import merged_text

    text = merged_text("total.py", ThreeWay(*(f"total = {value}\n" for value in ("0", "a + 1", "b"))))
    ranked_conflicts(text, lambda: load_resolver(settings), settings.budgets)


def _described(bundle: Bundle) -> Iterator[str]:
    """A bundle for people."""
    yield f"bundle      {visible(str(bundle.path))}"
    kind = "network and ranker" if bundle.has_classifier else "ranker alone, without a network"
    yield f"holds       {kind}; format {bundle.facts['format']}"
    yield f"patterns    {' '.join(bundle.manifest.codes['patterns'])}"
    for name, value in bundle.facts.items():
        if name not in _INNER:
            yield from _fact(name, value)
    yield from _risks(bundle)
    for name, digest in bundle.manifest.files.items():
        yield f"{_size(bundle.file(name)):>9}   {name}  sha256 {digest}"


def _fact(name: str, value: object, depth: int = 0) -> Iterator[str]:
    """A fact of the manifest, nested ones indented below its name."""
    label = f"{'  ' * depth}{name}"
    if isinstance(value, Mapping):
        yield label
        for inner, deeper in value.items():
            yield from _fact(str(inner), deeper, depth + 1)
        return
    shown = (
        " ".join(map(str, value))
        if isinstance(value, list)
        else f"{value:.4g}"
        if isinstance(value, float)
        else value
    )
    yield visible(f"{label:<11} {shown}")


def _risks(bundle: Bundle) -> Iterator[str]:
    """How much is applied and drafted under which error budgets, as measured when the bundle was calibrated."""
    risk = bundle.manifest.calibration.risk
    yield "of the conflicts it was calibrated on"
    for budget in _SHOWN_ERRORS:
        thresholds = risk.within(ErrorBudgets(budget))
        applied, both = (risk.coverage(one) for one in (thresholds.applied, thresholds.draft))
        drafts = f", and {max(0.0, both - applied):6.1%} are drafts at --draft-error {USUAL_BUDGETS.draft}"
        yield f"  --max-error {budget:<5} applies {applied:6.1%}{drafts}"


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1_000_000:.1f} MB"
