"""What may cross from a learner's function to the judge: plain data, unchanged, and nothing else."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from her import Episode, GoalSelectionStrategy, Transition
from her_course import plain
from her_course.plain import Malformed, NotPlain, decode, encode, normalise


def arrays_in(value):
    """The numpy arrays, and the memory of the tensors, in a plain value."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, torch.Tensor):
        yield value.detach().numpy()
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from arrays_in(item)
    elif isinstance(value, dict):
        yield from arrays_in(list(value.values()))
    elif isinstance(value, (Transition, Episode)):
        yield from arrays_in([getattr(value, name) for name in value.__slots__])


def same(a, b) -> bool:
    """Equal in type, structure and bits (NaN equals NaN)."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b) and a.requires_grad == b.requires_grad
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (Transition, Episode)):
        return all(same(x, y) for x, y in zip(arrays_in(a), arrays_in(b), strict=True))
    return a == b or (a != a and b != b)


def episode(n: int = 3) -> Episode:
    rows = np.arange(2.0 * n).reshape(n, 2)
    return Episode.from_arrays(rows, np.ones(n), -np.ones(n), rows + 1, np.zeros(n), rows[:, :1], np.ones(1))


dtypes = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(),
    hnp.unsigned_integer_dtypes(),
    hnp.floating_dtypes(sizes=(16, 32, 64)),
    hnp.complex_number_dtypes(sizes=(64, 128)),
).filter(lambda dtype: dtype.isnative)
arrays = hnp.arrays(dtypes, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
keys = st.one_of(st.text(max_size=5), st.integers(-(2**59), 2**59))
atoms = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**200), 2**200),
    st.floats(),
    st.complex_numbers(),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
    st.binary(max_size=10),
    arrays,
    arrays.filter(lambda a: a.size > 0).map(lambda a: a.reshape(-1)[0]),
    st.sets(keys, max_size=4),
    st.frozensets(keys, max_size=4),
    st.sampled_from(GoalSelectionStrategy),
    st.integers(1, 4).map(episode),
    st.integers(1, 4).map(lambda n: episode(n)[0]),
)
values = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.lists(inner, max_size=4).map(tuple), st.dictionaries(keys, inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(values)
def test_plain_data_arrives_as_it_was_sent(value):
    assert same(value, normalise(value))


def test_what_arrives_shares_no_memory_with_what_was_sent():
    sent = {"a": np.zeros(3), "b": [torch.zeros(2)], "c": episode()}
    arrived = normalise(sent)
    for a in arrays_in(sent):
        for b in arrays_in(arrived):
            assert not np.shares_memory(a, b)
            b[...] = 7
    assert not sent["a"].any()


def test_generators_arrive_in_their_state():
    rng = np.random.default_rng(5)
    rng.integers(3, dtype=np.uint32)  # leaves half a draw over
    arrived = normalise(rng)
    assert (
        arrived.integers(100, size=5, dtype=np.uint32).tolist() == rng.integers(100, size=5, dtype=np.uint32).tolist()
    )
    assert arrived.random() == rng.random()


def test_parameters_stay_parameters():
    parameter, frozen, tensor = normalise(
        [torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2), requires_grad=False), torch.ones(2)]
    )
    assert type(parameter) is type(frozen) is torch.nn.Parameter
    assert type(tensor) is torch.Tensor
    assert [t.requires_grad for t in (parameter, frozen, tensor)] == [True, False, False]


def test_views_and_foreign_byte_orders_arrive_as_plain_arrays():
    array = np.arange(6, dtype=">f4").reshape(2, 3)[:, ::-2]
    arrived = normalise(array)
    assert arrived.dtype.isnative
    assert arrived.tolist() == array.tolist()


def test_functions_cross_only_by_a_name_they_were_given():
    def mine():
        pass

    with pytest.raises(NotPlain, match="type function"):
        encode(mine)
    plain.named(mine, "mine, for this test")
    assert normalise([mine])[0] is mine
    with pytest.raises(ValueError, match="another function"):
        plain.named(lambda: None, "mine, for this test")


class FakedFloat(float):
    def __eq__(self, other):
        return True

    __hash__ = float.__hash__


class FakedArray(np.ndarray):
    def __array_finalize__(self, obj):
        raise SystemExit("called")


class Faked:
    """Runs away with whoever calls any of its methods."""

    def act(self, *args, **kwargs):
        raise SystemExit("called")

    __eq__ = __array__ = __float__ = __iter__ = __len__ = __reduce__ = __reduce_ex__ = __repr__ = __bool__ = act
    __hash__ = __index__ = __getitem__ = act

    @property
    def __class__(self):
        return float


def cyclic() -> list:
    value = []
    value.append(value)
    return value


def doubling() -> list:
    value = []
    for _ in range(20):
        value = [value] * 10
    return value


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (object(), "type"),
        (Faked(), "type"),
        (FakedFloat(1.0), "type"),
        ({"a": [1, FakedFloat(1.0)]}, "type"),
        (np.ma.masked_array([1.0]), "type"),
        (np.zeros(2).view(type("Sub", (np.ndarray,), {})), "type"),
        (np.array([object()]), "type"),
        (np.array(["text"]), "type"),
        (np.longdouble(1), "type"),
        (iter([1]), "type"),
        ((x for x in [1]), "type"),
        ({1: 2}.items(), "type"),
        ({1.5: 2}, "type"),
        ({2**61 - 1: 1}, "type"),
        ({(1, 2): 1}, "type"),
        (torch.nn.Linear(1, 1), "type"),
        (torch.ones(2).to_sparse(), "type"),
        (np.random.Generator(np.random.MT19937(0)), "type"),
        (len, "type"),
        (np.broadcast_to(0.0, (10**5, 10**5)), "size"),
        (torch.zeros(1).expand(10**10), "size"),
        (range(10**12), "size"),
        (2**2000, "size"),
        ("x" * (17 * 2**20), "size"),
        (b"x" * (17 * 2**20), "size"),
        ([None] * (plain.MAX_ITEMS + 1), "size"),
        (np.zeros((0, 2**40)), "size"),
        (cyclic(), "depth"),
        (doubling(), "size"),
    ],
    ids=lambda value: type(value).__name__ if type(value) is not str or len(value) > 9 else value,
)
def test_what_is_not_plain_is_refused_without_being_asked_anything(value, kind):
    with pytest.raises(NotPlain) as refused:
        encode(value)
    assert refused.value.kind == kind
    assert refused.value.where.startswith("value")


def test_a_refusal_says_where():
    with pytest.raises(NotPlain, match=r"value\[1\]\['rewards'\]\[0\]: a value of type object"):
        encode([0, {"rewards": [object()]}])


def test_the_limit_counts_bytes():
    assert len(encode(np.zeros(100), limit=1000)) < 1000
    with pytest.raises(NotPlain, match="MB"):
        encode([np.zeros(100), np.zeros(100)], limit=1000)


EXAMPLE = encode([episode(), np.random.default_rng(1), {"a": [1, 2.0, np.ones(3), torch.ones(2)]}, ({1, 2}, "x", 1j)])


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(EXAMPLE) - 1), st.integers(0, 255)), max_size=4), st.integers(0, 9))
def test_damaged_bytes_are_malformed_or_other_plain_data(changes, cut):
    data = bytearray(EXAMPLE)
    for at, byte in changes:
        data[at] = byte
    try:
        value = decode(bytes(data[: len(data) - cut]))
    except Malformed:
        return
    assert type(value) is list or changes
    encode(value)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_at_all_raise_nothing_but_malformed(data):
    try:
        decode(data)
    except Malformed:
        return


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"l" + b"\xff" * 8,
        b"l" + (10**6).to_bytes(8, "little"),
        b"l\x01" + bytes(7),
        b"n" + b"n",
        b"b" + b"\x7f" * 8,
    ],
)
def test_lengths_that_the_bytes_do_not_back_are_malformed(data):
    with pytest.raises(Malformed):
        decode(data)


def test_a_boolean_array_holds_only_zeros_and_ones():
    data = bytearray(encode(np.array([True, False])))
    data[-2:] = b"\x07\x80"
    assert decode(bytes(data)).view(np.uint8).tolist() == [1, 1]
