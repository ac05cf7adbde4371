"""The walk over ONNX bytes: it finds every location that the onnx package finds, and survives any bytes."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx.helper import make_attribute

from latentlink.engine.bundle import onnx_locations as _onnx_locations
from latentlink.engine.bundle.onnx_locations import external_locations
from latentlink.errors import BundleError


def tensor(location: str) -> onnx.TensorProto:
    made = onnx.TensorProto(name="w", dims=[1], data_type=1, data_location=onnx.TensorProto.EXTERNAL)
    made.external_data.add(key="offset", value="0")
    made.external_data.add(key="location", value=location)
    return made


def varint(number: int) -> bytes:
    made = b""
    while number > 127:
        made, number = made + bytes([number & 127 | 128]), number >> 7
    return made + bytes([number])


def in_initializer(model: onnx.ModelProto, location: str) -> None:
    model.graph.initializer.append(tensor(location))


def in_sparse_values(model: onnx.ModelProto, location: str) -> None:
    model.graph.sparse_initializer.add(values=tensor(location))


def in_sparse_indices(model: onnx.ModelProto, location: str) -> None:
    model.graph.sparse_initializer.add(indices=tensor(location))


def in_attribute(model: onnx.ModelProto, location: str) -> None:
    model.graph.node.add(op_type="Constant").attribute.add(name="value", type=4, t=tensor(location))


def in_attribute_list(model: onnx.ModelProto, location: str) -> None:
    model.graph.node.add(op_type="X").attribute.add(name="values", type=9, tensors=[tensor(location)])


def in_sparse_attribute(model: onnx.ModelProto, location: str) -> None:
    sparse = onnx.SparseTensorProto(values=tensor(location))
    model.graph.node.add(op_type="Constant").attribute.add(name="v", type=11, sparse_tensor=sparse)


def in_sparse_attribute_list(model: onnx.ModelProto, location: str) -> None:
    sparse = onnx.SparseTensorProto(values=tensor(location))
    model.graph.node.add(op_type="X").attribute.add(name="v", type=12, sparse_tensors=[sparse])


def in_branch(model: onnx.ModelProto, location: str) -> None:
    branch = onnx.GraphProto(initializer=[tensor(location)])
    model.graph.node.add(op_type="If").attribute.add(name="then_branch", type=5, g=branch)


def in_branch_of_branch(model: onnx.ModelProto, location: str) -> None:
    inner = onnx.GraphProto()
    inner.node.add(op_type="If").attribute.add(
        name="graphs", type=10, graphs=[onnx.GraphProto(initializer=[tensor(location)])]
    )
    model.graph.node.add(op_type="If").attribute.add(name="else_branch", type=5, g=inner)


def in_function(model: onnx.ModelProto, location: str) -> None:
    function = model.functions.add(name="f", domain="d")
    function.node.add(op_type="Constant").attribute.add(name="value", type=4, t=tensor(location))


def in_function_default(model: onnx.ModelProto, location: str) -> None:
    model.functions.add(name="f", domain="d").attribute_proto.add(name="a", type=4, t=tensor(location))


def in_training_graph(model: onnx.ModelProto, location: str) -> None:
    model.training_info.add(algorithm=onnx.GraphProto(initializer=[tensor(location)]))


PLACES = (
    in_initializer, in_sparse_values, in_sparse_indices, in_attribute, in_attribute_list, in_sparse_attribute,
    in_sparse_attribute_list, in_branch, in_branch_of_branch, in_function, in_function_default, in_training_graph,
)  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.onnx"


@pytest.mark.parametrize("put", PLACES)
def test_a_location_is_found_when_it_is(put: Callable[[onnx.ModelProto, str], None], path: Path) -> None:
    model = onnx.ModelProto(ir_version=10, producer_name="location")
    put(model, "../../etc/passwd")
    path.write_bytes(model.SerializeToString())
    assert external_locations(path) == {b"../../etc/passwd"}


def test_every_message_that_can_hold_a_tensor_is_followed() -> None:
    """Compares the table with the onnx package's own schema, so that a new field cannot be forgotten."""
    names = {
        "ModelProto": "model", "TrainingInfoProto": "training", "FunctionProto": "function", "GraphProto": "graph",
        "NodeProto": "node", "AttributeProto": "attribute", "SparseTensorProto": "sparse", "TensorProto": "tensor",
    }  # fmt: skip
    for proto, name in names.items():
        schema = getattr(onnx, proto).DESCRIPTOR
        expected = {
            field.number: names[field.message_type.name]
            for field in schema.fields
            if field.message_type is not None and field.message_type.name in names
        }
        children = dict(_onnx_locations._CHILDREN[name])
        if name == "tensor":
            assert children.pop(schema.fields_by_name["external_data"].number) == "entry"
        assert children == expected
        others = {f.message_type.name for f in schema.fields if f.message_type is not None} - names.keys()
        assert not any("Tensor" in other for other in others - {"TensorAnnotation"}), others


def test_an_entry_with_two_values_counts_with_both_as_parsers_take_the_last(path: Path) -> None:
    entry = b"\x0a\x08location\x12\x04good\x12\x03bad"
    raw = b"\x6a" + bytes([len(entry)]) + entry
    graph = b"\x2a" + bytes([len(raw)]) + raw
    path.write_bytes(b"\x3a" + bytes([len(graph)]) + graph)
    loaded = onnx.load_model_from_string(path.read_bytes())
    assert loaded.graph.initializer[0].external_data[0].value == "bad"
    assert external_locations(path) == {b"good", b"bad"}


def test_a_key_that_is_replaced_later_counts_as_well(path: Path) -> None:
    entry = b"\x0a\x01x\x12\x03bad\x0a\x08location"
    raw = b"\x6a" + bytes([len(entry)]) + entry
    graph = b"\x2a" + bytes([len(raw)]) + raw
    path.write_bytes(b"\x3a" + bytes([len(graph)]) + graph)
    assert external_locations(path) == {b"bad"}


def test_a_location_without_a_value_is_an_empty_one(path: Path) -> None:
    made = onnx.TensorProto(name="w")
    made.external_data.add(key="location")
    path.write_bytes(onnx.ModelProto(graph=onnx.GraphProto(initializer=[made])).SerializeToString())
    assert external_locations(path) == {b""}


def test_two_graphs_in_one_model_are_both_walked_as_parsers_merge_them(path: Path) -> None:
    parts = [onnx.ModelProto(graph=onnx.GraphProto(initializer=[tensor(name)])) for name in ("a", "b")]
    path.write_bytes(b"".join(part.SerializeToString() for part in parts))
    assert external_locations(path) == {b"a", b"b"}


def test_weights_that_look_like_a_location_are_stepped_over(path: Path) -> None:
    decoy = onnx.ModelProto(graph=onnx.GraphProto(initializer=[tensor("decoy")])).SerializeToString()
    holder = onnx.TensorProto(name="w", raw_data=decoy)
    path.write_bytes(onnx.ModelProto(graph=onnx.GraphProto(initializer=[holder])).SerializeToString())
    assert external_locations(path) == frozenset()


class CountedBytes(mmap.mmap):
    """A mapped file that counts the bytes that are read of it."""

    read_bytes = 0

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        CountedBytes.read_bytes += 1 if isinstance(found, int) else len(found)
        return found


@pytest.fixture
def read_bytes(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many bytes of files the walk has read."""
    monkeypatch.setattr(CountedBytes, "read_bytes", 0)
    counted = SimpleNamespace(mmap=CountedBytes, ACCESS_READ=mmap.ACCESS_READ)
    monkeypatch.setattr(_onnx_locations, "mmap", counted)
    return lambda: CountedBytes.read_bytes


def test_weights_are_not_read(path: Path, read_bytes: Callable[[], int]) -> None:
    size = 1 << 30
    head = b"\x4a" + varint(size)  # tensor.raw_data
    head = b"\x2a" + varint(len(head) + size) + head  # graph.initializer
    head = b"\x3a" + varint(len(head) + size) + head  # model.graph
    path.write_bytes(head)
    os.truncate(path, len(head) + size)
    assert external_locations(path) == frozenset()
    assert 0 < read_bytes() < 100


def nested(levels: int) -> bytes:
    """A graph in an attribute of a node in a graph in an attribute ..."""
    data = b""
    for number in range(levels):
        tag = (b"\x32", b"\x2a", b"\x0a")[number % 3]  # attribute.g, node.attribute, graph.node
        data = tag + varint(len(data)) + data
    return b"\x3a" + varint(len(data)) + data


def test_messages_nested_too_deep_are_refused(path: Path) -> None:
    path.write_bytes(nested(9000))
    with pytest.raises(BundleError, match="nested deeper than 100"):
        external_locations(path)


@pytest.mark.parametrize("operator", ["Loop", "Scan"])
@pytest.mark.parametrize("domain", ["", "ai.onnx"])
def test_an_operator_that_may_repeat_for_ever_is_refused_wherever_it_is(operator: str, domain: str, path: Path) -> None:
    node = onnx.NodeProto(op_type=operator, domain=domain)
    branch = onnx.ModelProto(ir_version=10)
    branch.graph.node.add(op_type="If").attribute.add(name="else_branch", type=5, g=onnx.GraphProto(node=[node]))
    function = onnx.ModelProto(ir_version=10)
    function.functions.add(name="f", domain="d").node.append(node)
    for model in (onnx.ModelProto(ir_version=10, graph=onnx.GraphProto(node=[node])), branch, function):
        path.write_bytes(model.SerializeToString())
        with pytest.raises(BundleError, match=f"it has the operator {operator}, which may repeat for ever"):
            external_locations(path)


@pytest.mark.python_reader("a smaller limit")
def test_too_many_fields_are_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_onnx_locations, "MAX_FIELDS", 1000)
    path.write_bytes(b"\x08\x01" * 1001)
    with pytest.raises(BundleError, match="more than 1000 fields"):
        external_locations(path)


def context(*attributes: onnx.AttributeProto, domain: str = "com.microsoft") -> onnx.NodeProto:
    return onnx.NodeProto(op_type="EPContext", domain=domain, attribute=attributes)


def written(path: Path, *nodes: onnx.NodeProto) -> Path:
    path.write_bytes(onnx.ModelProto(ir_version=10, graph=onnx.GraphProto(node=nodes)).SerializeToString())
    return path


OUTSIDE, INSIDE = make_attribute("embed_mode", 0), make_attribute("embed_mode", 1)
AWAY = make_attribute("ep_cache_context", b"../../plan")


@pytest.mark.parametrize("attributes", [(OUTSIDE, AWAY), (AWAY, OUTSIDE)], ids=["mode first", "name first"])
@pytest.mark.parametrize("domain", ["com.microsoft", "", "elsewhere"])
def test_the_engine_that_a_context_node_names_is_found(
    attributes: tuple[onnx.AttributeProto, ...], domain: str, path: Path
) -> None:
    assert external_locations(written(path, context(*attributes, domain=domain))) == {b"../../plan"}


def test_a_context_node_in_a_branch_or_a_function_is_found(path: Path) -> None:
    branch = make_attribute("then_branch", onnx.GraphProto(node=[context(OUTSIDE, AWAY)]))
    model = onnx.ModelProto(graph=onnx.GraphProto(node=[onnx.NodeProto(op_type="If", attribute=[branch])]))
    other = make_attribute("ep_cache_context", b"other")
    model.functions.append(onnx.FunctionProto(name="f", domain="d", node=[context(OUTSIDE, other)]))
    path.write_bytes(model.SerializeToString())
    assert external_locations(path) == {b"../../plan", b"other"}


@pytest.mark.parametrize("attributes", [(INSIDE, AWAY), (AWAY,)], ids=["mode 1", "no mode, which is 1"])
def test_an_engine_inside_the_file_is_no_name(attributes: tuple[onnx.AttributeProto, ...], path: Path) -> None:
    assert external_locations(written(path, context(*attributes))) == frozenset()


def test_the_bytes_of_an_engine_inside_the_file_are_not_read(path: Path, read_bytes: Callable[[], int]) -> None:
    written(path, context(INSIDE, make_attribute("ep_cache_context", bytes(1 << 26))))
    assert external_locations(path) == frozenset()
    assert 0 < read_bytes() < 10_000


# what a parser, or a provider, could take for 0: the last of two, none, a large one, another wire type
@pytest.mark.parametrize("raw", ["18001801", "18011800", "", "1802", "18ffffffffffffffffff01", "1d01000000"])
def test_a_mode_that_is_not_plainly_1_means_a_file(raw: str, path: Path) -> None:
    mode = onnx.AttributeProto(name="embed_mode", type=onnx.AttributeProto.INT).SerializeToString() + bytes.fromhex(raw)
    fields = AWAY.SerializeToString()
    node = b"\x22\x09EPContext" + b"".join(b"\x2a" + varint(len(each)) + each for each in (mode, fields))
    graph = b"\x0a" + varint(len(node)) + node
    path.write_bytes(b"\x3a" + varint(len(graph)) + graph)
    assert onnx.load_model_from_string(path.read_bytes()).graph.node[0].op_type == "EPContext"
    assert external_locations(path) == {b"../../plan"}


def test_every_name_of_a_repeated_attribute_counts(path: Path) -> None:
    twice = context(OUTSIDE, AWAY, make_attribute("ep_cache_context", b"plan"), INSIDE)
    assert external_locations(written(path, twice)) == {b"../../plan", b"plan"}


def test_an_operator_that_is_replaced_later_counts_as_well(path: Path) -> None:
    node = context(OUTSIDE, AWAY).SerializeToString() + b"\x22\x03Add"
    graph = b"\x0a" + varint(len(node)) + node
    path.write_bytes(b"\x3a" + varint(len(graph)) + graph)
    assert external_locations(path) == {b"../../plan"}


def test_a_context_node_without_a_name_names_an_empty_one(path: Path) -> None:
    assert external_locations(written(path, context(OUTSIDE, onnx.AttributeProto(name="ep_cache_context")))) == {b""}


def test_a_name_is_not_cut_to_one_that_is_listed(path: Path) -> None:
    long = b"a" * 4096
    (found,) = external_locations(written(path, context(OUTSIDE, make_attribute("ep_cache_context", long + b"/../b"))))
    assert found == long  # longer than the name of any file


def test_the_model_that_an_engine_was_made_of_is_found_as_a_refit_reads_it(path: Path) -> None:
    named = make_attribute("onnx_model_filename", b"/etc/model.onnx")
    assert external_locations(written(path, context(INSIDE, AWAY, named))) == {b"/etc/model.onnx"}


def test_a_name_that_the_caller_of_a_function_gives_is_refused(path: Path) -> None:
    taken = onnx.AttributeProto(name="ep_cache_context", type=onnx.AttributeProto.STRING, ref_attr_name="plan")
    model = onnx.ModelProto(functions=[onnx.FunctionProto(name="f", domain="d", node=[context(OUTSIDE, taken)])])
    path.write_bytes(model.SerializeToString())
    with pytest.raises(BundleError, match="the caller of a function gives"):
        external_locations(path)


def test_an_engine_without_weights_is_refused_as_its_other_half_is_looked_for_elsewhere(path: Path) -> None:
    stripped = make_attribute("ep_cache_context", b"plan.stripped.engine")
    with pytest.raises(BundleError, match="an engine without weights"):
        external_locations(written(path, context(OUTSIDE, stripped)))


def test_other_nodes_may_have_attributes_of_those_names(path: Path) -> None:
    other = onnx.NodeProto(op_type="EPContexts", domain="com.microsoft", attribute=[OUTSIDE, AWAY])
    assert external_locations(written(path, other)) == frozenset()


MALFORMED = {
    "nothing": b"",
    "a cut tag": b"\xff",
    "a number of 11 bytes": b"\x08" + b"\xff" * 10 + b"\x01",
    "a cut number": b"\x08\x80",
    "a length beyond the end": b"\x3a\x05abc",
    "a length of 2^63": b"\x3a" + b"\xff" * 9 + b"\x01",
    "a child longer than its parent": b"\x3a\x02\x2a\x05abcdef",
    "field number 0": b"\x02\x01a",
    "a group": b"\x0b\x0c",
    "wire type 7": b"\x0f",
    "a cut fixed64": b"\x09abc",
    "a cut fixed32": b"\x0dabc",
}


@pytest.mark.parametrize("case", MALFORMED)
def test_bytes_are_refused_when_they_hold(case: str, path: Path) -> None:
    path.write_bytes(MALFORMED[case])
    with pytest.raises(BundleError, match="is not an ONNX file"):
        external_locations(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(data=st.binary(min_size=1, max_size=300))
def test_any_bytes_are_walked_or_refused(data: bytes, path: Path) -> None:
    path.write_bytes(data)
    try:
        external_locations(path)
    except BundleError as error:
        assert error.remedy


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(data=st.data())
def test_a_changed_model_shows_no_location_to_the_onnx_package_that_was_not_found(
    data: st.DataObject, path: Path
) -> None:
    model = onnx.ModelProto(ir_version=10)
    for put in PLACES:
        put(model, "here")
    raw = bytearray(model.SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw)
    try:
        loaded = onnx.load_model_from_string(bytes(raw))
    except Exception:  # the package's parser raises several classes; what it refuses nobody loads
        return
    seen = {
        entry.value.encode() if isinstance(entry.value, str) else entry.value  # bytes where it is no UTF-8
        for made in loaded.graph.initializer
        for entry in made.external_data
        if entry.key == "location"
    }
    with suppress(BundleError):  # to be stricter than the parser is allowed
        assert seen <= external_locations(path)
