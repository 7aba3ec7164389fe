"""Who is behind a request as the network sees it: address, scheme and host of the page that the visitor's browser
shows.

What a proxy says of them (`X-Forwarded-For`, `-Proto`, `-Host`) counts only when it comes from a proxy that was
named (`--proxy`, or the Hub's on a Space): everybody can write such a header.
"""

from __future__ import annotations

import ipaddress
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from core.base.errors import SettingError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
SAID_BY_PROXIES = frozenset({"forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"})
# The Hub's own machines stand in these; its visitors do not.
INSIDE_THE_HUB = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "fc00::/7")


@dataclass(frozen=True)
class Caller:
    """`hosts`: every name under which the page was asked for, with its port."""

    address: str
    scheme: str
    hosts: tuple[str, ...]

    @property
    def origins(self) -> frozenset[str]:
        """What a browser calls the page that was asked for: scheme, host and port."""
        return frozenset(origin_of(f"{self.scheme}://{host}") for host in self.hosts if host)


def scheme_of(caller: Caller, origins: frozenset[str]) -> str:
    """That of the page in the visitor's browser. A proxy that ends https and was not named asks by http, but the
    name it asks for may be known as one of https only."""
    named = {origin_of(f"{scheme}://{host}") for scheme in ("http", "https") for host in caller.hosts if host}
    found = {origin.partition(":")[0] for origin in named & origins}
    return found.pop() if len(found) == 1 else caller.scheme


def networks(names: tuple[str, ...]) -> tuple[Network, ...]:
    """Addresses or networks as typed ("10.0.0.7", "10.0.0.0/8").

    Raises:
        SettingError: one of them is neither.
    """
    try:
        return tuple(ipaddress.ip_network(name, strict=False) for name in names)
    except ValueError as error:
        raise SettingError("visitor.bad_proxy", text=str(error)) from error


def find_caller(scope: MutableMapping[str, Any], proxies: tuple[Network, ...], behind_one: bool = False) -> Caller:
    """Reads the request, and takes out of it what nobody who may say so has said of the visitor. `behind_one`: only
    proxies can reach this page at all, as on a Space."""
    headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
    peer = (scope.get("client") or ("", 0))[0]
    host = next((value for name, value in headers if name == "host"), "")
    if not behind_one and not _is_among(peer, proxies):
        scope["headers"] = [pair for pair in scope["headers"] if pair[0].decode("latin-1") not in SAID_BY_PROXIES]
        return Caller(peer, scope.get("scheme", "http"), (host,))
    said = {name: value for name, value in headers if name in SAID_BY_PROXIES}
    hops = [hop.strip() for hop in said.get("x-forwarded-for", "").split(",") if hop.strip()]
    # From behind: each proxy adds whom it was asked by, and what stands further in front anybody may have written.
    address = next((hop for hop in reversed(hops) if not _is_among(hop, proxies)), peer)
    scheme = said.get("x-forwarded-proto", scope.get("scheme", "http")).split(",")[-1].strip()
    return Caller(address, scheme, (host, said.get("x-forwarded-host", "").split(",")[-1].strip()))


def origin_of(address: str) -> str:
    """Scheme, host and port of an address as browsers write them; "" for none, or what is no address."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    default = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    if not parts.scheme or not parts.netloc:
        return ""
    place = parts.netloc.lower()
    return f"{parts.scheme}://{place.removesuffix(default) if default else place}"


def _is_among(address: str, known: tuple[Network, ...]) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in known)
