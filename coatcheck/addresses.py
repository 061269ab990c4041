"""Which addresses are of the public internet: what nobody may make a worker talk to is not."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

PRIVATE_V4 = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by carriers (CGNAT); metadata of Alibaba Cloud
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's own services
        "169.254.0.0/16",  # link-local; metadata of AWS and others, ECS' credentials
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocols of the IETF; metadata of Oracle Cloud
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
"""IANA's IPv4 Special-Purpose Address Registry (RFC 6890), multicast, and what clouds keep for themselves."""

UNICAST_V6 = ip_network("2000::/3")
"""All of IPv6 that is given out for the internet. Loopback, link-local, private and multicast addresses,
IPv4-mapped ones and NAT64's (64:ff9b::/96) are outside of it."""
PRIVATE_V6 = tuple(
    ip_network(network)
    for network in (
        "2001::/23",  # protocols of the IETF, Teredo and ORCHID among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which holds an IPv4 address
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
"""What IANA's IPv6 Special-Purpose Address Registry takes out of it."""


def is_public(text: str) -> bool:
    """Whether an IP address is one of the public internet. Takes what ``getaddrinfo`` returns; else False."""
    address = _address(text)
    if isinstance(address, IPv4Address):
        return not any(address in network for network in PRIVATE_V4)
    if isinstance(address, IPv6Address) and address.scope_id is None:
        return address in UNICAST_V6 and not any(address in network for network in PRIVATE_V6)
    return False


def is_loopback(text: str) -> bool:
    """Whether an IP address is one of this machine's own: 127.0.0.0/8 or ::1."""
    address = _address(text)
    return address is not None and address.is_loopback and getattr(address, "ipv4_mapped", None) is None


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
