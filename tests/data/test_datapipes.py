"""Pipes of samples. Random orders are PyTorch 2.13's for the same seeds."""

import io
import pickle
from pathlib import Path

import pytest

import kenaz as torch
from kenaz.utils.data import DataLoader, IterDataPipe, functional_datapipe, graph_settings
from kenaz.utils.data.datapipes import iter as pipes
from kenaz.utils.data.datapipes import map as maps

W = pipes.IterableWrapper


def test_orders() -> None:
    torch.manual_seed(0)
    assert list(W(range(10)).shuffle()) == [3, 5, 0, 1, 9, 6, 2, 7, 4, 8]
    assert list(W(range(10)).shuffle(buffer_size=3)) == [0, 3, 1, 5, 6, 7, 8, 4, 2, 9]
    assert list(W(range(10)).shuffle().set_seed(3)) == [3, 9, 2, 4, 7, 6, 0, 8, 1, 5]
    torch.manual_seed(0)
    assert list(maps.SequenceWrapper(range(6)).shuffle()) == [4, 5, 3, 0, 2, 1]


def test_orders_in_a_loader() -> None:
    torch.manual_seed(1)
    loader = DataLoader(W(range(8)).shuffle(), shuffle=True, batch_size=3)
    assert [b.tolist() for b in loader] == [[2, 0, 4], [6, 5, 3], [1, 7]]
    assert list(DataLoader(W(range(8)).shuffle(), shuffle=False, batch_size=None)) == list(range(8))


@pytest.mark.parametrize("persistent", [False, True])
def test_workers_share_an_order(persistent: bool) -> None:
    torch.manual_seed(2)
    source = W(range(8)).shuffle().sharding_filter()
    loader = DataLoader(source, shuffle=True, batch_size=None, num_workers=2, persistent_workers=persistent)
    assert [int(x) for x in loader] == [7, 3, 0, 4, 5, 6, 2, 1]
    assert [int(x) for x in loader] == [0, 3, 5, 4, 7, 2, 1, 6]


def test_splitting() -> None:
    a, b = W(range(7)).fork(2)
    assert list(zip(a, b)) == [(i, i) for i in range(7)] and list(a) == list(b) == list(range(7))
    even, odd = W(range(7)).demux(2, lambda x: x % 2)
    assert (list(even), list(odd)) == ([0, 2, 4, 6], [1, 3, 5])
    with pytest.raises(BufferError, match="buffer overflow,buffer size 10 is insufficient"):
        list(W(range(2000)).fork(2, buffer_size=10)[0])
    with pytest.raises(ValueError, match="Output of the classification fn should be between 0 and 1. 5 is returned."):
        list(W([5]).demux(2, lambda x: x)[0])


def test_combining_and_grouping() -> None:
    assert list(W([1]).concat(W([2]))) == [1, 2]
    assert list(W([1, 2]).mux(W([3, 4]))) == [1, 3, 2, 4]
    assert list(W([1, 2]).zip(W("ab"))) == [(1, "a"), (2, "b")]
    assert list(W(range(7)).groupby(lambda x: x % 3, group_size=2)) == [[0, 3], [1, 4], [2, 5], [6]]
    assert list(W(range(5)).batch(2).unbatch()) == list(W(range(5)).batch(2).batch(2).unbatch(-1)) == list(range(5))
    assert len(W(range(5)).batch(2)) == 3 and len(W(range(5)).batch(2, drop_last=True)) == 2
    with pytest.raises(IndexError, match="unbatch_level 2 exceeds the depth"):
        list(W([[1]]).unbatch(2))


def test_applying_functions() -> None:
    rows = [(1, 2), (3, 4)]
    assert list(W(rows).map(lambda x: x * 10, input_col=1)) == [(1, 20), (3, 40)]
    assert list(W(rows).map(lambda x, y: x + y, input_col=[0, 1])) == [(3,), (7,)]
    assert list(W(rows).map(lambda x: x * 10, input_col=1, output_col=-1)) == [(1, 2, 20), (3, 4, 40)]
    assert list(W([{"a": 1}]).map(lambda x: x * 10, input_col="a", output_col="b")) == [{"a": 1, "b": 10}]
    assert list(W(range(5)).filter(lambda x: x > 2)) == [3, 4]
    assert [b.tolist() for b in W([[1, 2]]).collate()] == [[1, 2]]
    with pytest.raises(ValueError, match="Boolean output is required for `filter_fn` of FilterIterDataPipe"):
        list(W([1]).filter(lambda x: 1))
    assert list(pickle.loads(pickle.dumps(W([1, 2]).map(str)))) == ["1", "2"]


def test_one_iterator_at_a_time() -> None:
    pipe = W(range(3))
    first = iter(pipe)
    next(first)
    next(iter(pipe))
    with pytest.raises(RuntimeError, match="This iterator has been invalidated because another iterator"):
        next(first)


def test_names() -> None:
    @functional_datapipe("doubled_for_a_test")
    class Doubled(IterDataPipe):
        def __init__(self, source: IterDataPipe) -> None:
            self.source = source

        def __iter__(self):  # type: ignore[no-untyped-def]
            for x in self.source:
                yield 2 * x

    assert list(W([1]).doubled_for_a_test()) == [2] and repr(W([1]).map(int)) == "MapperIterDataPipe"
    with pytest.raises(AttributeError, match="'IterableWrapperIterDataPipe' object has no attribute 'nope'"):
        W([1]).nope
    with pytest.raises(Exception, match="Unable to add DataPipe function name map as it is already taken"):
        functional_datapipe("map")(Doubled)
    with pytest.raises(TypeError, match="instance doesn't have valid length"):
        len(W(x for x in [1]).map(int))


def test_samples_looked_up() -> None:
    pipe = maps.SequenceWrapper(range(5)).map(lambda x: x + 1).batch(2)
    assert [pipe[i] for i in range(len(pipe))] == [[1, 2], [3, 4], [5]]
    assert maps.SequenceWrapper([1]).concat(maps.SequenceWrapper([2]))[1] == 2
    assert maps.SequenceWrapper(range(3)).zip(maps.SequenceWrapper("abc"))[2] == (2, "c")
    with pytest.raises(IndexError, match="Index 9 is out of bound"):
        pipe[9]


def test_files(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "c.bin"):
        (tmp_path / name).write_text(name)
    names = [Path(p).name for p in pipes.FileLister(str(tmp_path), "*.txt")]
    assert names == ["a.txt", "b.txt"]
    opened = pipes.FileLister(str(tmp_path), "*.bin").open_files("rb").read_from_stream(2)
    assert b"".join(part for _, part in opened) == b"c.bin"
    stream = io.BytesIO(b"xyz")
    assert list(W([("x", stream)], deepcopy=False).read_from_stream()) == [("x", b"xyz")] and stream.closed


def test_settings_of_graphs() -> None:
    pipe = W(range(9)).shuffle().map(lambda x: x).sharding_filter()
    assert len(graph_settings.get_all_graph_pipes(graph_settings.traverse_dps(pipe))) == 4
    graph_settings.apply_shuffle_settings(pipe, False)
    graph_settings.apply_sharding(pipe, 3, 1)
    assert list(pipe) == [1, 4, 7] and len(pipe) == 3
    with pytest.warns(UserWarning, match="does not contain a `Shuffler`. Adding one at the end"):
        assert sorted(graph_settings.apply_shuffle_settings(W(range(3)), True)) == [0, 1, 2]
    with pytest.raises(ValueError, match="should be smaller than num_of_instances"):
        graph_settings.apply_sharding(pipe, 2, 2)
