"""One POST for each event, as JSON in structured mode of CloudEvents."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, NoReturn

from ctcpmon.sinks.output import RefusedError
from ctcpmon.text import clean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["WebhookOutput", "need_receiver", "port_of"]

_LATER = frozenset({408, 425, 429})
"""Answers of 400 to 499 that mean: try again later."""


_PORTS = {"http": 80, "https": 443}


def need_receiver(url: str) -> None:
    """Raises ``ValueError`` for a URL that names nobody."""
    parts = urllib.parse.urlsplit(url)
    # Asked for first: it raises in words of its own.
    if parts.port == 0:
        message = "nothing can be sent to port 0"
        raise ValueError(message)
    if not parts.hostname:
        message = "it names no host"
        raise ValueError(message)


def port_of(url: str) -> int | None:
    """The TCP port that it connects to; None where the environment names a proxy."""
    if urllib.request.getproxies():
        return None
    parts = urllib.parse.urlsplit(url)
    return parts.port or _PORTS[parts.scheme]


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """What the event says goes where the configuration says, and nowhere else."""

    def redirect_request(self, *_words: object) -> None:
        return None


class WebhookOutput:
    """Posts to one URL. A connection for each event: there are few of them."""

    def __init__(self, url: str, *, headers: Mapping[str, str], timeout_s: float, agent: str) -> None:
        self._url, self._timeout_s = url, timeout_s
        self._headers = {
            "Content-Type": "application/cloudevents+json; charset=utf-8",
            "User-Agent": agent,
            **headers,
        }
        self._opener = urllib.request.build_opener(_NoRedirects)

    def deliver(self, lines: Sequence[bytes]) -> int:
        """See ``Output``."""
        # The configuration takes http and https alone.
        request = urllib.request.Request(self._url, lines[0], self._headers)  # noqa: S310
        try:
            with self._opener.open(request, timeout=self._timeout_s):
                return 1
        except urllib.error.HTTPError as error:
            error.close()
            _raise(error.code)
        except urllib.error.URLError as error:
            raise OSError(0, clean(str(error.reason), 120)) from error
        except http.client.HTTPException as error:
            raise OSError(0, f"no answer in HTTP ({type(error).__name__})") from error

    def reopen(self) -> None:
        """See ``Output``: nothing is held."""

    def close(self) -> None:
        """See ``Output``: nothing is held."""


def _raise(code: int) -> NoReturn:
    if 300 <= code < 500 and code not in _LATER:
        message = f"the receiver answered {code}"
        raise RefusedError(message)
    raise OSError(0, f"the receiver answered {code}")
