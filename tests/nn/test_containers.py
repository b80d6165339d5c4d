"""Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict: as lists and dictionaries, with PyTorch's texts."""

import copy
import operator
from collections import OrderedDict

import pytest

import kenaz as torch
from kenaz import nn

R, T, I = nn.ReLU, nn.Tanh, nn.Identity


def kinds(modules):
    return "".join(type(m).__name__[0] for m in modules)


# ----------------------------------------------------------------------------------------------------------- Sequential
def test_sequential_as_a_list():
    s = nn.Sequential(R(), T(), I())
    assert len(s) == 3 and kinds([s[0], s[-1], s[True]]) == "RIT"
    assert repr(s[1:]) == "Sequential(\n  (1): Tanh()\n  (2): Identity()\n)" and kinds(s[::2]) == "RI"
    s[1] = nn.GELU()
    s[-1] = nn.SiLU()
    del s[0]
    assert kinds(s) == "GS" and list(s._modules) == ["0", "1"]
    assert kinds(s.append(I()).extend([R(), R()]).extend(nn.Sequential(T()))) == "GSIRRT"
    assert kinds(s.insert(0, I()).insert(-1, nn.GELU()).insert(8, T())) == "IGSIRRGTT"
    assert kinds([s.pop(0)]) == "I" and kinds(s.pop(slice(0, 2))) == "GS" and kinds(s) == "IRRGTT"
    del s[1:3]
    assert kinds(s) == "IGTT" and list(s._modules) == list("0123")
    assert kinds(reversed(s)) == "TTGI" and s[0] in s and R() not in s and not nn.Sequential()


def test_sequential_arithmetic():
    a, b = nn.Sequential(R(), T()), nn.Sequential(I())
    assert kinds(a + b) == "RTI" and kinds(a * 2) == kinds(2 * a) == "RTRT"
    a += b
    a *= 2
    assert kinds(a) == "RTIRTI" and a[0] is a[3]


def test_sequential_with_names():
    s = nn.Sequential(OrderedDict(x=R(), y=T()))
    assert repr(s) == "Sequential(\n  (x): ReLU()\n  (y): Tanh()\n)" and s.x is s[0]
    s[0] = I()
    assert list(s._modules) == ["x", "y"] and kinds(s) == "IT"
    assert list(s.append(I())._modules) == ["x", "y", "2"] and list(s[1:]._modules) == ["y", "2"]
    del s[0]
    assert list(s._modules) == ["0", "1"]


def test_sequential_calls():
    assert nn.Sequential(R(), nn.Sequential(R()))(torch.tensor([-1.0, 1.0])).tolist() == [0, 1]
    assert nn.Sequential()(3) == 3


SEQUENTIAL_ERRORS = [
    (lambda s: s[3], IndexError, "index 3 is out of range"),
    (lambda s: s[-4], IndexError, "index -4 is out of range"),
    (lambda s: s["0"], TypeError, "'str' object cannot be interpreted as an integer"),
    (
        lambda s: operator.setitem(s, 0, 5),
        TypeError,
        "cannot assign 'int' as child module '0' (torch.nn.Module or None expected)",
    ),
    (lambda s: operator.delitem(s, 7), IndexError, "index 7 is out of range"),
    (lambda s: s.append(3), TypeError, "int is not a Module subclass"),
    (lambda s: s.extend(3), TypeError, "'int' object is not iterable"),
    (lambda s: s.insert(99, R()), IndexError, "Index out of range: 99"),
    (lambda s: s.insert(0, 3), AssertionError, "module should be of type: <class 'torch.nn.modules.module.Module'>"),
    (
        lambda s: s + [R()],
        ValueError,
        "add operator supports only objects of Sequential class, but <class 'list'> is given.",
    ),
    (
        lambda s: s * 0,
        ValueError,
        "Non-positive multiplication factor 0 for <class 'torch.nn.modules.container.Sequential'>",
    ),
    (
        lambda s: s * 1.5,
        TypeError,
        "unsupported operand type(s) for *: <class 'torch.nn.modules.container.Sequential'> and <class 'float'>",
    ),
    (lambda s: nn.Sequential(R, T), TypeError, "torch.nn.modules.activation.ReLU is not a Module subclass"),
    (lambda s: nn.Sequential({"a": R()}), TypeError, "dict is not a Module subclass"),
    (lambda s: s(1, 2), TypeError, "Sequential.forward() takes 2 positional arguments but 3 were given"),
]


@pytest.mark.parametrize("call, kind, text", SEQUENTIAL_ERRORS)
def test_errors_of_sequential(call, kind, text):
    with pytest.raises(kind) as caught:
        call(nn.Sequential(R(), T(), I()))
    assert caught.value.args[0] == text


# ----------------------------------------------------------------------------------------------------------- ModuleList
def test_module_list():
    m = nn.ModuleList([R(), T(), I()])
    assert kinds(m) == "RTI" and kinds(m[1:]) == "TI" and kinds([m[0], m[-1]]) == "RI"
    m[1] = nn.GELU()
    m.extend([R(), R(), T()])
    del m[1:3]
    assert kinds(m) == "RRRT" and list(m._modules) == list("0123")
    m.insert(0, I())
    m += (x for x in [T()])
    assert kinds(m) == "IRRRTT" and kinds([m.pop(0), m.pop(-1)]) == "IT" and kinds(m + [I()]) == "RRRTI"
    assert m.append(R()) is m and kinds(m.pop(slice(0, 3))) == "RRR"
    assert type(type("Mine", (nn.ModuleList,), {})([R()])[0:1]).__name__ == "Mine"


def test_module_list_repr_folds_equal_neighbours():
    m = nn.ModuleList(
        [nn.Linear(1, 1), nn.Linear(1, 1), nn.Linear(1, 2), R(), nn.ModuleList([T(), T()]), nn.ModuleList([T(), T()])]
    )
    assert repr(m) == (
        "ModuleList(\n  (0-1): 2 x Linear(in_features=1, out_features=1, bias=True)\n"
        "  (2): Linear(in_features=1, out_features=2, bias=True)\n  (3): ReLU()\n"
        "  (4-5): 2 x ModuleList(\n    (0-1): 2 x Tanh()\n  )\n)"
    )
    assert repr(nn.ModuleList()) == "ModuleList()"


MODULE_LIST_ERRORS = [
    (lambda m: m[3], IndexError, "index 3 is out of range"),
    (lambda m: m.extend(3), TypeError, "ModuleList.extend should be called with an iterable, but got int"),
    (lambda m: nn.ModuleList(R()), TypeError, "ModuleList.extend should be called with an iterable, but got ReLU"),
    (lambda m: m + 3, TypeError, "'int' object is not iterable"),
    (lambda m: m.pop(99), IndexError, "index 99 is out of range"),
    (lambda m: m(3), NotImplementedError, 'Module [ModuleList] is missing the required "forward" function'),
]


@pytest.mark.parametrize("call, kind, text", MODULE_LIST_ERRORS)
def test_errors_of_module_list(call, kind, text):
    with pytest.raises(kind) as caught:
        call(nn.ModuleList([R(), T(), I()]))
    assert str(caught.value) == text


# ----------------------------------------------------------------------------------------------------------- ModuleDict
def test_module_dict():
    d = nn.ModuleDict({"a": R(), "b": T()})
    assert list(d) == list(d.keys()) == ["a", "b"] and kinds(d.values()) == "RT" and len(d) == 2 and "a" in d
    d["c"] = I()
    assert dict(d.items())["c"] is d["c"] is d.c
    d.update([("r", T()), ["s", I()]])
    d.update(nn.ModuleDict({"w": R()}))
    del d["a"]
    assert kinds([d.pop("b")]) == "T" and list(d) == ["c", "r", "s", "w"]
    d.clear()
    assert not d and repr(d) == "ModuleDict()"
    assert repr(nn.ModuleDict({"a": R()})) == "ModuleDict(\n  (a): ReLU()\n)"


MODULE_DICT_ERRORS = [
    (lambda d: d["z"], KeyError, "z"),
    (lambda d: operator.setitem(d, "x", 3), TypeError, "int is not a Module subclass"),
    (lambda d: operator.setitem(d, 3, R()), TypeError, "module name should be a string. Got int"),
    (lambda d: operator.setitem(d, "x.y", R()), KeyError, 'module name can\'t contain ".", got: x.y'),
    (lambda d: operator.setitem(d, "keys", R()), KeyError, "attribute 'keys' already exists"),
    (
        lambda d: d.update(3),
        TypeError,
        "ModuleDict.update should be called with an iterable of key/value pairs, but got int",
    ),
    (lambda d: d.update([3]), TypeError, "ModuleDict update sequence element #0 should be Iterable; isint"),
    (lambda d: d.update([(1,)]), ValueError, "ModuleDict update sequence element #0 has length 1; 2 is required"),
]


@pytest.mark.parametrize("call, kind, text", MODULE_DICT_ERRORS)
def test_errors_of_module_dict(call, kind, text):
    with pytest.raises(kind) as caught:
        call(nn.ModuleDict({"a": R()}))
    assert caught.value.args[0] == text


# -------------------------------------------------------------------------------------------------------- ParameterList
def test_parameter_list():
    p = nn.ParameterList([nn.Parameter(torch.ones(1)), torch.zeros(2)])
    assert repr(p) == (
        "ParameterList(\n    (0): Parameter containing: [torch.float32 of size 1]\n"
        "    (1): Parameter containing: [torch.float32 of size 2]\n)"
    )
    assert isinstance(p[1], nn.Parameter) and len(p[0:1]) == 1 and p[-1] is p[1]
    p[0] = torch.ones(2, 3)
    p += [torch.ones(1), "text"]
    assert p.append(3) is p and [tuple(q.shape) for q in p.parameters()] == [(2, 3), (2,), (1,)] and p[3:][1] == 3
    assert p.extra_repr().splitlines()[3] == "  (3): Object of type: str" and list(p.state_dict()) == ["0", "1", "2"]
    again = copy.deepcopy(p)
    assert len(again) == 5 and again[0] is not p[0] and again[3] == "text"
    assert "0" not in dir(p) and p.to(torch.float64)[0].dtype == torch.float64


PARAMETER_LIST_ERRORS = [
    (lambda p: p[2], IndexError, "index 2 is out of range"),
    (
        lambda p: operator.setitem(p, 0, 3),
        TypeError,
        "cannot assign 'int' as parameter '0' (torch.nn.Parameter or None expected)",
    ),
    (lambda p: p.extend(3), TypeError, "ParameterList.extend should be called with an iterable, but got int"),
    (
        lambda p: p.extend(torch.ones(2)),
        TypeError,
        "ParameterList.extend should be called with an iterable, but got Tensor",
    ),
    (lambda p: p(1), RuntimeError, "ParameterList should not be called."),
]


@pytest.mark.parametrize("call, kind, text", PARAMETER_LIST_ERRORS)
def test_errors_of_parameter_list(call, kind, text):
    with pytest.raises(kind) as caught:
        call(nn.ParameterList([torch.ones(1), torch.ones(2)]))
    assert str(caught.value) == text


# -------------------------------------------------------------------------------------------------------- ParameterDict
def test_parameter_dict():
    d = nn.ParameterDict({"b": nn.Parameter(torch.ones(1)), "a": torch.zeros(2)})
    assert list(d) == ["a", "b"] and list(reversed(d)) == ["b", "a"] and isinstance(d["a"], nn.Parameter)
    assert list(nn.ParameterDict(OrderedDict(z=torch.ones(1), a=torch.ones(1)))) == ["z", "a"]
    d["c"], d["s"] = torch.ones(2, 2), "text"
    assert repr(d) == (
        "ParameterDict(\n    (a): Parameter containing: [torch.FloatTensor of size 2]\n"
        "    (b): Parameter containing: [torch.FloatTensor of size 1]\n"
        "    (c): Parameter containing: [torch.FloatTensor of size 2x2]\n    (s): Object of type: str\n)"
    )
    assert d.pop("s") == "text" and d.popitem()[0] == "c" and d.get("zz", 5) == 5 and d.get("zz") is None
    assert d.setdefault("n", torch.ones(1)) is d["n"] and d.copy()["a"] is d["a"]
    assert list(d | {"q": torch.ones(1)}) == ["a", "b", "n", "q"] and list({"q": 1} | d) == ["q", "a", "b", "n"]
    d |= nn.ParameterDict({"e": torch.ones(1)})
    assert [key for key, _ in d.items()] == ["a", "b", "n", "e"] == list(d.keys())
    assert [p.numel() for p in d.values()] == [2, 1, 1, 1] and list(d.fromkeys(["x", "y"])) == ["x", "y"]
    d.clear()
    assert len(d) == 0 and repr(d) == "ParameterDict()"


PARAMETER_DICT_ERRORS = [
    (lambda d: d["z"], AttributeError, "'ParameterDict' object has no attribute 'z'"),
    (
        lambda d: operator.setitem(d, 3, torch.ones(1)),
        TypeError,
        (
            "Index given to ParameterDict cannot be used as a key as it is not a string (type is 'int'). Open an issue "
            "on github if you need non-string keys."
        ),
    ),
    (lambda d: operator.delitem(d, "z"), KeyError, "z"),
    (lambda d: nn.ParameterDict().popitem(), KeyError, "popitem(): dictionary is empty"),
    (
        lambda d: d.update(3),
        TypeError,
        "ParametersDict.update should be called with an iterable of key/value pairs, but got int",
    ),
    (
        lambda d: d.update([(1, 2, 3)]),
        ValueError,
        "ParameterDict update sequence element #0 has length 3; 2 is required",
    ),
    (lambda d: d(1), RuntimeError, "ParameterDict should not be called."),
]


@pytest.mark.parametrize("call, kind, text", PARAMETER_DICT_ERRORS)
def test_errors_of_parameter_dict(call, kind, text):
    with pytest.raises(kind) as caught:
        call(nn.ParameterDict({"a": torch.ones(1)}))
    assert caught.value.args[0] == text


def test_repr_of_parameter_containers_inside_a_module():
    class Holder(nn.Module):
        def __init__(self):
            super().__init__()
            self.rows = nn.ParameterList([torch.ones(1)] * 2)
            self.named = nn.ParameterDict({"a": torch.ones(2)})

    assert repr(Holder()) == (
        "Holder(\n  (rows): ParameterList(\n      (0): Parameter containing: [torch.float32 of size 1]\n"
        "      (1): Parameter containing: [torch.float32 of size 1]\n  )\n"
        "  (named): ParameterDict(  (a): Parameter containing: [torch.FloatTensor of size 2])\n)"
    )


def test_container_is_deprecated():
    with pytest.warns(FutureWarning, match="`nn.Container` is deprecated"):
        assert repr(nn.Container(a=R(), b=None)) == "Container(\n  (a): ReLU()\n  (b): None\n)"
