"""Nested containers as trees."""

import collections
import dataclasses

import pytest

import kenaz as torch
from kenaz.utils import _pytree as pytree
from kenaz.utils._pytree import (
    GetAttrKey,
    LeafSpec,
    MappingKey,
    SequenceKey,
    TreeSpec,
    key_get,
    keystr,
    tree_flatten,
    tree_leaves,
    tree_leaves_with_path,
    tree_map,
    tree_map_only,
    tree_structure,
    tree_unflatten,
    treespec_dumps,
    treespec_loads,
    treespec_pprint,
)

Pair = collections.namedtuple("Pair", "a b")


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __eq__(self, other):
        return (self.x, self.y) == (other.x, other.y)


@dataclasses.dataclass
class Record:
    x: int
    y: int | None = 3


class Constant:
    def __init__(self, value):
        self.value = value

    def __hash__(self):
        return hash(self.value)

    def __eq__(self, other):
        return self.value == other.value


pytree.register_pytree_node(Point, lambda p: ([p.x, p.y], None), lambda v, _: Point(*v), serialized_type_name="Point")
pytree.register_dataclass(Record)
pytree.register_constant(Constant)

TREE = {"b": [1, (2, 3)], "a": Pair(4, None), "c": Point(5, 6)}


def test_round_trip():
    leaves, spec = tree_flatten(TREE)
    assert leaves == [1, 2, 3, 4, None, 5, 6] == tree_leaves(TREE)
    assert tree_unflatten(leaves, spec) == TREE
    assert (spec.num_leaves, spec.num_nodes, spec.num_children) == (7, 12, 3)
    assert tree_flatten(5) == ([5], LeafSpec())


def test_repr():
    assert repr(tree_structure(TREE)) == (
        "TreeSpec(dict, ['b', 'a', 'c'], [TreeSpec(list, None, [*,\n    TreeSpec(tuple, None, [*,\n      *])]),\n"
        f"  TreeSpec(namedtuple, {Pair}, [*,\n    *]),\n  TreeSpec(Point, None, [*,\n    *])])"
    )
    assert treespec_pprint(tree_structure([1, {"a": 2}])) == "[*, {'a': *}]"


@pytest.mark.parametrize(
    "tree",
    [
        [], (), {}, [1, [2, []]], collections.OrderedDict(b=1, a=2), collections.defaultdict(list, a=1),
        collections.deque([1, 2], maxlen=3), Pair(1, (2,)), Record(1, None), Record(1, [2]),
    ],
)  # fmt: skip
def test_every_kind_of_node(tree):
    leaves, spec = tree_flatten(tree)
    again = tree_unflatten(leaves, spec)
    assert again == tree and type(again) is type(tree)
    assert spec == tree_structure(tree) and hash(spec) == hash(tree_structure(tree))


def test_constant():
    assert tree_flatten([Constant(3), 1])[0] == [1]
    assert tree_map(lambda x: x * 2, [Constant(3), 1]) == [Constant(3), 2]


def test_map():
    assert tree_map(lambda a, b: a + b, [1, (2,)], [10, (20,)]) == [11, (22,)]
    assert tree_map(lambda a, b: (a, b), [1, 2], [3, [4]]) == [(1, 3), (2, [4])]
    assert tree_map(lambda a, b: a + b, {"a": 1, "b": 2}, {"b": 20, "a": 10}) == {"a": 11, "b": 22}
    assert tree_map_only(int, lambda x: x + 1, [1, 2.5, "a"]) == [2, 2.5, "a"]
    assert tree_map_only(int | float, lambda x: x + 1, [1, 2.5, "a"]) == [2, 3.5, "a"]
    assert tree_map_only(lambda x: x == 1, lambda x: 0, [1, 2]) == [0, 2]
    doubled = tree_map(lambda t: t * 2, {"w": torch.ones(2)})
    assert doubled["w"].tolist() == [2, 2]
    assert pytree.tree_all(lambda x: x > 0, [1, 2]) and not pytree.tree_any_only(int, lambda x: x > 3, [1, "a"])


@pytest.mark.parametrize(
    ("tree", "other", "message"),
    [
        ([1, 2], [3], "Node arity mismatch; expected 2, but got 1."),
        ({"a": 1}, {"b": 3}, "Node keys mismatch; missing key(s): {'a'}; extra key(s): {'b'}."),
        ((1, 2), [1, 2], "Node type mismatch; expected <class 'tuple'>, but got <class 'list'>."),
        (Point(1, 2), 3, f"Type mismatch; expected {Point}, but got <class 'int'>."),
    ],
)
def test_mismatch(tree, other, message):
    with pytest.raises(ValueError) as caught:
        tree_map(lambda a, b: None, tree, other)
    assert str(caught.value) == message


def test_unflatten_counts():
    with pytest.raises(ValueError, match="`leaves` has length 3 but the spec refers to a pytree that holds 2 items"):
        tree_unflatten([1, 2, 3], tree_structure([0, 0]))
    with pytest.raises(TypeError, match="Expected `treespec` to be an instance of PyTreeSpec"):
        tree_unflatten([1], 3)


def test_paths():
    pairs = tree_leaves_with_path({"a": [1, Pair(2, 3)]})
    assert pairs[0] == ((MappingKey("a"), SequenceKey(0)), 1)
    assert [keystr(p) for p, _ in pairs] == ["['a'][0]", "['a'][1].a", "['a'][1].b"]
    assert all(key_get({"a": [1, Pair(2, 3)]}, p) == v for p, v in pairs)
    assert tree_leaves_with_path(Record(1))[0] == ((GetAttrKey("x"),), 1)
    with pytest.raises(ValueError, match="Did not find a flatten_with_keys_fn for type"):
        tree_leaves_with_path(Point(1, 2))


def test_text():
    for tree in ([1, (2, {"a": 3})], collections.defaultdict(list, a=1), collections.deque([1], 3), Point(1, 2)):
        spec = tree_structure(tree)
        assert treespec_loads(treespec_dumps(spec)) == spec
    assert treespec_dumps(LeafSpec()) == '[1, {"type": null, "context": null, "children_spec": []}]'
    with pytest.raises(NotImplementedError, match="Can't serialize TreeSpec of namedtuple class"):
        treespec_dumps(tree_structure(Pair(1, 2)))
    with pytest.raises(ValueError, match="Unknown protocol 5"):
        treespec_loads("[5, {}]")


def test_broadcast():
    spec = tree_structure([[1, 2], 3])
    assert pytree._broadcast_to_and_flatten([1, 2], spec) == [1, 1, 2]
    assert pytree._broadcast_to_and_flatten(0, spec) == [0, 0, 0]
    assert pytree._broadcast_to_and_flatten([1], spec) is None


def test_registration():
    with pytest.raises(ValueError, match="is already registered as pytree node"):
        pytree.register_pytree_node(list, None, None)
    with pytest.raises(TypeError, match="non-default `__eq__` implementation"):
        pytree.register_constant(type("C", (), {"__hash__": lambda self: 1}))
    with pytest.warns(FutureWarning, match="deprecated"):
        pytree._register_pytree_node(set, lambda s: (sorted(s), None), lambda v, _: set(v))
    assert tree_map(lambda x: x + 1, {1, 2}) == {2, 3}
    pytree._deregister_pytree_node(set)
    assert tree_leaves({1}) == [{1}]


def test_specs_made_by_hand():
    leaf = pytree.treespec_leaf()
    assert TreeSpec(list, None, [leaf, leaf]) == tree_structure([1, 2])
    assert pytree.treespec_tuple([leaf]) == tree_structure((1,))
    assert pytree.treespec_dict(a=leaf) == tree_structure({"a": 1})
