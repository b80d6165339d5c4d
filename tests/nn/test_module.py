"""Module: registration, attributes, hooks, state dictionaries, conversion, copies, printing. Texts are PyTorch's."""

import copy
import gc
import pickle
import weakref
from collections import OrderedDict

import pytest

import kenaz as torch
from kenaz import nn
from kenaz.nn import calling
from kenaz.nn.members import Members


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(2, 2)
        self.scale = nn.Parameter(torch.zeros(2))
        self.register_buffer("mean", torch.ones(2))
        self.register_buffer("step", torch.ones(1), persistent=False)

    def forward(self, x, k=1):
        return self.lin(x) * k


def ones_linear():
    layer = nn.Linear(2, 2)
    with torch.no_grad():
        layer.weight.fill_(1.0)
        layer.bias.fill_(1.0)
    return layer


# --------------------------------------------------------------------------------------------------------- registration
REGISTRATION_ERRORS = [
    (
        "register_buffer",
        ("mean", 3),
        TypeError,
        "cannot assign 'int' object to buffer 'mean' (torch Tensor or None required)",
    ),
    ("register_buffer", (3, None), TypeError, "buffer name should be a string. Got int"),
    ("register_buffer", ("x.y", None), KeyError, 'buffer name can\'t contain "."'),
    ("register_buffer", ("", None), KeyError, 'buffer name can\'t be empty string ""'),
    ("register_buffer", ("forward", None), KeyError, "attribute 'forward' already exists"),
    ("register_parameter", ("lin", None), KeyError, "attribute 'lin' already exists"),
    ("register_parameter", ("x.y", None), KeyError, 'parameter name can\'t contain "."'),
    (
        "register_parameter",
        ("new", "abc"),
        TypeError,
        "cannot assign 'str' object to parameter 'new' (torch.nn.Parameter or None required)",
    ),
    ("add_module", ("new", 3), TypeError, "int is not a Module subclass"),
    ("add_module", (3, None), TypeError, "module name should be a string. Got int"),
    ("add_module", ("x.y", None), KeyError, 'module name can\'t contain ".", got: x.y'),
    ("register_module", ("", None), KeyError, 'module name can\'t be empty string ""'),
    ("get_submodule", ("nope",), AttributeError, "Net has no attribute `nope`"),
    ("get_submodule", ("lin.weight",), AttributeError, "`weight` is not an nn.Module"),
    ("get_parameter", ("lin",), AttributeError, "`lin` is not an nn.Parameter"),
    ("get_buffer", ("lin.weight",), AttributeError, "`weight` is not a buffer"),
    ("set_submodule", ("", None), ValueError, "Cannot set the submodule without a target name!"),
    ("set_submodule", ("lin", 3), ValueError, "`module` is not an nn.Module, found <class 'int'>"),
    ("train", (1,), ValueError, "training mode is expected to be boolean"),
    ("load_state_dict", ([1],), TypeError, "Expected state_dict to be dict-like, got <class 'list'>."),
    (
        "to",
        (torch.int32,),
        TypeError,
        "nn.Module.to only accepts floating point or complex dtypes, but got desired dtype=torch.int32",
    ),
]


@pytest.mark.parametrize("method, args, kind, text", REGISTRATION_ERRORS)
def test_errors_of_methods(method, args, kind, text):
    with pytest.raises(kind) as caught:
        getattr(Net(), method)(*args)
    assert caught.value.args[0] == text


ASSIGNMENT_ERRORS = [
    ("lin", 3, "cannot assign 'int' as child module 'lin' (torch.nn.Module or None expected)"),
    (
        "lin",
        torch.ones(1),
        "cannot assign 'torch.FloatTensor' as child module 'lin' (torch.nn.Module or None expected)",
    ),
    (
        "scale",
        torch.ones(1),
        "cannot assign 'torch.FloatTensor' as parameter 'scale' (torch.nn.Parameter or None expected)",
    ),
    ("scale", 3, "cannot assign 'int' as parameter 'scale' (torch.nn.Parameter or None expected)"),
    ("mean", 3, "cannot assign 'int' as buffer 'mean' (torch.nn.Buffer, torch.Tensor or None expected)"),
]


@pytest.mark.parametrize("name, value, text", ASSIGNMENT_ERRORS)
def test_errors_of_assignments(name, value, text):
    with pytest.raises(TypeError) as caught:
        setattr(Net(), name, value)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    "value, text",
    [
        (lambda: nn.Linear(1, 1), "cannot assign module before Module.__init__() call"),
        (lambda: nn.Parameter(torch.ones(1)), "cannot assign parameters before Module.__init__() call"),
        (lambda: nn.Buffer(torch.ones(1)), "cannot assign buffer before Module.__init__() call"),
    ],
)
def test_assignment_before_init(value, text):
    class Early(nn.Module):
        def __init__(self):
            self.x = value()

    with pytest.raises(AttributeError, match="before Module") as caught:
        Early()
    assert str(caught.value) == text


def test_init_arguments():
    class Plain(nn.Module):
        pass

    with pytest.raises(TypeError, match=r"Plain.__init__\(\) takes 1 positional argument but 2 were given"):
        Plain(1)
    with pytest.raises(TypeError, match=r"Plain.__init__\(\) got an unexpected keyword argument 'a'"):
        Plain(a=1)
    with pytest.raises(NotImplementedError, match=r'Module \[Plain\] is missing the required "forward" function'):
        Plain()(1)

    class Other:
        def __init__(self, size):
            self.size = size

    class Both(nn.Module, Other):
        call_super_init = True

    assert Both(3).size == 3


def test_a_name_belongs_to_one_kind():
    net = Net()
    net.mean = nn.Parameter(torch.ones(1))
    assert "mean" in net._parameters and "mean" not in net._buffers
    net.step = nn.Buffer(torch.zeros(3))
    assert "step" not in net._non_persistent_buffers_set
    net.scale = None
    assert net._parameters["scale"] is None
    net.lin = nn.Parameter(torch.ones(1))
    assert not net._modules and list(net._parameters) == ["scale", "mean", "lin"]
    net.plain = 5
    net.plain = nn.Parameter(torch.ones(2))
    assert "plain" in net._parameters
    del net.plain, net.lin
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'plain'"):
        net.plain
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'plain'"):
        del net.plain


def test_set_submodule():
    net = nn.Sequential(nn.ReLU(), nn.Sequential(nn.ReLU()))
    net.set_submodule("1.0", nn.Tanh())
    net.set_submodule("1.1", nn.Tanh())
    assert repr(net[1]) == "Sequential(\n  (0): Tanh()\n  (1): Tanh()\n)"
    with pytest.raises(AttributeError, match="Sequential has no attribute `7`"):
        net.set_submodule("1.7", nn.Tanh(), strict=True)


def test_dir_leaves_out_numbers():
    net = Net()
    net.add_module("0", nn.ReLU())
    assert {"lin", "scale", "mean", "training"} <= set(dir(net)) and "0" not in dir(net)


# -------------------------------------------------------------------------------------------------------------- members
def test_members_are_found_at_once_and_follow_every_write():
    net = Net()
    assert net.__dict__["scale"] is net._parameters["scale"]
    other = nn.Parameter(torch.ones(3))
    net._parameters["scale"] = other
    assert net.scale is other
    net._buffers.update(mean=torch.zeros(1))
    assert net.mean.shape == (1,)
    net._modules.pop("lin")
    assert not hasattr(net, "lin")
    assert net._parameters.setdefault("scale", None) is other
    net._parameters |= {"extra": other}
    assert net.extra is other
    assert net._parameters.popitem() == ("extra", other) and not hasattr(net, "extra")
    net._parameters.clear()
    assert not hasattr(net, "scale")


def test_a_whole_new_dictionary_is_read():
    net = Net()
    net._parameters = {"scale": nn.Parameter(torch.full((1,), 7.0))}
    assert net.scale.item() == 7
    net.scale = nn.Parameter(torch.full((1,), 8.0))
    assert net.scale.item() == 8 and type(net._parameters) is dict


def test_a_class_attribute_wins():
    net = nn.Module()
    net.half = nn.ReLU()
    assert net._modules["half"] is not net.half and net.half() is net


def test_models_go_without_the_garbage_collector():
    gc.disable()
    try:
        net = Net()
        alive = weakref.ref(net)
        del net
        assert alive() is None
    finally:
        gc.enable()


def test_shallow_copies_share_members():
    net = Net()
    twin = copy.copy(net)
    assert twin._parameters is net._parameters and twin.scale is net.scale
    net.scale = nn.Parameter(torch.full((2,), 3.0))
    assert twin.scale is net.scale


def test_deep_copies_and_pickles_stand_alone():
    for again in (copy.deepcopy(Net.instance), pickle.loads(pickle.dumps(Net.instance))):
        assert again.scale is not Net.instance.scale and isinstance(again.scale, nn.Parameter)
        assert type(again._parameters) is Members and again.__dict__["lin"] is again._modules["lin"]
        assert again.scale.requires_grad and (again.lin.weight == Net.instance.lin.weight).all()
        again.scale = nn.Parameter(torch.ones(1))
        assert Net.instance.scale.shape == (2,)
    assert "scale" not in Net.instance.__getstate__()


Net.instance = Net()


def test_old_pickles_lack_hooks():
    state = nn.Linear(1, 1).__getstate__()
    for name in ("_forward_pre_hooks", "_state_dict_hooks", "_non_persistent_buffers_set", "_is_full_backward_hook"):
        del state[name]
    layer = nn.Linear.__new__(nn.Linear)
    layer.__setstate__(state)
    assert layer(torch.ones(1)).shape == (1,)


def test_parent_and_child_may_know_each_other():
    parent, child = nn.Module(), nn.Module()
    parent.child = child
    object.__setattr__(child, "parent", parent)
    again = copy.deepcopy(parent)
    assert again.child.parent is again


# -------------------------------------------------------------------------------------------------------------- walking
def shared_net():
    net = Net()
    net.twin = net.lin
    net.row = nn.Sequential(net.lin, nn.Linear(1, 1))
    net.register_parameter("again", net.scale)
    net.register_parameter("absent", None)
    net.register_module("none", None)
    return net


def names(pairs):
    return [name for name, _ in pairs]


def test_walking():
    net = shared_net()
    assert names(net.named_parameters()) == ["scale", "lin.weight", "lin.bias", "row.1.weight", "row.1.bias"]
    assert names(net.named_parameters(remove_duplicate=False)) == [
        *("scale", "again", "lin.weight", "lin.bias", "twin.weight", "twin.bias"),
        *("row.0.weight", "row.0.bias", "row.1.weight", "row.1.bias"),
    ]
    assert names(net.named_parameters("x", recurse=False)) == ["x.scale"]
    assert names(net.named_buffers()) == ["mean", "step"]
    assert names(net.named_modules()) == ["", "lin", "row", "row.1"]
    assert names(net.named_modules(remove_duplicate=False)) == ["", "lin", "twin", "row", "row.0", "row.1"]
    assert names(net.named_modules(prefix="x")) == ["x", "x.lin", "x.row", "x.row.1"]
    assert names(net.named_children()) == ["lin", "row"]
    assert len(list(net.modules())) == 4 and len(list(net.modules(False))) == 6
    assert net.get_parameter("row.1.weight") is net.row[1].weight and net.get_buffer("mean") is net.mean
    assert net.get_submodule("") is net


def test_apply_train_and_zero_grad():
    net, seen = Net(), []
    assert net.apply(lambda m: seen.append(m._get_name())) is net and seen == ["Linear", "Net"]
    assert net.eval() is net and not net.lin.training and net.train().lin.training
    assert not net.requires_grad_(False).scale.requires_grad and net.requires_grad_().scale.requires_grad
    net.scale.grad = torch.ones(2)
    net.zero_grad(set_to_none=False)
    assert net.scale.grad.tolist() == [0, 0]
    net.zero_grad()
    assert net.scale.grad is None


# --------------------------------------------------------------------------------------------------- state dictionaries
def test_state_dict():
    net = shared_net()
    state = net.state_dict()
    assert type(state) is OrderedDict and state._metadata["row.1"] == {"version": 1}
    assert list(state)[:4] == ["scale", "again", "mean", "lin.weight"] and "step" not in state
    assert type(state["scale"]) is torch.Tensor and not state["scale"].requires_grad
    assert net.state_dict(keep_vars=True)["scale"] is net.scale
    assert next(iter(net.state_dict(prefix="x."))) == "x.scale"
    with pytest.warns(FutureWarning, match="Positional args are being deprecated, use kwargs instead"):
        assert "y.scale" in net.state_dict({}, "y.")
    state["scale"].fill_(5.0)
    assert net.scale.tolist() == [5, 5]


def load_error(net, state, **options):
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state, **options)
    return str(caught.value)


def test_load_state_dict_messages():
    net = Net()
    result = net.load_state_dict(net.state_dict())
    assert repr(result) == "<All keys matched successfully>" and result == ([], [])
    state = net.state_dict()
    del state["scale"]
    state.update({"zzz": 3, "lin.foo": torch.ones(1), "q.w": torch.ones(1)})
    assert load_error(net, state) == (
        'Error(s) in loading state_dict for Net:\n\tMissing key(s) in state_dict: "scale". '
        '\n\tUnexpected key(s) in state_dict: "zzz", "q.w", "lin.foo". '
    )
    assert repr(net.load_state_dict(state, strict=False)) == (
        "_IncompatibleKeys(missing_keys=['scale'], unexpected_keys=['zzz', 'q.w', 'lin.foo'])"
    )
    state = net.state_dict()
    state["lin.weight"], state["mean"] = torch.ones(3, 3), 5
    assert load_error(net, state, strict=False) == (
        'Error(s) in loading state_dict for Net:\n\tWhile copying the parameter named "mean", expected torch.Tensor '
        "or "
        "Tensor-like object from checkpoint but received <class 'int'>\n\tsize mismatch for lin.weight: copying a "
        "param with shape torch.Size([3, 3]) from checkpoint, the shape in current model is torch.Size([2, 2])."
    )


def test_load_converts_and_keeps_identity():
    net = Net()
    before, state = net.scale, net.state_dict()
    state["scale"], state["mean"] = torch.tensor([1, 2]), torch.tensor([3.0, 4.0], dtype=torch.float64)
    net.load_state_dict(state)
    assert net.scale is before and net.scale.tolist() == [1, 2] and net.mean.dtype == torch.float32
    net.point = nn.Parameter(torch.tensor(1.0))
    net.load_state_dict({**net.state_dict(), "point": torch.tensor([4.0])})
    assert net.point.item() == 4


def test_load_by_assignment():
    net = Net()
    net.lin.bias.requires_grad_(False)
    state = {key: torch.full_like(value, 3.0) for key, value in net.state_dict().items()}
    state["scale"] = nn.Parameter(state["scale"], requires_grad=False)
    state["lin.weight"] = state["lin.weight"].double()
    net.load_state_dict(state, assign=True)
    assert net.scale is state["scale"] and net.scale.requires_grad and net.mean is state["mean"]
    assert net.lin.weight.dtype == torch.float64 and isinstance(net.lin.weight, nn.Parameter)
    assert net.lin.weight.requires_grad and not net.lin.bias.requires_grad


def test_extra_state():
    class Extra(nn.Module):
        _version = 3
        extra = "none"

        def get_extra_state(self):
            return {"e": self.extra}

        def set_extra_state(self, state):
            self.extra = state["e"]

    net = nn.Sequential(Extra(), Extra())
    state = net.state_dict()
    assert state["0._extra_state"] == {"e": "none"} and state._metadata["0"] == {"version": 3}
    state["0._extra_state"] = {"e": "some"}
    net.load_state_dict(state)
    assert net[0].extra == "some"
    del state["1._extra_state"]
    assert 'Missing key(s) in state_dict: "1._extra_state". ' in load_error(net, state)
    with pytest.raises(RuntimeError, match="Reached a code path in Module.get_extra_state"):
        nn.Module().get_extra_state()


def test_state_dict_hooks():
    net, seen = nn.Sequential(nn.Linear(1, 1)), []

    def post(module, state, prefix, metadata):
        state[prefix + "new"] = 1

    net.register_state_dict_pre_hook(lambda module, prefix, keep_vars: seen.append((prefix, keep_vars)))
    handle = net.register_state_dict_post_hook(post)
    net[0].register_state_dict_post_hook(post)
    assert list(net.state_dict()) == ["0.weight", "0.bias", "0.new", "new"] and seen == [("", False)]
    handle.remove()
    assert list(net.state_dict()) == ["0.weight", "0.bias", "0.new"]
    with pytest.raises(RuntimeError, match="Cannot register the same function as the state dict post hook"):
        net._register_state_dict_hook(post)
    net._register_state_dict_hook(lambda *_: {"replaced": 1})
    assert net.state_dict() == {"replaced": 1}
    net[0].register_state_dict_post_hook(lambda *_: 3)
    with pytest.raises(RuntimeError, match="state_dict post-hook must return None"):
        net.state_dict()


def test_load_state_dict_hooks():
    net, seen = nn.Sequential(nn.Linear(1, 1)), []
    net.register_load_state_dict_pre_hook(lambda module, *_: seen.append(type(module).__name__))
    net._register_load_state_dict_pre_hook(lambda state, *_: seen.append(list(state)))
    net.register_load_state_dict_post_hook(lambda module, keys: (keys.missing_keys.clear(), keys[1].clear()) and None)
    assert repr(net.load_state_dict({"foo": 1})) == "<All keys matched successfully>"
    assert seen == ["Sequential", ["foo"]]
    net.register_load_state_dict_post_hook(lambda *_: 3)
    with pytest.raises(AssertionError, match="are not expected to return new values"):
        net.load_state_dict({})


# ----------------------------------------------------------------------------------------------------------- conversion
def test_conversion_keeps_parameters_and_converts_gradients():
    net = Net()
    net.register_buffer("index", torch.tensor([1, 2]))
    net.scale.grad = torch.ones(2)
    before = net.scale
    assert net.double() is net and net.scale is before
    assert (net.scale.dtype, net.scale.grad.dtype, net.mean.dtype, net.index.dtype) == (torch.float64,) * 3 + (
        torch.int64,
    )
    assert net.half().scale.dtype == torch.float16 and net.bfloat16().scale.dtype == torch.bfloat16
    assert net.float().scale.dtype == torch.float32 and net.scale.is_leaf and net.scale.requires_grad
    assert net.to("cpu", torch.float64).scale.dtype == torch.float64
    assert net.to(torch.ones(1)).scale.dtype == torch.float32
    assert net.to(dtype=torch.float16).mean.dtype == torch.float16 and net.to() is net
    assert net.type(torch.float64).index.dtype == torch.float64


def test_to_arguments():
    with pytest.raises(TypeError, match="takes from 0 to 4 positional arguments but 5 were given"):
        Net().to(1, 2, 3, 4, 5)
    with pytest.raises(
        TypeError, match=r"to\(\) received an invalid combination of arguments - got \(list\), but expected"
    ):
        Net().to([])
    with pytest.raises(TypeError, match=r"got \(foo=int, \), but expected"):
        Net().to(foo=1)


def test_meta():
    net = Net().to("meta")
    assert net.scale.is_meta and isinstance(net.scale, nn.Parameter)
    with pytest.raises(NotImplementedError, match=r"no data! Please use torch.nn.Module.to_empty\(\) instead"):
        net.to("cpu")
    assert net.to_empty(device="cpu").lin.weight.shape == (2, 2)
    with pytest.warns(UserWarning, match="for scale: copying from a non-meta parameter in the checkpoint to a meta"):
        Scale = type("Scale", (nn.Module,), {})
        empty, full = Scale(), Scale()
        empty.scale = nn.Parameter(torch.ones(1, device="meta"))
        full.scale = nn.Parameter(torch.ones(1))
        empty.load_state_dict(full.state_dict())
    empty.load_state_dict(full.state_dict(), assign=True)
    assert empty.scale.item() == 1


def test_shared_parameters_stay_shared():
    net = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
    net[1].weight = net[0].weight
    assert net.double()[1].weight is net[0].weight


# ---------------------------------------------------------------------------------------------------------------- hooks
class Add(nn.Module):
    def forward(self, x, k=1):
        return x + k


def test_forward_pre_hooks():
    module = Add()
    module.register_forward_pre_hook(lambda m, args: args[0] + 10)
    assert module(1) == 12
    module.register_forward_pre_hook(lambda m, args: (args[0] + 100,), prepend=True)
    assert module(1) == 112
    handle = module.register_forward_pre_hook(lambda m, args, kwargs: ((args[0] + 1000,), {"k": 7}), with_kwargs=True)
    assert module(1, k=3) == 1118
    handle.remove()
    assert not module._forward_pre_hooks_with_kwargs and module(1, k=3) == 114
    module.register_forward_pre_hook(lambda m, args, kwargs: 3, with_kwargs=True)
    with pytest.raises(RuntimeError, match=r"must return None or a tuple of \(new_args, new_kwargs\), but got 3."):
        module(1)


def test_forward_hooks():
    module, seen = Add(), []
    module.register_forward_hook(lambda m, args, out: out * 2)
    module.register_forward_hook(lambda m, args, kwargs, out: seen.append((args, kwargs, out)), with_kwargs=True)
    module.register_forward_hook(lambda m, args, out: out + 0.5, prepend=True)
    assert module(1, k=3) == 9 and seen == [((1,), {"k": 3}, 9)]
    with module.register_forward_hook(lambda *_: 0):
        assert module(1) == 0
    assert module(1) == 5


def test_always_called_hooks():
    module, seen = Add(), []
    module.register_forward_hook(lambda m, args, out: seen.append(out), always_call=True)
    with pytest.raises(TypeError):
        module("a")
    assert seen == [None]

    def bad(*_):
        raise ValueError("bad")

    module.register_forward_hook(bad, prepend=True)
    with pytest.raises(ValueError, match="bad"):
        module(1)
    assert seen == [None, 2]
    failing = Add()
    failing.register_forward_hook(bad, always_call=True)
    with (
        pytest.raises(TypeError),
        pytest.warns(UserWarning, match="silenced as another error was raised in forward: bad"),
    ):
        failing("a")


def test_global_hooks():
    seen = []
    handles = [
        calling.register_module_forward_pre_hook(lambda m, args: seen.append("pre")),
        calling.register_module_forward_hook(lambda m, args, out: seen.append(out)),
        calling.register_module_forward_hook(lambda m, a, kwargs, o: seen.append(kwargs), with_kwargs=True),
        calling.register_module_module_registration_hook(lambda m, name, sub: seen.append(name)),
        calling.register_module_parameter_registration_hook(lambda m, name, p: nn.Parameter(torch.ones(7))),
        calling.register_module_buffer_registration_hook(lambda m, name, b: torch.zeros(9)),
    ]
    try:
        assert Add()(1, k=2) == 3 and seen == ["pre", 3, {"k": 2}]
        assert calling._has_any_global_hook()
        holder = nn.Module()
        holder.p, holder.sub = nn.Parameter(torch.ones(1)), nn.Module()
        holder.register_buffer("b", None)
        assert holder.p.shape == (7,) and holder.b.shape == (9,) and seen[-1] == "sub"
    finally:
        for handle in handles:
            handle.remove()
    assert not calling._has_any_global_hook()


def test_full_backward_hooks():
    layer, seen = ones_linear(), []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append(("full", gi[0].tolist(), go[0].tolist())))
    layer.register_full_backward_pre_hook(lambda m, go: seen.append(("pre", go[0].tolist())))
    x = torch.ones(1, 2, requires_grad=True)
    layer(x).sum().backward()
    assert seen == [("pre", [[1, 1]]), ("full", [[2, 2]], [[1, 1]])] and x.grad.tolist() == [[2, 2]]
    layer = ones_linear()
    layer.register_full_backward_hook(lambda m, gi, go: (gi[0] * 10,))
    layer.register_full_backward_pre_hook(lambda m, go: (go[0] * 3,))
    x.grad = None
    layer(x).sum().backward()
    assert x.grad.tolist() == [[60, 60]] and layer.weight.grad.tolist() == [[3, 3], [3, 3]]
    with torch.no_grad():
        assert layer(x).tolist() == [[3, 3]]


def test_full_backward_hooks_of_several_outputs():
    class Two(nn.Module):
        def forward(self, x, y):
            return x + y, 5, x * y

    module, seen = Two(), []
    module.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    x, y = (torch.ones(1, requires_grad=True) for _ in range(2))
    module(x, y)[0].backward()
    ((gi, go),) = seen
    assert [g.tolist() for g in gi] == [[1], [1]] and go[1] is None and go[0].tolist() == [1]


def test_both_kinds_of_backward_hooks_are_refused():
    layer = ones_linear()
    layer.register_full_backward_hook(print)
    with pytest.raises(
        RuntimeError, match="Cannot use both regular backward hooks and full backward hooks on a single"
    ):
        layer.register_backward_hook(print)
    handle = calling.register_module_full_backward_hook(print)
    try:
        with pytest.raises(RuntimeError, match="as a global Module hook. Please use only one of them."):
            calling.register_module_backward_hook(print)
    finally:
        handle.remove()


def test_old_backward_hooks():
    seen = []

    class Sum(nn.Module):
        def forward(self, x, y):
            return x + y

    module = Sum()
    module.register_backward_hook(lambda m, gi, go: seen.append((len(gi), go[0].tolist())))
    x = torch.ones(1, requires_grad=True)
    with pytest.warns(
        FutureWarning, match="Using a non-full backward hook when the forward contains multiple autograd"
    ):
        module(x, x).sum().backward()
    assert seen == [(2, [1])]


# ---------------------------------------------------------------------------------------------------------------- calls
def test_errors_name_the_module():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(2, 2), nn.Linear(3, 3)])

        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
            return x

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.Sequential(nn.Identity(), Block())

        def forward(self, x):
            return self.encoder(x)

    with pytest.raises(RuntimeError) as caught:
        Model()(torch.ones(4, 2))
    assert str(caught.value) == "mat1 and mat2 shapes cannot be multiplied (4x2 and 3x3)"
    note = "in Model.encoder.1.layers.1: Linear(in_features=3, out_features=3, bias=True), called with (float32[4, 2])"
    assert caught.value.__notes__ == [note]


def test_leaving_the_outermost_call_without_gradients_flushes(monkeypatch):
    flushes = []
    monkeypatch.setattr(calling.execute, "flush", lambda: flushes.append(1))
    net = nn.Sequential(Add(), nn.Sequential(Add()))
    net(1)
    assert not flushes
    with torch.no_grad():
        assert net(1) == 3
    assert len(flushes) == 1


def test_compile_changes_nothing():
    net = Net()
    want = net(torch.ones(2)).tolist()
    net.compile()
    assert net(torch.ones(2)).tolist() == want and "_compiled_call_impl" not in net.__getstate__()


# ------------------------------------------------------------------------------------------------------------- printing
def test_repr():
    class Inner(nn.Module):
        def extra_repr(self):
            return "a=1"

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.rows = nn.ModuleList([nn.ReLU(), nn.ReLU(), Inner()])
            self.register_module("none", None)

        def extra_repr(self):
            return "x=1\ny=2"

    assert repr(nn.Module()) == "Module()" and repr(Inner()) == "Inner(a=1)"
    assert repr(nn.Sequential(Outer())) == (
        "Sequential(\n  (0): Outer(\n    x=1\n    y=2\n    (rows): ModuleList(\n      (0-1): 2 x ReLU()\n"
        "      (2): Inner(a=1)\n    )\n    (none): None\n  )\n)"
    )
    assert repr(nn.Module) == "<class 'torch.nn.modules.module.Module'>"


# ----------------------------------------------------------------------------------------------- parameters and buffers
def test_parameter():
    p = nn.Parameter(torch.tensor([1.0, 2.0]))
    assert repr(p) == "Parameter containing:\ntensor([1., 2.], requires_grad=True)"
    assert repr(nn.Parameter()) == "Parameter containing:\ntensor([], requires_grad=True)"
    assert repr(nn.Parameter(torch.tensor([1]), requires_grad=False)) == "Parameter containing:\ntensor([1])"
    assert type(p.data) is type(p * 2) is type(p.detach()) is type(p[0]) is torch.Tensor
    assert repr(nn.Parameter) == "<class 'torch.nn.parameter.Parameter'>" and nn.Parameter(p) is not p
    assert not isinstance(torch.ones(1), nn.Parameter) and isinstance(p, torch.Tensor)
    assert nn.Parameter(torch.ones(1, requires_grad=True) * 2).is_leaf
    with pytest.raises(RuntimeError, match="Only Tensors of floating point and complex dtype can require gradients"):
        nn.Parameter(torch.tensor([1]))
    with pytest.raises(AttributeError, match="'list' object has no attribute 'detach'"):
        nn.Parameter([1.0])
    again = copy.deepcopy(p)
    assert isinstance(again, nn.Parameter) and again is not p and again.tolist() == [1, 2]


def test_buffer():
    source = torch.ones(2)
    b = nn.Buffer(source, persistent=False)
    assert type(b) is torch.Tensor and isinstance(b, nn.Buffer) and not b.persistent and b is not source
    assert not isinstance(b, nn.Parameter) and not isinstance(source, nn.Buffer)


def test_uninitialized():
    p = nn.UninitializedParameter(dtype=torch.float64)
    assert repr(p) == "<UninitializedParameter>" and nn.parameter.is_lazy(p) and isinstance(p, nn.Parameter)
    with pytest.raises(RuntimeError, match="Can't access the shape of an uninitialized parameter or buffer"):
        p.shape
    for use in (lambda: p + 1, lambda: p.sum(), lambda: len(p)):
        with pytest.raises(ValueError, match="Attempted to use an uninitialized parameter in"):
            use()
    with pytest.raises(RuntimeError, match="Can't share memory on an uninitialized parameter or buffer"):
        p.share_memory_()
    holder = nn.Module()
    holder.p = p
    holder.float()
    assert type(copy.deepcopy(p)) is nn.UninitializedParameter
    p.materialize((2, 3))
    assert type(p) is nn.Parameter and p.shape == (2, 3) and p.requires_grad and p.dtype == torch.float32
    b = nn.UninitializedBuffer()
    b.materialize((2,))
    assert type(b) is torch.Tensor and not b.requires_grad


def test_an_error_inside_a_property_is_the_cause():
    class Broken(nn.Module):
        @property
        def size(self):
            return self.missing

    with pytest.raises(AttributeError, match="'Broken' object has no attribute 'size'") as caught:
        Broken().size
    assert str(caught.value.__cause__) == "'Broken' object has no attribute 'missing'"


def test_uninitialized_tensors_stay_so_when_converted():
    holder = nn.Module()
    holder.register_buffer("b", nn.UninitializedBuffer())
    holder.p = nn.UninitializedParameter()
    holder.double()
    assert repr(holder._buffers) == "{'b': <UninitializedBuffer>}" and holder.b.dtype == torch.float64
    again = pickle.loads(pickle.dumps(holder.p))
    assert type(again) is nn.UninitializedParameter and again.dtype == torch.float64
