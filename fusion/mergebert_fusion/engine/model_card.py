"""The README.md of a fused model: what it was made from and how to make it again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from mergebert_fusion.engine.plan import Plan


def model_card(plan: Plan, facts: Mapping[str, Any]) -> str:
    """The model card, in the form that the Hugging Face hub reads."""
    return "\n".join(_lines(plan, facts)) + "\n"


def _lines(plan: Plan, facts: Mapping[str, Any]) -> Iterator[str]:
    method = plan.recipe.method
    yield from ("---", "tags:", "- merge", "- mergebert-fusion")
    if plan.base is not None:
        yield from ("base_model:", f"- {plan.base.path}")
    yield from ("---", "", f"# {_title(plan)}", "")
    yield f"Merged with `{method.name}`: {method.summary}. Source: {method.reference}."
    yield from ("", "| input | path | sha256 of the weights |", "|---|---|---|")
    for name, model in facts["inputs"].items():
        digests = "<br>".join(
            f"`{digest}`" for file, digest in model["files"].items() if file.endswith(".safetensors")
        )
        yield f"| {name} | `{model['path']}` | {digests} |"
    yield from ("", "## What became of the tensors", "")
    counts = Counter(decision.treatment.value for decision in plan.decisions)
    yield from (f"- {count} {treatment}" for treatment, count in counts.items())
    yield from (f"- {note}" for note in plan.notes)
    if plan.separate:
        yield from (
            "",
            "Heads are kept apart: `mergebert fuse restore FOLDER MODEL -o OUT` puts the body and one head together.",
        )
    yield from ("", "## Made by", "", "```yaml", plan.recipe.text.strip("\n"), "```", "")
    used = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    yield f"Seed {plan.recipe.seed}; {used}. `fusion.json` holds the sha256 of every input and output."


def _title(plan: Plan) -> str:
    names = list(plan.merges[0].names)
    return f"{', '.join(names[:-1])} and {names[-1]}, fused" if len(names) > 1 else f"{names[0]}, fused"
