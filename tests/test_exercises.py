"""Exercises: right answers are accepted however they are written, and of wrong ones the check knows what is wrong."""

from collections import Counter
from functools import cache

import mutants
import mutants.students
import numpy as np
import pytest
import torch

from her_course import plain
from her_course.exercises import registry
from her_course.exercises.model import MUTATES
from her_course.exercises.results import judge_cases, make_cases
from her_course.exercises.running import here
from her_course.exercises.saying import say
from her_course.exercises.texts import read

WRONG, RIGHT = mutants.load()
STUDENTS = mutants.students.load()
EXERCISES = registry.exercises().values()


def name_of(answer):
    return f"{answer.exercise}-{answer.function.__name__}"


@cache
def cases_of(exercise, seed, hidden):
    """Cases remember how wrong ideas behave, so answers to an exercise share them."""
    return make_cases(registry.find(exercise), seed, hidden)


def judged(exercise, function, hidden, seed=0):
    return judge_cases(registry.find(exercise), cases_of(exercise, seed, hidden), here(function))


def failures(result):
    return [(case.name.en, case.verdict.expected, case.verdict.got) for case in result.cases if not case.passed]


@pytest.mark.parametrize("hidden", [False, True], ids=["check", "grading"])
@pytest.mark.parametrize("answer", WRONG, ids=name_of)
def test_a_wrong_answer_is_rejected_and_its_misconception_named(answer, hidden):
    result = judged(answer.exercise, answer.function, hidden)
    assert result.status == "failed"
    assert result.misconception == answer.idea, failures(result)
    assert 0 <= result.points < result.max_points


@pytest.mark.parametrize("answer", RIGHT, ids=name_of)
def test_a_right_answer_is_accepted_however_it_is_written(answer):
    for seed in range(3):
        result = judged(answer.exercise, answer.function, hidden=True, seed=seed)
        assert result.passed, failures(result)
        assert result.points == result.max_points


@pytest.mark.parametrize("student", STUDENTS, ids=lambda student: f"{student.exercise}-{student.label}")
def test_what_students_write_is_judged_for_what_it_is(student):
    result = judged(student.exercise, student.function(), hidden=False)
    if student.kind == "right":
        assert result.passed, failures(result)
        return
    assert result.status == "failed"
    if student.kind == "type":
        got = result.first_failing[1].verdict.got
        assert "type" in say(got, "en")
        assert "类型" in say(got, "zh")
    assert (result.misconception or "") == student.named, failures(result)


ARRAYS = [
    "sparse_reward",
    "future_indices",
    "candidate_goals",
    "substitute_goals",
    "epsilon_greedy",
    "td_target",
    "sample_her_batch",
    "priority_probabilities",
    "importance_weights",
    "sum_tree_find",
    "curriculum_weights",
    "pose_reward",
    "mended_score",
    "mended_batch",
    "discounted_future_indices",
    "mended_future_rows",
    "mended_inputs",
    "rank_probabilities",
    "mended_energies",
    "mended_network_inputs",
]


@pytest.mark.parametrize("turned", [np.ndarray.tolist, list, torch.from_numpy], ids=["list", "rows", "tensor"])
@pytest.mark.parametrize("exercise", ARRAYS)
def test_where_an_array_is_asked_for_a_list_or_a_tensor_is_told_to_be_of_the_wrong_type(exercise, turned):
    def answer(*arguments):
        value = registry.find(exercise).reference(*arguments)
        if isinstance(value, dict):
            return {key: turned(array.copy()) for key, array in value.items()}
        return turned(value.copy()) if value.ndim else value

    result = judged(exercise, answer, hidden=False)
    assert result.status == "failed"
    assert result.misconception is None
    assert "type" in say(result.first_failing[1].verdict.got, "en")


def test_of_wrong_answers_three_in_four_are_named():
    wrong = [student for student in STUDENTS if student.kind == "wrong"]
    assert sum(bool(student.named) for student in wrong) >= 0.75 * len(wrong)


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_whoever_has_an_idea_is_rejected_in_the_check_and_named(exercise):
    for name, idea in exercise.misconceptions.items():
        for wrong in idea.wrong:
            result = judged(exercise.name, wrong, hidden=False)
            assert result.status == "failed", name
            assert result.misconception == name, failures(result)


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_the_reference_is_accepted(exercise):
    result = judged(exercise.name, exercise.reference, hidden=True, seed=1)
    assert result.passed, failures(result)
    assert result.misconception is None


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_every_exercise_has_mutants_and_two_more_right_answers(exercise):
    ideas = {answer.idea for answer in WRONG if answer.exercise == exercise.name}
    assert len(ideas) >= 4
    assert ideas <= {*exercise.misconceptions, MUTATES}
    assert len([answer for answer in RIGHT if answer.exercise == exercise.name]) >= 2


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_every_text_is_there_in_both_languages(exercise):
    texts = [exercise.title, *exercise.hints, *(idea.text for idea in exercise.misconceptions.values())]
    assert len(exercise.hints) == 3
    for text in texts:
        assert text.zh != text.en
        assert any("\u4e00" <= letter <= "\u9fff" for letter in text.zh)
        assert not any("\u4e00" <= letter <= "\u9fff" for letter in text.en)
        assert say(text, "zh") == text.zh


def test_what_a_hidden_case_was_called_with_is_not_told():
    result = judged("iqm", lambda scores: 0.0, hidden=True)
    assert all(bool(case.call) is not case.hidden for case in result.cases if case.group != "purity")
    assert any(case.hidden for case in result.cases)


def test_names_and_contracts_are_those_of_the_chapters():
    assert {chapter: [e.name for e in registry.of_chapter(chapter)] for chapter in registry.CHAPTERS} == {
        1: [
            "sparse_reward",
            "random_success_probability",
            "success_rate",
            "pose_reward",
            "fresh_flips_probability",
            "mended_score",
        ],
        2: [
            "relabel_transition",
            "relabel_final",
            "expected_success_share",
            "relabel_ending",
            "share_when_it_stops",
            "mended_batch",
        ],
        3: [
            "future_indices",
            "candidate_goals",
            "substitute_goals",
            "discounted_future_indices",
            "mended_future_rows",
        ],
        4: ["epsilon_greedy", "polyak_update", "td_target", "sample_her_batch", "mended_inputs"],
        5: [
            "priority_probabilities",
            "importance_weights",
            "sum_tree_find",
            "trajectory_energy",
            "curriculum_weights",
            "rank_probabilities",
            "mended_energies",
        ],
        6: ["steps_to_threshold", "iqm", "bootstrap_interval", "speed_up", "mended_network_inputs"],
    }


def test_the_same_seed_gives_the_same_cases():
    for exercise in EXERCISES:
        one, two = (
            [plain.encode((call.arguments, call.keywords)) for case in exercise.cases(rng, True) for call in case.calls]
            for rng in (np.random.default_rng(5), np.random.default_rng(5))
        )
        assert one == two


def test_weights_name_every_group_and_no_exercise_that_is_not_there():
    groups = Counter(case.group for e in EXERCISES for case in e.cases(np.random.default_rng(0), True))
    assert {*groups, "purity"} == set(read("weights")["default"])
    assert set(read("weights")) - {"default"} <= set(registry.exercises())
