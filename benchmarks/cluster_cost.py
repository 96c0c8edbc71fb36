"""What 100,000 repositories cost to mine, computed from the rates in docs/cluster.md.

    python benchmarks/cluster_cost.py                           compute the costs from the page's rates into the page
    python benchmarks/cluster_cost.py --measured OUT LIST.tsv   first put the rates of a mined folder into the page

LIST.tsv has a line a repository: name, language, MB on disk, merges (and lines that begin with #, and a header).
A test fails where the page's costs are not those of its rates.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
from collections.abc import Mapping
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cluster.md"
REPOSITORIES = 100_000
MOST_MERGES = 2500  # of a repository, the cap of the run that was measured
CORES = (64, 1024)
BEGIN, END = "<!-- {} -->", "<!-- end of {} -->"

MERGES_MEAN = "merges of a repository, mean"
MERGES_MEDIAN = "merges of a repository, median"
MERGES_CAPPED = "the same with at most 2,500 each, mean"
MEGABYTES = "MB of a repository on disk, mean"
LISTING = "seconds to list the merges of a repository"
RATE = "merges mined a second and process"
SHARD = "bytes of shards a merge"
JOINED = "bytes of joined examples a merge"
REPLAYS = "bytes of kept replays a merge"
CONFLICTS = "conflicts a merge"
LINK = "Gbit/s to fetch repositories over (assumed)"
CORE_PRICE = "USD a core hour (assumed)"
DISK_PRICE = "USD a TB of disk and month (assumed)"

Rates = Mapping[str, float]


def rates_of(page: str) -> dict[str, float]:
    """The rates in the page's table, by their names."""
    rows = re.findall(r"^\| ([^|]+?) \| ([\d.,]+) \|", _between(page, "rates"), re.MULTILINE)
    return {name: float(value.replace(",", "")) for name, value in rows}


def costs(rates: Rates) -> str:
    """The table of costs that follow from the rates."""
    columns = [_costs(rates, rates[MERGES_CAPPED]), _costs(rates, rates[MERGES_MEAN])]
    lines = [
        f"| {REPOSITORIES:,} repositories | at most {MOST_MERGES:,} merges each | every merge |",
        "| --- | ---: | ---: |",
        *(f"| {name} | {' | '.join(column[name] for column in columns)} |" for name in columns[0]),
    ]
    return "\n".join(lines)


def _costs(rates: Rates, merges_each: float) -> dict[str, str]:
    merges = REPOSITORIES * merges_each
    mining = merges / rates[RATE] / 3600
    listing = REPOSITORIES * rates[LISTING] / 3600
    disk = REPOSITORIES * rates[MEGABYTES] / 1e6
    shards, joined, replays = (merges * rates[name] / 1e12 for name in (SHARD, JOINED, REPLAYS))
    stored = disk + shards + joined + replays
    days = disk * 8e3 / rates[LINK] / 86400
    return {
        "merges": f"{merges / 1e6:,.0f} million",
        "core hours to mine them": f"{mining:,.0f}",
        "core hours to list them": f"{listing:,.0f}",
        **{f"hours on {cores:,} cores": f"{(mining + listing) / cores:,.1f}" for cores in CORES},
        "TB of repositories": f"{disk:,.1f}",
        f"days to fetch them at {rates[LINK]:g} Gbit/s": f"{days:,.1f}",
        "TB of shards": f"{shards:,.2f}",
        "TB of joined examples": f"{joined:,.2f}",
        "TB of kept replays": f"{replays:,.2f}",
        "conflicts": f"{merges * rates[CONFLICTS] / 1e6:,.0f} million",
        "USD of cores": f"{(mining + listing) * rates[CORE_PRICE]:,.0f}",
        "USD of disk for a month": f"{stored * rates[DISK_PRICE]:,.0f}",
    }


def measured(out: Path, listing: Path) -> dict[str, float]:
    """The rates of a mined folder and of the list of repositories it was drawn from."""
    lines = [
        line.split("\t") for line in listing.read_text(encoding="utf-8").split("\n") if line[:1] not in "#"
    ]
    rows = [line for line in lines if len(line) > 3 and line[3].isdigit()]
    found = [int(row[3]) for row in rows]
    figures = json.loads((out / "statistics.json").read_text(encoding="utf-8"))
    counts = figures["counts"]
    merges = counts["merges"]
    rates = {
        MERGES_MEAN: statistics.mean(found),
        MERGES_MEDIAN: statistics.median(found),
        MERGES_CAPPED: statistics.mean(min(count, MOST_MERGES) for count in found),
        MEGABYTES: statistics.mean(float(row[2]) for row in rows),
        SHARD: _bytes(out, "shards/*.parquet") / merges,
        JOINED: _bytes(out, "examples.parquet") / merges,
        REPLAYS: _bytes(out, "replays/*.json.gz") / merges,
        CONFLICTS: sum(language["hunks"] for language in figures["languages"].values()) / merges,
    }
    seconds = sum(counts.get(f"milliseconds: {work}", 0) for work in ("replaying", "extracting")) / 1000
    rates[RATE] = merges / seconds if seconds else 0
    return {name: value for name, value in rates.items() if value}  # an older folder knows less


def _bytes(out: Path, pattern: str) -> int:
    return sum(path.stat().st_size for path in out.glob(pattern))


def with_rates(page: str, rates: Rates) -> str:
    """The page with these rates in the places of those of the same names."""
    for name, value in rates.items():
        number = f"{value:.2f}" if value < 10 else f"{value:,.0f}"
        page = re.sub(rf"^(\| {re.escape(name)} \| )[\d.,]+", rf"\g<1>{number}", page, flags=re.MULTILINE)
    return page


def with_costs(page: str) -> str:
    """The page with the costs of its rates."""
    head, begin, rest = page.partition(BEGIN.format("costs"))
    _, end, tail = rest.partition(END.format("costs"))
    return f"{head}{begin}\n{costs(rates_of(page))}\n{end}{tail}"


def _between(page: str, name: str) -> str:
    return page.partition(BEGIN.format(name))[2].partition(END.format(name))[0]


def main() -> None:
    """Puts what is measured and what follows from it into the page, and prints it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--measured", nargs=2, type=Path, metavar=("OUT", "LIST.tsv"))
    arguments = parser.parse_args()
    page = PAGE.read_text(encoding="utf-8")
    if arguments.measured:
        page = with_rates(page, measured(*arguments.measured))
    page = with_costs(page)
    PAGE.write_text(page, encoding="utf-8")
    print(costs(rates_of(page)))


if __name__ == "__main__":
    main()
