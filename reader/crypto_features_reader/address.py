"""Addresses of servers, read strictly: a password that is not percent-encoded would be taken for a host or a path."""

import re

from crypto_features_reader.errors import SettingsError

_PART = r"(?:[\w.~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*"
_WHO = rf"(?:{_PART}(?::{_PART})?@)?"
_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|(?:[\w.-]|%[0-9A-Fa-f]{2})*)(?::\d*)?"
_QUERY = r"(?:\?(?:\w+=[^\s#@?&]*(?:&\w+=[^\s#@?&]*)*)?)?"
_FORMS = {
    "PostgreSQL": (
        re.compile(rf"postgres(?:ql)?://{_WHO}{_HOST}(?:,{_HOST})*(?:/{_PART})?{_QUERY}", re.ASCII),
        "postgresql://user:password@host:5432/database",
    ),
    "Valkey or Redis": (
        re.compile(rf"(?:rediss?://{_WHO}{_HOST}(?:/\d*)?|unix://{_WHO}/[^\s#@?]*){_QUERY}", re.ASCII),
        "redis://user:password@host:6379/0",
    ),
}


def checked(url: str, server: str) -> str:
    """The address, if it has the form of one of that server.

    Raises:
        SettingsError: if not; it never shows the address, of which any part may be the password.
    """
    form, _ = _FORMS[server]
    if not form.fullmatch(url):
        raise no_address(server)
    return url


def no_address(server: str) -> SettingsError:
    """The error over an address that cannot be one of that server."""
    return SettingsError(
        f"this is not an address of {server}; expected {_FORMS[server][1]}. Percent-encode the user and the password: "
        "%40 for @, %3A for :, %2F for /, %3F for ?, %23 for #, %25 for %."
    )
