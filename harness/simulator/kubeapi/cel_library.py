"""The functions that Kubernetes adds to CEL. URLs, addresses, networks and quantities are carried as their texts."""

import ipaddress
import itertools
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import re2
from cel_expr_python import cel

from harness.simulator.kubeapi.quantities import parse_quantity

_T = cel.Type
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_QUALIFIED = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


def _overload(name: str, suffix: str, result: Any, parameters: list[Any], impl: Callable[..., Any]) -> Any:
    return cel.Overload(
        id=f"kubernetes_{name}_{suffix}", return_type=result, parameters=parameters, is_member=True, impl=impl
    )


def _function(name: str, result: Any, parameters: list[Any], impl: Callable[..., Any], *, member: bool = True) -> Any:
    overload = cel.Overload(
        id=f"kubernetes_{name}", return_type=result, parameters=parameters, is_member=member, impl=impl
    )
    return cel.FunctionDecl(name, [overload])


def _find(text: str, pattern: str) -> str:
    found = re2.search(pattern, text)
    return str(found.group(0)) if found else ""


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = [match.group(0) for match in re2.finditer(pattern, text)]
    return found if limit < 0 else found[:limit]


def _sorted(items: list[Any]) -> bool:
    return all(left <= right for left, right in itertools.pairwise(items))


def _parses(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def fits(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return fits


def _url(text: str) -> str:
    parts = urlsplit(text)
    if not (parts.scheme or text.startswith("/")):
        raise ValueError(f"URL parse error during conversion from string: {text}")
    return text


def _ip(text: str) -> str:
    return str(ipaddress.ip_address(text))


def _cidr(text: str) -> str:
    address, _, bits = text.partition("/")
    if not bits.isdigit():
        raise ValueError(f"CIDR {text!r} parse error during conversion from string")
    ipaddress.ip_interface(text)
    return f"{ipaddress.ip_address(address)}/{bits}"


def _contains(network: str, address: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)


def _compare(left: str, right: str) -> int:
    one, other = parse_quantity(left), parse_quantity(right)
    return (one > other) - (one < other)


def _url_functions() -> list[Any]:
    string = [_T.STRING]

    def host(text: str) -> str:
        return urlsplit(text).netloc.rpartition("@")[2]

    return [
        _function("isURL", _T.BOOL, string, _parses(_url), member=False),
        _function("url", _T.STRING, string, _url, member=False),
        _function("getScheme", _T.STRING, string, lambda text: urlsplit(text).scheme),
        _function("getHost", _T.STRING, string, host),
        _function("getHostname", _T.STRING, string, lambda text: urlsplit(text).hostname or ""),
        _function("getPort", _T.STRING, string, lambda text: str(urlsplit(text).port or "")),
        _function("getEscapedPath", _T.STRING, string, lambda text: urlsplit(text).path),
        _function("getQuery", _T.DYN, string, lambda text: parse_qs(urlsplit(text).query)),
    ]


def _address_functions() -> list[Any]:
    string, two = [_T.STRING], [_T.STRING, _T.STRING]
    return [
        _function("isIP", _T.BOOL, string, _parses(_ip), member=False),
        _function("ip", _T.STRING, string, _ip, member=False),
        _function("family", _T.INT, string, lambda text: ipaddress.ip_address(text).version),
        _function("isLoopback", _T.BOOL, string, lambda text: ipaddress.ip_address(text).is_loopback),
        _function("isUnspecified", _T.BOOL, string, lambda text: ipaddress.ip_address(text).is_unspecified),
        _function("isLinkLocalUnicast", _T.BOOL, string, lambda text: ipaddress.ip_address(text).is_link_local),
        _function("isGlobalUnicast", _T.BOOL, string, lambda text: ipaddress.ip_address(text).is_global),
        _function("isCIDR", _T.BOOL, string, _parses(_cidr), member=False),
        _function("cidr", _T.STRING, string, _cidr, member=False),
        _function("containsIP", _T.BOOL, two, _contains),
        _function("prefixLength", _T.INT, string, lambda text: int(text.partition("/")[2])),
    ]


def _quantity_functions() -> list[Any]:
    string, two = [_T.STRING], [_T.STRING, _T.STRING]

    def check(text: str) -> str:
        parse_quantity(text)
        return text

    def integral(text: str) -> bool:
        return parse_quantity(text) == parse_quantity(text).to_integral_value()

    def sign(text: str) -> int:
        value = parse_quantity(text)
        return (value > Decimal(0)) - (value < Decimal(0))

    return [
        _function("isQuantity", _T.BOOL, string, _parses(parse_quantity), member=False),
        _function("quantity", _T.STRING, string, check, member=False),
        _function("isLessThan", _T.BOOL, two, lambda a, b: _compare(a, b) < 0),
        _function("isGreaterThan", _T.BOOL, two, lambda a, b: _compare(a, b) > 0),
        _function("compareTo", _T.INT, two, _compare),
        _function("isInteger", _T.BOOL, string, integral),
        _function("asInteger", _T.INT, string, lambda text: int(parse_quantity(text))),
        _function("asApproximateFloat", _T.DOUBLE, string, lambda text: float(parse_quantity(text))),
        _function("sign", _T.INT, string, sign),
    ]


def _list_functions() -> list[Any]:
    items = _T.List(_T.DYN)
    finds = [
        _overload("findAll", "two", _T.List(_T.STRING), [_T.STRING, _T.STRING], _find_all),
        _overload("findAll", "three", _T.List(_T.STRING), [_T.STRING, _T.STRING, _T.INT], _find_all),
    ]
    return [
        _function("find", _T.STRING, [_T.STRING, _T.STRING], _find),
        cel.FunctionDecl("findAll", finds),
        _function("isSorted", _T.BOOL, [items], _sorted),
        _function("sum", _T.DYN, [items], sum),
        _function("min", _T.DYN, [items], min),
        _function("max", _T.DYN, [items], max),
    ]


_ENDS = "and must start and end with an alphanumeric character"
_LABEL_TOLD = f"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', {_ENDS}"
_SUBDOMAIN_TOLD = (
    f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', {_ENDS}"
)
_1035_TOLD = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', and start with an alphabetic character"
)
_NAME_TOLD = f"name part must consist of alphanumeric characters, '-', '_' or '.', {_ENDS}"
_VALUE_TOLD = f"a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', {_ENDS}"
_NAMED_FORMATS: dict[str, tuple[re.Pattern[str], str]] = {
    "dns1123Label": (_LABEL, _LABEL_TOLD),
    "dns1123Subdomain": (_SUBDOMAIN, _SUBDOMAIN_TOLD),
    "dns1035Label": (re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"), _1035_TOLD),
    "qualifiedName": (_QUALIFIED, _NAME_TOLD),
    "labelValue": (_LABEL_VALUE, _VALUE_TOLD),
}


def _format_functions() -> list[Any]:
    """`format.dns1123Label().validate(text)`: a format is its own name, `validate` gives a list of complaints.

    A cluster gives an optional list instead; `plain_formats` turns what rules do with it into what lists can do.
    """

    def complaints(name: str, text: str) -> list[str]:
        pattern, told = _NAMED_FORMATS[name]
        return [] if pattern.fullmatch(text) else [told]

    declared = [
        cel.FunctionDecl(
            f"format.{name}",
            [
                cel.Overload(
                    id=f"format_{name}", return_type=_T.STRING, parameters=[], is_member=False, impl=_constant(name)
                )
            ],
        )
        for name in _NAMED_FORMATS
    ]
    declared.append(_function("validate", _T.List(_T.STRING), [_T.STRING, _T.STRING], complaints))
    declared.append(_function("complained", _T.BOOL, [_T.List(_T.STRING)], bool))
    declared.append(_function("complaints", _T.List(_T.STRING), [_T.List(_T.STRING)], list))
    return declared


def plain_formats(expression: str) -> str:
    """An expression with the optional result of `validate` read as a list: `hasValue()` and `value()` belong to optionals."""
    if "format." not in expression:
        return expression
    return expression.replace(".hasValue()", ".complained()").replace(".value()", ".complaints()")


def _constant(text: str) -> Callable[[], str]:
    return lambda: text


def declarations() -> list[Any]:
    """Every function declaration of the library."""
    return [
        *_list_functions(), *_url_functions(), *_address_functions(), *_quantity_functions(), *_format_functions(),
    ]  # fmt: skip
