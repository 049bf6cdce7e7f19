"""What the READMEs show runs as it stands."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


def snippets(name):
    return re.findall(r"```python\n(.*?)```", (REPOSITORY / name).read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_the_snippets_of_the_library_run_one_after_the_other(name):
    pytest.importorskip("sb3_contrib")
    library = [code for code in snippets(name) if "load_policy" not in code]
    assert len(library) == 3
    names = {}
    for code in library:
        exec(compile(code, name, "exec"), names)
    batch = names["batch"]
    assert abs(batch.relabelled.mean() - 0.8) < 0.01
    assert 0 < (batch.rewards == 0).mean() < 0.8
    assert names["config"].strategy.__class__.__name__ == "TenLater"
    assert set(names["model"].replay_buffer.newest.goal_sources) == {"", "future", "actual", "random"}
    assert names["model"].replay_buffer.hindsight.transitions.beta == 1
    assert len(library[2].splitlines()) <= 8


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_the_code_is_the_same_in_both_languages(name):
    code = [re.sub(r"#.*", "", snippet) for snippet in snippets(name)]
    assert code == [re.sub(r"#.*", "", snippet) for snippet in snippets("README.md")]


def test_the_conda_environment_has_the_name_that_is_activated():
    name = re.search(r"^name: (.*)$", (REPOSITORY / "environment.yml").read_text(), re.MULTILINE)[1]
    for readme in ("README.md", "README.zh.md"):
        assert f"conda activate {name}`" in (REPOSITORY / readme).read_text(encoding="utf-8")
