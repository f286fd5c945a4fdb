"""The API key: found in the environment or in a private file, handed on without ever being shown."""

from __future__ import annotations

import hashlib
import os
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from atft_pipeline.errors import AuthError

KEY_VARIABLE = "JQUANTS_API_KEY"
DEFAULT_KEY_FILE = Path("~/.config/atft/jquants_api_key")
HIDDEN = "ApiKey(...)"
_WAYS = (
    f"Set it (export {KEY_VARIABLE}=...; the key is on the J-Quants dashboard), or write it to {DEFAULT_KEY_FILE} with"
    " mode 600, or use --preset demo, which needs none."
)


class ApiKey:
    """A key of the J-Quants API. Printing, formatting and tracebacks with locals show nothing of it.

    Args:
        secret: the key; white space at its ends is dropped.
        origin: where it comes from, for messages.

    Raises:
        AuthError: it is empty, or holds white space or characters that no key has; the message does not show it.
    """

    __slots__ = ("_secret", "fingerprint", "origin")

    def __init__(self, secret: str, origin: str = "the API key") -> None:
        self._secret = secret.strip()
        self.origin = origin
        del secret  # a traceback that prints this frame's locals would show it
        fault = _fault(self._secret)
        if fault:
            raise AuthError(f"{origin} {fault}.", remedy="Copy the key again from the J-Quants dashboard, in one line.")
        self.fingerprint = hashlib.blake2b(self._secret.encode("ascii"), digest_size=6).hexdigest()
        """12 hexadecimal digits that tell two keys apart and give neither away."""

    def reveal(self) -> str:
        """The key itself, for the one header that needs it."""
        return self._secret

    def removed_from(self, text: str) -> str:
        """The text with every occurrence of the key blanked out."""
        return text.replace(self._secret, HIDDEN)

    def __repr__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return format(HIDDEN, spec)

    def __reduce__(self) -> NoReturn:
        # Pickle asks for TypeError; copies go the same way, and nothing needs one.
        raise TypeError("an ApiKey is not written anywhere: pass it on in memory, or find it again with find_key")


def find_key(environ: Mapping[str, str], key_file: Path | None) -> ApiKey:
    """The key of this machine: the environment's, else that of a file which only its owner can read.

    Args:
        environ: the environment variables.
        key_file: the file that the settings name (`source.api.key_file`); None for the default place.

    Raises:
        AuthError: there is no key, the file is open to others or cannot be read, or the key has no key's form.
    """
    if KEY_VARIABLE in environ:
        return ApiKey(environ[KEY_VARIABLE], KEY_VARIABLE)
    path = (key_file or DEFAULT_KEY_FILE).expanduser()
    if path.exists():
        return ApiKey(_private_text(path), str(path))
    place = f"source.api.key_file = {key_file}" if key_file else str(DEFAULT_KEY_FILE)
    raise AuthError(
        f"No key for the J-Quants API: {KEY_VARIABLE} is not set, and {place} does not exist.", remedy=_WAYS
    )


def _private_text(path: Path) -> str:
    """Content of a file that nobody but its owner can read."""
    try:
        with path.open("rb") as file:
            # The open file is asked, not the path: it cannot be exchanged in between.
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if not mode & 0o077:
                return file.read().decode("ascii", errors="replace")
    except OSError as error:
        raise AuthError(f"The key file {path} cannot be read: {error.strerror}.", remedy=_WAYS) from None
    raise AuthError(
        f"The key file {path} has mode {mode:03o}: others on this machine can reach it; 600 is expected.",
        remedy=f"Run: chmod 600 {shlex.quote(str(path))}",
    )


def _fault(secret: str) -> str:
    """What is wrong with a key, in words that do not show it; empty if nothing."""
    if not secret:
        return "is empty"
    if any(character.isspace() for character in secret):
        return "has white space inside"
    if not all("!" <= character <= "~" for character in secret):
        return "has characters that are not printable ASCII"
    return ""
