"""Addresses in httpx's log lines: cut to the host, because that of a bulk file opens it to whoever reads the log."""

from __future__ import annotations

import logging

import httpx


class _HostOnly(logging.Filter):
    """Keeps the line, shortens the address in it."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_host(value) if isinstance(value, httpx.URL) else value for value in record.args)
        return True


_FILTER = _HostOnly()


def hide_addresses() -> None:
    """From now on httpx logs no path and no query, in the whole process; calling it again changes nothing."""
    logging.getLogger("httpx").addFilter(_FILTER)


def _host(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.host}/..."
