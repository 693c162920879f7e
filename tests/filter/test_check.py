"""Types: which operators and constants which fields take, and what is said about the others."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from scap_formats.types import ParamType as T
from scaptools.errors import FilterTypeError, UnknownFieldError
from scaptools.filter import UnknownFieldInFilterError, compile_filter, field
from scaptools.filter.constants import ConstantError, Network, convert
from scaptools.filter.kinds import KINDS, Kind
from scaptools.filter.operators import OPERATORS, Shape
from scaptools.filter.services import SERVICES

if TYPE_CHECKING:
    from collections.abc import Callable

NUMBERS = (
    "INT8 INT16 INT32 INT64 UINT8 UINT16 UINT32 UINT64 FD PID ERRNO PORT FLAGS8 FLAGS16 FLAGS32 "
    "ENUMFLAGS8 ENUMFLAGS16 ENUMFLAGS32 MODE RELTIME ABSTIME DOUBLE"
)
TEXTS = "CHARBUF FSPATH FSRELPATH"
ADDRESSES = "IPADDR IPNET IPV4ADDR IPV4NET IPV6ADDR IPV6NET"
OTHERS = "SOCKADDR SOCKTUPLE FDLIST SIGSET UID GID PID32 DYN CHARBUFARRAY SIGTYPE SYSCALLID"
ALLOWED = (
    dict.fromkeys(NUMBERS.split(), "= != < <= > >= in intersects exists")
    | {"BOOL": "= != in intersects exists"}
    | dict.fromkeys(
        TEXTS.split(),
        "= != < <= > >= glob iglob contains icontains startswith endswith regex in intersects pmatch exists",
    )
    | {"BYTEBUF": "= != contains startswith endswith bcontains bstartswith in intersects exists"}
    | dict.fromkeys(ADDRESSES.split(), "= != in intersects exists")
    | dict.fromkeys(OTHERS.split(), "exists")
)
CONSTANTS = {Kind.BOOL: "true", Kind.ADDRESS: "1.2.3.4", Kind.NETWORK: "1.2.3.4/8"}
OPERANDS = {Shape.UNARY: "", Shape.NUMBER: "41", Shape.TEXT: "{}", Shape.LIST: "({})"}


@pytest.fixture(scope="session")
def one_field(make_field: Callable[..., Any], make_resolver: Callable[..., Any]) -> Callable[..., Any]:
    """``one_field(type, **attributes)``: a resolver that knows the field ``a.b`` of that type, without values."""

    def make(type_: T, **attributes: Any) -> Any:
        return make_resolver([make_field("a.b", type_, [None], **attributes)])

    return make


@pytest.mark.parametrize("operator", OPERATORS.values(), ids=lambda operator: operator.name)
@pytest.mark.parametrize("name", ALLOWED)
def test_operators_by_type(name: str, operator: Any, one_field: Callable[..., Any]) -> None:
    constant = CONSTANTS.get(KINDS[T[name]], "41")
    text = f"a.b {operator.name} {OPERANDS[operator.shape].format(constant)}"
    resolver = one_field(T[name])
    if operator.name in ALLOWED[name].split():
        assert compile_filter(text, resolver).select([0]).tolist() == []
    else:
        with pytest.raises(FilterTypeError, match="not supported") as caught:
            compile_filter(text, resolver)
        assert caught.value.position == 4
        assert f"has type {name}" in str(caught.value)


@pytest.mark.parametrize("operator", OPERATORS.values(), ids=lambda operator: operator.name)
def test_operators_of_lists(operator: Any, one_field: Callable[..., Any]) -> None:
    text = f"a.b {operator.name} {OPERANDS[operator.shape].format('41')}"
    resolver = one_field(T.UINT64, is_list=True)
    if operator.name in {"in", "intersects", "exists"}:
        assert compile_filter(text, resolver).select([0]).tolist() == []
    else:
        with pytest.raises(FilterTypeError, match=f"'{operator.name}' operator not supported list filters"):
            compile_filter(text, resolver)


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (T.INT8, "200", -56),
        (T.UINT8, "-1", 255),
        (T.INT32, "4294967295", -1),
        (T.UINT32, "4294967296", 0),
        (T.UINT64, "18446744073709551615", 2**64 - 1),
        (T.UINT64, "-1", 2**64 - 1),
        (T.INT64, "-9223372036854775808", -(2**63)),
        (T.FD, " \t+3", 3),
        (T.PID, "0x1F", 31),
        (T.MODE, "0X1b6", 438),
        (T.ABSTIME, "1470327477000000000", 1470327477000000000),
        (T.DOUBLE, "-2", -2.0),
        (T.DOUBLE, "0.5", 0.5),
        (T.BOOL, "true", 1),
        (T.BOOL, "false", 0),
        (T.PORT, "443", 443),
        (T.PORT, "", 0),
        (T.PORT, "65536", 0),
        (T.PORT, "https", 443),
        (T.PORT, "redis", 6379),
        (T.PORT, "0x50", 80),
        (T.IPADDR, "1.2.3.4", b"\1\2\3\4"),
        (T.IPADDR, "::1", bytes(15) + b"\1"),
        (T.IPNET, "10.0.0.0/8", Network(b"\x0a\0\0\0", 8)),
        (T.IPNET, "1.2.3.4/0", Network(b"\1\2\3\4", 0)),
        (T.IPNET, "2001::/128", Network(b"\x20\x01" + bytes(14), 128)),
        (T.CHARBUF, "x y", b"x y"),
        (T.CHARBUF, "", b""),
        (T.CHARBUF, "x" * 255, b"x" * 255),
        (T.BYTEBUF, "4x", b"4x"),
    ],
)
def test_constants(type_: T, text: str, value: object) -> None:
    assert convert(text.encode(), type_) == value


@pytest.mark.parametrize(
    ("type_", "text", "message"),
    [
        (T.INT64, "3.0", "3.0 is not a valid number"),
        (T.INT64, "3x", "3x is not a valid number"),
        (T.INT64, "3 ", "3  is not a valid number"),
        (T.INT64, "", " is not a valid number"),
        (T.INT64, "1e+3", "1e+3 is not a valid number"),
        (T.INT64, "0x", "0x is not a valid number"),
        (T.INT64, "-0x3", "-0x3 is not a valid number"),
        (T.INT64, "٣", "٣ is not a valid number"),
        (T.UINT64, str(2**64), "18446744073709551616 is not a valid number: it needs more than 64 bits"),
        (T.UINT8, "9" * 5000, f"{'9' * 5000} is not a valid number"),
        (T.DOUBLE, "x", "x is not a valid number"),
        (T.DOUBLE, "nan", "nan is not a valid number"),
        (T.BOOL, "FALSE", "unrecognized boolean value FALSE"),
        (T.BOOL, "0", "unrecognized boolean value 0"),
        (T.PORT, "nosuch", "unrecognized protocol nosuch"),
        (T.PORT, "-1", "unrecognized protocol -1"),
        (T.PORT, "9999999999999", "9999999999999 is not a valid port"),
        (T.IPADDR, "999.1.1.1", "unrecognized IPv4 address 999.1.1.1"),
        (T.IPADDR, "abc", "unrecognized IPv6 address abc"),
        (T.IPADDR, "fe80::1%eth0", "unrecognized IPv6 address fe80::1%eth0"),
        (T.IPNET, "10.0.0.0", "unrecognized IP network 10.0.0.0"),
        (T.IPNET, "10.0.0.0/", "unrecognized IP network 10.0.0.0/"),
        (T.IPNET, "10.0.0.0/8x", "unrecognized IP network 10.0.0.0/8x"),
        (T.IPNET, "10.0.0.0/33", "invalid netmask 33"),
        (T.IPNET, "::/0", "invalid v6 netmask 0"),
        (T.IPNET, "::/129", "invalid v6 netmask 129"),
        (T.CHARBUF, "x" * 256, "a text constant has at most 255 bytes, this one 256"),
        (T.CHARBUF, "a\0b", r"filter value cannot contain a NUL byte (\x00)"),
    ],
)
def test_wrong_constants(type_: T, text: str, message: str) -> None:
    with pytest.raises(ConstantError) as caught:
        convert(text.encode(), type_)
    assert str(caught.value) == message


def test_hexadecimal_constants() -> None:
    assert convert(b"7F45fF", T.BYTEBUF, hexadecimal=True) == b"\x7f\x45\xff"
    for text in (b"0x45", b"454", b"4g"):
        with pytest.raises(ConstantError, match="bcontains and bstartswith operator support hex strings only"):
            convert(text, T.BYTEBUF, hexadecimal=True)


@pytest.fixture
def resolver(make_field: Callable[..., Any], make_resolver: Callable[..., Any]) -> Any:
    no_rhs = frozenset({"NO_RHS", "NO_TRANSFORMER"})
    return make_resolver(
        [
            make_field("evt.type", T.CHARBUF, [None], constants=frozenset({"open", "close"})),
            make_field("proc.name", T.CHARBUF, [None]),
            make_field("proc.aname", T.CHARBUF, [[]], comparison="any", flags=no_rhs),
            make_field("fd.num", T.INT64, [None]),
            make_field("fd.sport", T.PORT, [None]),
            make_field("fd.types", T.CHARBUF, [[]], is_list=True, flags=frozenset({"NO_RHS"})),
            make_field("fd.cip", T.IPADDR, [None]),
            make_field("evt.buffer", T.BYTEBUF, [None]),
            make_field("evt.rawarg.addr", T.SOCKADDR, [b""], flags=no_rhs),
            make_field("evt.around[5]", T.UINT64, [None], comparison="within", flags=no_rhs),
        ]
    )


@pytest.mark.parametrize(
    ("text", "at", "message"),
    [
        ("foo", "foo", "unexpected identifier 'foo'"),
        ("proc.name = x and m", "m", "unexpected identifier 'm'"),
        ("fd.num contains 3", "contains", "'contains' operator not supported for numeric filters"),
        ("proc.name bcontains 41", "bcontains", "'bcontains' operator not supported for string filters"),
        ("evt.buffer icontains x", "icontains", "'icontains' operator not supported for buffer filters"),
        ("fd.cip < 5", "<", "'<' operator not supported for ip address and network filters"),
        ("fd.types = x", "=", "'=' operator not supported list filters"),
        ("evt.rawarg.addr = x", "=", "'=' operator not supported for type 'SOCKADDR'"),
        ("evt.around[5] != 3", "!=", "evt.around[5] supports only '=' comparison operator"),
        ("evt.around[5] = anyof (3)", "evt.around", "evt.around[5] does not support 'anyof'"),
        ("fd.num in (1, x, 3)", "x", "x is not a valid number"),
        ("fd.num = allof (1, 2y)", "2y", "2y is not a valid number"),
        ("fd.num = 3.5", "3.5", "3.5 is not a valid number"),
        ("proc.name = '\\x00'", "'", r"filter value cannot contain a NUL byte (\x00)"),
        ("evt.type = nosuch", "nosuch", "unknown event type nosuch"),
        ("evt.type startswith op", "op", "unknown event type op"),
        ("evt.type in (open, nosuch)", "nosuch", "unknown event type nosuch"),
        ("proc.name regex '('", "'", "invalid regex pattern: missing ): ("),
        ("proc.name regex '[b-a]'", "'", "invalid regex pattern: invalid character class range: b-a"),
        ("proc.name regex x{1001}", "x{", "invalid regex pattern: invalid repetition size: {1001}"),
        ("proc.name = allof (x) and proc.name regex anyof (a, '*')", "'", r"missing argument to repetition"),
        ("proc.name regex val(proc.name)", "regex", "operator 'REGEX' doesn't support right-hand side fields"),
        ("proc.name pmatch val(proc.name)", "pmatch", "operator 'PMATCH' doesn't support right-hand side fields"),
        (
            "fd.num = val(fd.sport)",
            "fd.sport",
            "field 'fd.num' has type 'INT64' while the right-hand side field 'fd.sport' has incompatible type 'PORT'",
        ),
        ("proc.name in val(fd.types)", "fd.types", "field 'fd.types' can't be used as a right-hand side field"),
        ("fd.num = len(proc.name)", "len", "has incompatible type 'UINT64'"),
        ("proc.name = val(proc.aname)", "proc.aname", "field 'proc.aname' can't be used as a right-hand side field"),
        ("proc.aname = val(proc.name)", "proc.aname", "can't be compared with a right-hand side field"),
        ("tolower(proc.aname) = x", "proc.aname", "field 'proc.aname' does not support transformers"),
        (
            "len(fd.num) = 1",
            "len",
            "can't add field transformer: type 'INT64' is not supported by 'len' transformer applied on field 'fd.num'",
        ),
        ("basename(evt.buffer) = x", "basename", "type 'BYTEBUF' is not supported by 'basename'"),
        ("tolower(proc.name, 'x') = x", "tolower", "'tolower' takes one argument, not 2"),
        ("tolower(proc.name)[x] = x", "tolower", "'tolower' takes no argument in brackets"),
        ("join(',', proc.name) = x", "join", "join() second argument must be a list"),
        ("join((), ()) = x", "join", "join() first argument must be a string"),
        ("join(',') = x", "join", "join() takes a separator and a list, not 1 arguments"),
        ("concat('x', fd.num) = x", "concat", "concat() arguments must be strings"),
        ("concat('x') = x", "concat", "concat() takes at least two arguments"),
        ("getopt(proc.name, 'a') in (x)", "getopt", "getopt() first argument must be a list"),
        ("getopt(('x'), fd.num) in (x)", "getopt", "getopt() second argument must be a string"),
        ("getopt(('x'), 'a')[ab] = x", "getopt", "getopt() takes one option letter in brackets, not 'ab'"),
        ("getopt(('x'), 'a') = x", "= x", "'=' operator not supported list filters"),
        ("join(',', (fd.types)) = x", "fd.types", "a list of a transformer holds texts and numbers"),
        ("concat('\\x00', 'x') = x", "'", "filter value cannot contain a NUL byte"),
    ],
)
def test_errors(text: str, at: str, message: str, resolver: Any) -> None:
    with pytest.raises(FilterTypeError) as caught:
        compile_filter(text, resolver)
    assert message in caught.value.message
    assert text[caught.value.position :].startswith(at)


def test_a_wrong_constant_names_field_and_type(resolver: Any) -> None:
    with pytest.raises(FilterTypeError) as caught:
        compile_filter("proc.name = x and\nfd.num = three", resolver)
    assert str(caught.value) == (
        "filter error at line 2, column 10: three is not a valid number; fd.num has type INT64"
    )
    assert caught.value.caret() == "fd.num = three\n         ^"


@pytest.mark.parametrize("text", ["proc.name = x or proc.nmae = y", "proc.name = val(proc.nmae)", "len(proc.nmae) = 3"])
def test_unknown_fields_come_with_place_and_suggestions(text: str, resolver: Any) -> None:
    with pytest.raises(UnknownFieldInFilterError) as caught:
        compile_filter(text, resolver)
    error = caught.value
    assert isinstance(error, UnknownFieldError)
    assert text[error.position :].startswith("proc.nmae")
    assert (error.name, error.suggestions) == ("proc.nmae", ("evt.around[5]",))
    assert error.caret() == f"{text}\n{' ' * error.position}^"
    assert str(error) == (
        f"filter error at line 1, column {error.position + 1}: unknown field proc.nmae; did you mean evt.around[5]?"
    )


def test_wrong_arguments_come_with_their_place(resolver: Any) -> None:
    with pytest.raises(FilterTypeError, match=r"column 19: x is not a valid argument of fd\.num"):
        compile_filter("proc.name = x and fd.num[x] = 3", resolver)


def test_errors_in_a_tree_count_in_its_text(resolver: Any) -> None:
    tree = field("proc.name").exists() & (field("fd.num") == "three")
    with pytest.raises(FilterTypeError) as caught:
        compile_filter(tree, resolver)
    assert caught.value.caret() == "(proc.name exists and fd.num = three)\n                               ^"


@pytest.mark.parametrize(
    ("text", "remarks"),
    [
        ("proc.name = fd.num", [(12, "'fd.num' is compared as text: val(fd.num) is the field of that name")]),
        ("proc.name = ld.so", []),
        ("proc.name in (fd.num)", []),
        (
            "proc.name in ('tolower(x.y)')",
            [(14, "'tolower(x.y)' is compared as text: a transformer stands without quotes")],
        ),
        ("proc.name regex abc", [(16, "'=' does the same as this regex, faster")]),
        ("proc.name regex .*abc", [(16, "'endswith' does the same as this regex, faster")]),
        ("proc.name regex abc.*", [(16, "'startswith' does the same as this regex, faster")]),
        ("proc.name regex .*abc.*", [(16, "'contains' does the same as this regex, faster")]),
        ("proc.name regex a.*c", []),
        ("proc.name regex .*", []),
    ],
)
def test_remarks(text: str, remarks: list[tuple[int, str]], resolver: Any) -> None:
    found = compile_filter(text, resolver).remarks
    assert [(remark.index, remark.text) for remark in found] == remarks


def test_fields_in_the_order_of_the_text(resolver: Any) -> None:
    compiled = compile_filter("not fd.num = 1 or len(proc.name) = 2 and proc.name = val(evt.type)", resolver)
    assert [field.name for field in compiled.fields] == ["fd.num", "proc.name", "evt.type"]


def test_every_type_has_a_kind() -> None:
    assert set(KINDS) == set(T)
    named = {T[name] for name in ALLOWED}
    assert {type_ for type_, kind in KINDS.items() if kind is not Kind.OPAQUE} <= named


def test_services_agree_with_the_machine() -> None:
    known = 0
    for name, port in SERVICES.items():
        for protocol in ("tcp", "udp"):
            with suppress(OSError):
                assert socket.getservbyname(name, protocol) == port
                known += 1
    if not known:
        pytest.skip("this machine has no list of services")
