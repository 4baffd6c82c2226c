"""Finds the files of a COCO file's images, always inside the folder that the user named.

Exporters write names of their own machines: with folders that are not there, backslashes, a drive, a web address. Of
such a name the longest ending that is a file of the folder is used.
"""

import os
import re
import unicodedata
import urllib.parse
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from mrcnn import files
from mrcnn.errors import UserError, one_line

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_OUTSIDE = re.compile(rf"^({_ADDRESS.pattern}|[A-Za-z]:/+|/+)")  # a web address, a drive, an absolute path
_MOST_PARTS = 64  # folders of a name that are looked at


class Found(NamedTuple):
    """A file of the folder.

    Attributes:
        name: its path inside the folder, with "/".
        is_exact: the file was named so, and not just by an ending or in another case.
    """

    name: str
    is_exact: bool


class ImageFolder:
    """A folder of images; its files are listed only when one is not found under its name."""

    def __init__(self, folder: Path):
        """Keeps the folder, which need not exist."""
        self._folder = folder

    def find(self, file_name: str) -> Found:
        """Finds the file of an image.

        Args:
            file_name: as in the annotation file.

        Raises:
            UserError: there is none; says which paths were looked for.
        """
        parts, is_inside = _parts(file_name)
        if is_inside and parts and files.is_regular(self._folder / "/".join(parts)):
            return Found("/".join(parts), is_exact=True)
        endings = list(_endings(parts))
        for ending in endings:
            if files.is_regular(self._folder / ending):
                return Found(ending, is_exact=False)
        for ending in endings:
            found = self._by_key.get(_key(ending))
            if found and files.is_regular(self._folder / found):
                return Found(found, is_exact=False)
        outside = "" if is_inside else f"{one_line(file_name, most=80)} leads out of the images' folder, and inside "
        looked = " and ".join(dict.fromkeys(str(self._folder / ending) for ending in (*endings[:1], *endings[-1:])))
        raise UserError(f"{outside}there is no {looked or self._folder / file_name}")

    @cached_property
    def _by_key(self) -> dict[str, str]:
        """The folder's files by name without regard to case; one that two files share is left out."""
        found: dict[str, str] = {}
        for folder, _, names in os.walk(self._folder):
            for name in names:
                path = Path(folder, name).relative_to(self._folder).as_posix()
                found[_key(path)] = "" if _key(path) in found else path
        return found


def _parts(file_name: str) -> tuple[list[str], bool]:
    """Splits a name into folders and file, and tells whether it lies inside the folder as it is written."""
    path = file_name.replace("\\", "/")
    if _ADDRESS.match(path):
        path = re.split("[?#]", path, maxsplit=1)[0]
    relative = _OUTSIDE.sub("", path)
    parts = [part for part in relative.split("/") if part not in ("", ".")]
    is_inside = relative == path and ".." not in parts
    return parts[-_MOST_PARTS:], is_inside


def _endings(parts: list[str]) -> Iterator[str]:
    """Yields the endings of a path, the longest first, as written and with %20 and the like decoded."""
    for start in range(len(parts)):
        ending = parts[start:]
        decoded = [urllib.parse.unquote(part) for part in ending]
        for names in (ending, decoded) if decoded != ending else (ending,):
            text = "/".join(names)
            if not any(name in ("", ".", "..") or "/" in name or "\\" in name for name in names) and (
                not os.path.splitdrive(text)[0]
            ):
                yield text


def _key(path: str) -> str:
    """Makes names equal that differ in case or in how accents are composed, as they do between systems."""
    return unicodedata.normalize("NFC", path).casefold()
