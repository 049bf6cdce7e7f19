"""The table that says what each variant of a sweep brought."""

import csv
import json

import numpy as np
import pytest
from click.testing import CliRunner

from her.cli import main
from her.sweeps.comparison import as_markdown, compare


@pytest.fixture
def sweep(tmp_path):
    """Two variants: "slow" takes twice the steps and gets there with two of three seeds; one run failed."""
    with open(tmp_path / "curves.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["task", "variant", "seed", "env_steps", "success_rate"])
        for variant, arrivals in (("plain", (100, 200, 300)), ("slow", (200, 400, None))):
            for seed, arrival in enumerate(arrivals):
                for steps in range(100, 1001, 100):
                    writer.writerow(["push", variant, seed, steps, float(arrival is not None and steps >= arrival)])
    with open(tmp_path / "runs.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["task", "variant", "seed", "status", "env_steps", "success_rate", "success_at", "updates", "cpu_seconds"]
        )
        for seed, (plain, slow) in enumerate(zip((1.0, 0.9, 0.95), (0.5, 0.6, 0.0), strict=True)):
            writer.writerow(["push", "plain", seed, "done", 1000, plain, "end"])
            writer.writerow(["push", "slow", seed, "done", 1000, slow, "end"])
        writer.writerow(["push", "slow", 3, "failed: out of memory", "", "", ""])
    configs = {f"push-{variant}-{seed}": {"seed": seed} for variant in ("plain", "slow") for seed in range(4)}
    (tmp_path / "how.json").write_text(json.dumps({"made_with": [], "configs": configs}))
    return tmp_path


def test_a_run_that_never_got_there_counts_with_all_its_steps(sweep):
    plain, slow = compare(sweep, threshold=0.9)
    assert (plain.reached, plain.runs) == (3, 3)
    assert (slow.reached, slow.runs) == (2, 3)
    assert plain.steps.value == 200
    assert slow.steps.value == pytest.approx((200 + 400 + 1000) / 3)
    assert slow.times.value == pytest.approx((200 * 400 * 1000 / (100 * 200 * 300)) ** (1 / 3))
    assert slow.times.high == np.inf  # a run was there at the first evaluation
    assert slow.steps.low <= slow.steps.value <= slow.steps.high
    assert slow.times.low < slow.times.value < slow.times.high


def test_the_threshold_decides_what_reached_means(sweep):
    assert [c.reached for c in compare(sweep, threshold=0.0)] == [3, 3]


def test_the_final_success_is_that_of_the_summaries(sweep):
    plain, slow = compare(sweep)
    assert plain.final.value == pytest.approx(np.mean([1.0, 0.9, 0.95]))
    assert slow.final.value == pytest.approx(np.mean([0.5, 0.6, 0.0]))


def test_the_command_writes_the_table_and_marks_lower_bounds(sweep):
    result = CliRunner().invoke(main, ["compare", str(sweep)])
    assert result.exit_code == 0, result.output
    table = (sweep / "table.md").read_text(encoding="utf-8")
    assert table.strip() == result.output.strip() == as_markdown(compare(sweep)).strip()
    assert "| plain | 3 of 3 | 0 [" in table
    assert "| slow | 2 of 3 | ≥ 1 [" in table
    assert "| at least " in table


def test_a_bound_is_given_as_such_whichever_side_never_got_there(sweep):
    """Seen the other way round "slow" comes first: two of its three seeds got there, so its mean is a lower bound."""
    for name in ("curves.csv", "runs.csv"):
        head, *rows = (sweep / name).read_text().splitlines(keepends=True)
        (sweep / name).write_text(head + "".join(sorted(rows, key=lambda row: "plain" in row)))
    assert "| at most " in as_markdown(compare(sweep))
    assert "| unknown |" in as_markdown(compare(sweep, threshold=1.1))


def test_the_grid_of_either_side_widens_the_interval(sweep):
    """Whoever is seen less often may have got there that much earlier; which variant comes first changes nothing."""
    rows = (sweep / "curves.csv").read_text().splitlines(keepends=True)
    coarse = [row for row in rows if "slow" not in row or int(row.split(",")[3]) % 200 == 0]
    (sweep / "curves.csv").write_text("".join(coarse))
    slow = compare(sweep, threshold=0.9)[1].times
    head, *rest = coarse
    (sweep / "curves.csv").write_text(head + "".join(sorted(rest, key=lambda row: "plain" in row)))
    runs = (sweep / "runs.csv").read_text().splitlines(keepends=True)
    (sweep / "runs.csv").write_text(runs[0] + "".join(sorted(runs[1:], key=lambda row: "plain" in row)))
    plain = compare(sweep, threshold=0.9)[1].times
    with np.errstate(divide="ignore"):
        turned = 1 / np.array([plain.high, plain.low])
    assert turned.tolist() == pytest.approx([slow.low, slow.high])


def test_a_run_that_was_shorter_counts_with_its_own_steps(sweep):
    rows = (sweep / "runs.csv").read_text().replace("push,slow,2,done,1000", "push,slow,2,done,500")
    (sweep / "runs.csv").write_text(rows)
    assert compare(sweep, threshold=0.9)[1].steps.value == pytest.approx((200 + 400 + 500) / 3)


def test_a_folder_without_a_sweep_is_refused_by_name(tmp_path):
    result = CliRunner().invoke(main, ["compare", str(tmp_path)])
    assert result.exit_code == 1
    assert "curves.csv is missing" in result.output
