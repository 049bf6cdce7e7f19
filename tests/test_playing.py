"""``her play`` shows what a policy does; ``her train --tensorboard`` writes each point once."""

import re
import struct

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from tensorboardX.proto.event_pb2 import Event

from her.cli import main
from her.policies import load_policy, play, save_films
from her.training import settings_for
from her.training.commands import tensorboard_log
from her.training.runs import Run


def small(**changes):
    settings = {"n_envs": 8, "updates_per_round": 4, "evaluation_episodes": 10, "max_steps": 160}
    settings |= {"agent_settings": {"hidden": (16,)}}
    return settings_for("her/BitFlip-v0", {"n_bits": 4}, **(settings | changes))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    Run(small(), folder).train()
    return folder


def test_a_run_is_judged_and_filmed(run, tmp_path):
    film = tmp_path / "films" / "bits.gif"
    result = CliRunner().invoke(main, ["play", str(run), "--episodes", "40", "--gif", str(film), "--films", "2"])
    assert result.exit_code == 0, result.output
    at_end, at_any = (float(x) for x in re.findall(r"success at [a-z ]+: ([\d.]+) \[", result.output))
    assert 0 <= at_end <= at_any <= 1
    with Image.open(film) as image:
        assert image.n_frames > 2  # frames that are alike may be one
        assert sum(_durations(image)) == 2 * (5 * 250 + 700)


def _durations(image):
    for i in range(image.n_frames):
        image.seek(i)
        yield image.info["duration"]


def test_an_exported_policy_plays_as_its_run_does(run, tmp_path):
    file = tmp_path / "policy.npz"
    assert CliRunner().invoke(main, ["export", str(run), "--out", str(file), "--episodes", "10"]).exit_code == 0
    of_run, of_file = (CliRunner().invoke(main, ["play", str(what), "--episodes", "30"]) for what in (run, file))
    assert of_run.output == of_file.output != ""
    one, other = play(load_policy(file), seed=0), play(load_policy(file), seed=0)
    np.testing.assert_array_equal(one.frames, other.frames)


def test_what_cannot_be_played_or_written_is_refused(run, tmp_path):
    result = CliRunner().invoke(main, ["play", str(tmp_path)])
    assert result.exit_code == 1
    assert "there is no run in" in result.output
    assert "no policy of that name" in CliRunner().invoke(main, ["play", "Nowhere-v4"]).output
    with pytest.raises(ValueError, match=r"path: expected a name that ends in .gif, .png or .webp, got 'film.avi'"):
        save_films([], tmp_path / "film.avi", fps=4)


def points(folder):
    """Every (name, step, value) in a folder's event files, whose records are length, check, data, check."""
    found = []
    for path in folder.glob("events.*"):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack_from("<Q", data, at)
            event = Event.FromString(data[at + 12 : at + 12 + length])
            found += [(value.tag, event.step, value.simple_value) for value in event.summary.value]
            at += 16 + length
    return found


def test_tensorboard_gets_every_evaluation_once_though_the_run_was_interrupted(tmp_path):
    class Stop(Exception):
        pass

    run = Run(small(evaluate_every=1), tmp_path, checkpoint_seconds=0)

    def until_half(progress):
        log()
        if progress.env_steps >= 64:
            run.checkpoint_seconds = np.inf  # so that the last rows are in the log and in no checkpoint
        if progress.env_steps >= 96:
            raise Stop

    with pytest.raises(Stop), tensorboard_log(run) as log:
        run.train(until_half)
    assert ("success_rate", 96) in {(name, step) for name, step, _ in points(tmp_path / "tensorboard")}

    words = ["train", "her/BitFlip-v0", "--env-kwargs", "n_bits=4", "--max-steps", "160", "--set", "n_envs=8"]
    words += ["--set", "updates_per_round=4", "--set", "evaluation_episodes=10", "--set", "evaluate_every=1"]
    words += ["--set", "agent_settings.hidden=(16,)", "--out", str(tmp_path), "--resume", "--tensorboard", "--quiet"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    success = [(step, value) for name, step, value in points(tmp_path / "tensorboard") if name == "success_rate"]
    assert [step for step, _ in success] == [32, 64, 96, 128, 160]
    rows = (tmp_path / "progress.csv").read_text().splitlines()[1:]
    np.testing.assert_allclose([value for _, value in success], [float(row.split(",")[3]) for row in rows])
