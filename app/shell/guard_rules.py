"""What the guard of a page goes by: the names it is served under, its origins, proxies, frames, what is open."""

from __future__ import annotations

import ipaddress
import os
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from app.shell.callers import INSIDE_THE_HUB, Network, networks, origin_of
from app.shell.upload_shares import UploadShares

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class GuardRules:
    """`hosts`: host names that are served, None for all; `by_address`: so is whoever asks by an address of numbers,
    which nobody else can own. `origins`: those of the page beside the one that was asked
    for. `framed_by`: origins that may show the page in a frame. `opened`: paths for programs on one's own machine.
    `key`: signs the words of pages and visitors; without one none is asked for. `uploads`: what visitors may."""

    hosts: frozenset[str] | None = None
    by_address: bool = False
    origins: frozenset[str] = frozenset()
    proxies: tuple[Network, ...] = ()
    behind_proxy: bool = False  # nobody else reaches it
    framed_by: str = "'self'"
    pictures_from: str = ""
    opened: tuple[str, ...] = ()  # of CLOSED
    shared: bool = False
    key: str = ""
    uploads: UploadShares | None = None

    def serves(self, host: str) -> bool:
        """Whether the page is there under this name, as found in a request. Any other name may be that of a foreign
        site which suddenly points here (DNS rebinding), and whose scripts the browser then takes for ours."""
        name = host.lower().removesuffix(".")
        return self.hosts is None or name in self.hosts or (self.by_address and is_address(name))

    def content_policy(self, scripts: str = "") -> str:
        """Gradio compiles its templates in the page, hence eval, and writes styles into it; scripts come from here
        or are known by their hash, everything else comes from here only, so that no text of a model or a file can
        make a browser run something, or ask another site."""
        return (
            f"default-src 'self' data: blob:; script-src 'self' {scripts} 'unsafe-eval' blob:; "
            f"style-src 'self' 'unsafe-inline'; img-src 'self' data: blob: {self.pictures_from}; "
            f"object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors {self.framed_by}"
        )


def rules_for(
    host: str, on_space: bool, more_hosts: tuple[str, ...] = (), proxies: tuple[str, ...] = ()
) -> GuardRules:
    """On a Space the Hub shows the page in a frame, and nobody reaches it but through the Hub. Anywhere else a page
    answers to its own names only: of one that others reach these are its addresses, the machine's name, and
    `more_hosts`.

    `more_hosts`: names ("box.lan", reached by https at its usual port) or whole origins ("http://box.lan:8080").

    Raises:
        SettingError: a proxy that is no address.
    """
    if on_space:
        own = os.environ.get("SPACE_HOST", "").split(",")
        return GuardRules(
            origins=frozenset(f"https://{name.strip()}" for name in own if name.strip()),
            proxies=networks((*INSIDE_THE_HUB, *proxies)),
            behind_proxy=True,
            framed_by="'self' https://huggingface.co https://*.hf.space",
            pictures_from="https://huggingface.co https://*.huggingface.co",
        )
    whole = [name if "://" in name else f"https://{name}" for name in more_hosts]
    names = {urlsplit(address).hostname or "" for address in whole}
    return GuardRules(
        hosts=LOOPBACK | {host.lower()} | names | (frozenset() if host in LOOPBACK else own_names()),
        by_address=host not in LOOPBACK,
        origins=frozenset(origin_of(address) for address in whole),
        proxies=networks(proxies),
    )


def own_names() -> frozenset[str]:
    """How this machine is called by those in its network."""
    name = socket.gethostname().lower()
    short = name.partition(".")[0]
    return frozenset({name, short, f"{short}.local"}) if short else frozenset()


def is_address(name: str) -> bool:
    """Of numbers, IPv4 or IPv6."""
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True
