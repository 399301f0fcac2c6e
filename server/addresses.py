"""Where a request comes from, when proxies stand in between. A header says what its sender likes."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

UNKNOWN: Final = "unknown"
# What one household or one server is given: whoever has one address there has all of them.
IPV6_PREFIX_BITS: Final = 64


def client_of(peer: str | None, forwarded_for: Sequence[str], *, trusted: Sequence[Network]) -> str:
    """Whom to count a request for: an IPv4 address, or the /64 network of an IPv6 one.

    `peer` is the other end of the connection (None where it has no address), `forwarded_for` the values of
    all X-Forwarded-For headers. A proxy appends who spoke to it: so the list is believed from its right end,
    and only as far as those who wrote it are `trusted`.
    """
    address = None if peer is None else _parse(peer)
    hops = [hop for value in forwarded_for for hop in value.split(",")]
    while address is not None and hops and any(address in network for network in trusted):
        before = _parse(hops.pop())
        if before is None:
            break
        address = before
    return UNKNOWN if address is None else _counted_as(address)


def _counted_as(address: Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((address, IPV6_PREFIX_BITS), strict=False))


def _parse(hop: str) -> Address | None:
    """None for what is no address. A port is cut off, for some proxies write it: `[2001:db8::1]:4711`."""
    host = hop.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ip_address(host)
    except ValueError:
        return None
    # A socket that serves both kinds shows an IPv4 caller in the other's clothes.
    return getattr(address, "ipv4_mapped", None) or address
