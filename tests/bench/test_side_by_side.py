"""What the benchmark takes from other tools' output, and how it counts."""

from __future__ import annotations

from pathlib import Path

from tests.bench.side_by_side import (
    OURS,
    PICKLESCAN,
    Run,
    Score,
    bound,
    by_fickling,
    by_modelscan,
    counted,
    large_table,
    middle,
    sample_table,
)

ROOT = Path("/samples")
LABELS = {
    ROOT / "evil.pkl": "malicious",
    ROOT / "worse.pt": "malicious",
    ROOT / "odd.pt": "suspicious",
    ROOT / "good.pt": "benign",
}


def test_a_member_in_modelscans_report_stands_for_its_file() -> None:
    report = {
        "issues": [{"source": "evil.pkl"}, {"source": "deep/worse.pt:archive/data.pkl"}],
        "errors": [{"source": "odd.pt"}, {"category": "without a source"}],
    }
    named = {ROOT / "evil.pkl", ROOT / "deep" / "worse.pt", ROOT / "odd.pt"}
    assert by_modelscan(report, ROOT) == named


def test_ficklings_lines_name_the_files_that_it_flags() -> None:
    lines = (
        'Warning: {"this": "is no result"}',
        '{"file": "/samples/evil.pkl", "flagged": true}',
        '{"file": "/samples/good.pt", "flagged": false}',
    )
    assert by_fickling(lines) == {ROOT / "evil.pkl"}


def test_what_is_flagged_is_counted_by_label() -> None:
    flagged = {ROOT / "evil.pkl", ROOT / "good.pt", ROOT / "unlabelled"}
    assert counted(LABELS, flagged) == {"malicious": 1, "suspicious": 0, "benign": 1}


def test_time_and_memory_are_each_the_median() -> None:
    runs = [Run(3.0, 0.1, 10, 0), Run(1.0, 0.3, 30, 0), Run(2.0, 0.2, 20, 0)]
    assert middle(runs) == Run(2.0, 0.2, 20, 0)


def test_ratios_are_to_picklescan() -> None:
    runs = {OURS: Run(0.3, 0.2, 20 << 20, 0), PICKLESCAN: Run(0.2, 0.1, 25 << 20, 0)}
    assert f"| {OURS} | 1.50 | 2.00 | 0.80 | 0.30 | 0.20 | 20 |" in list(
        large_table("a file", runs)
    )


def test_a_process_for_all_files_has_no_time_a_file() -> None:
    counts = {"malicious": 2, "suspicious": 1, "benign": 0}
    found = {
        PICKLESCAN: Score(counts, [Run(0.2, 0.1, 25 << 20, 0)] * 3, each=True),
        "slow": Score(counts, [Run(40.0, 39.0, 50 << 20, 0)], each=False),
    }
    table = list(sample_table(LABELS, found))
    assert table[2] == f"| {PICKLESCAN} | 2 | 0 | 1 | 1.00 | 1.00 | 0.20 | 25 |"
    assert table[3] == "| slow | 2 | 0 | 1 | – | – | 40 for all | 50 |"


def test_one_sample_beyond_the_bound_is_said() -> None:
    within = Run(0.2, 0.1, 20_000_000, 0)
    assert "kept" in bound(Score({}, [within], each=True))
    assert "NOT KEPT" in bound(Score({}, [within, Run(2.5, 0.1, 20_000_000, 1)], each=True))
    assert "NOT KEPT" in bound(Score({}, [within, Run(0.1, 0.1, 300_000_000, 1)], each=True))
