"""Refuses names of hosts in a filter expression, before libpcap would ask a name server for them.

ctcpmon resolves no names. libpcap takes every word that is neither of its language, nor a number, nor an
address, for a name; which kind it means follows from the qualifier that stands before it, also across
``and`` and ``or``. Names of ports and protocols come from files of the system and are let through.

Words are cut as its scanner (``scanner.l``) cuts them. Where in doubt a word is refused.
"""

from __future__ import annotations

import ipaddress
import re

from ctcpmon.errors import FilterError
from ctcpmon.text import clean

__all__ = ["refuse_names"]

_JOINING = frozenset({"and", "or", "not"})
_NAMES_FROM_FILES = frozenset({"port", "portrange", "proto", "protochain"})
"""What follows these is looked up in /etc/services and /etc/protocols."""
_WORDS_WITH_WORD = """
type subtype direction dir on ifname rset ruleset rnr rulenum srnr subrulenum reason action llc
"""
_TAKES_A_WORD = frozenset(_WORDS_WITH_WORD.split())
"""What follows these is not looked up."""
_OTHER_WORDS = """
dst src link ether ppp slip fddi tr wlan arp rarp ip sctp tcp udp icmp igmp igrp pim vrrp carp
radio ip6 icmp6 ah esp atalk aarp decnet lat sca moprc mopdl iso esis es-is isis is-is l1 l2 iih
lsp snp csnp psnp clnp stp ipx netbeui host net mask gateway address1 addr1 address2 addr2 address3
addr3 address4 addr4 ra ta less greater byte broadcast multicast len length inbound outbound
ifindex vlan mpls pppoed pppoes geneve lane metac bcc oam oamf4 oamf4ec oamf4sc sc ilmic vpi vci
connectmsg metaconnect fisu lssu lsu msu hfisu hlssu hmsu sio opc dpc sls hsio hopc hdpc hsls
icmptype icmpcode icmp-echoreply icmp-unreach icmp-sourcequench icmp-redirect icmp-echo
icmp-routeradvert icmp-routersolicit icmp-timxceed icmp-paramprob icmp-tstamp icmp-tstampreply
icmp-ireq icmp-ireqreply icmp-maskreq icmp-maskreply icmp6type icmp6code icmp6-echo icmp6-echoreply
icmp6-destinationunreach icmp6-packettoobig icmp6-timeexceeded icmp6-parameterproblem
icmp6-routersolicit icmp6-routeradvert icmp6-neighborsolicit icmp6-neighboradvert icmp6-redirect
tcpflags tcp-fin tcp-syn tcp-rst tcp-push tcp-ack tcp-urg tcp-ece tcp-cwr
"""
_OTHERS = frozenset(_OTHER_WORDS.split())
_WORD = re.compile(r"\\[^ !()\n\t]+|\$?[0-9A-Za-z:][-_.:0-9A-Za-z]*")
_NUMBER = r"(?:0[xX][0-9A-Fa-f]+|[0-9]+)"
_PLAIN = re.compile(rf"\$[0-9A-Fa-f]{{1,2}}|{_NUMBER}(?:\.{_NUMBER}){{0,3}}")
"""A number, an IPv4 address or the first parts of one, an ARCnet address."""
_PAIR = "[0-9A-Fa-f]{1,2}"
_MAC = re.compile(
    rf"{_PAIR}(?::{_PAIR}){{5}}|{_PAIR}(?:-{_PAIR}){{5}}|{_PAIR}(?:\.{_PAIR}){{5}}"
    r"|[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4}){2}|[0-9A-Fa-f]{12}"
)


def refuse_names(expression: str) -> None:
    """Raises ``FilterError`` for the first word that libpcap would look up as a host or network."""
    may_be_name = False
    is_argument = False
    for word in _words(expression):
        if word in _JOINING or _is_address(word):
            is_argument = False
        elif word in _NAMES_FROM_FILES:
            may_be_name, is_argument = True, False
        elif word in _TAKES_A_WORD:
            may_be_name, is_argument = False, True
        elif word in _OTHERS:
            may_be_name = is_argument = False
        elif may_be_name or is_argument:
            is_argument = False
        else:
            message = (
                f"filter: '{clean(word)}' is no word of the filter language and no address; "
                "names of hosts are not looked up, give the address"
            )
            raise FilterError(message)


def _words(expression: str) -> list[str]:
    words: list[str] = []
    for found in _WORD.findall(expression):
        word = found.rstrip("-_")
        if word.startswith("\\") or ":" not in word or _is_address(word):
            words.append(word)
        else:
            # An offset and a size, as in tcp[2:2].
            words += [part for part in word.split(":") if part]
    return words


def _is_address(word: str) -> bool:
    if _PLAIN.fullmatch(word) or _MAC.fullmatch(word):
        return True
    try:
        ipaddress.IPv6Address(word)
    except ValueError:
        return False
    return True
