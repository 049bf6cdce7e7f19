"""Find the bug: the code on the page is the code that was trained, and the mistake costs what the figure shows."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from her_course import faults
from her_course.exercises import reference, registry

SOLUTIONS = Path(__file__).parents[1] / "solutions"
FUNCTIONS = {exercise: faulty for exercise, (_, faulty, _) in faults.FAULTS.items()}


def without_docstring(function):
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return [ast.unparse(statement) for statement in body]


def functions_of(source):
    return {node.name: node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)}


def test_every_chapter_has_a_bug_to_find():
    assert [registry.find(exercise).chapter for exercise in faults.FAULTS] == list(registry.CHAPTERS)


@pytest.mark.parametrize("exercise", FUNCTIONS)
def test_the_code_on_the_page_is_the_code_that_was_trained(exercise):
    faulty, chapter = FUNCTIONS[exercise], registry.find(exercise).chapter
    page = (SOLUTIONS / f"ch{chapter}.py").read_text(encoding="utf-8")
    shown = functions_of(page)[faulty.__name__]
    trained = functions_of(inspect.getsource(faulty))[faulty.__name__]
    assert without_docstring(shown) == without_docstring(trained)
    assert f'draw_fault(ax, "{exercise}", LANG)' in page


@pytest.mark.parametrize("exercise", FUNCTIONS)
def test_the_mistake_costs_something_and_something_is_learned_all_the_same(exercise):
    curves = faults.stored_curves(exercise)
    (_, faulty), (_, mended) = curves["faulty"], curves["mended"]
    assert len(faulty) == len(mended) >= 3
    assert mended.mean() > faulty.mean()
    assert mended[:, -1].min() > 0.9
    assert faulty[:, -3:].mean() > 0.05


def test_the_corridor_is_learned_with_a_mended_batch_alone():
    practise, handed_out, _ = faults.FAULTS["mended_batch"]
    (_, mended), (_, faulty) = (practise(make, 5, 40) for make in (reference.mended_batch, handed_out))
    assert mended[-1] == 1
    assert 0.5 < faulty[-1] < 1


def test_a_function_of_ones_own_is_trained_by_its_name():
    def mended_batch(*arguments):
        return reference.mended_batch(*arguments)

    steps, success = faults.learning_curve(mended_batch, seed=0, rounds=3)
    assert steps.tolist() == [1, 2, 3]
    assert np.allclose(success, faults.stored_curves("mended_batch")["mended"][1][0, :3], atol=1e-4)


def test_showing_a_curve_loads_nothing_that_reads_notebooks():
    """Which takes longer than all the rest of the cell."""
    program = "import sys; from her_course.faults import stored_curves; stored_curves('mended_score')"
    program += "; print('nbformat' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "False\n"
