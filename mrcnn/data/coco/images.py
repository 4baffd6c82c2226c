"""Finds the image files of a COCO file inside the folder that the user named.

Exporters write paths of their own machines: with other folders, backslashes, a drive letter, or as a web address. For
such a path the longest ending that is a file of the folder is used. Files outside the folder are never used.
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
_MOST_PARTS = 64  # parts of a path that are used, from its end


class Found(NamedTuple):
    """A file found in the folder.

    Attributes:
        name: its path inside the folder, with "/".
        is_exact: the name matched exactly, not only an ending or in another case.
    """

    name: str
    is_exact: bool


class ImageFolder:
    """A folder of images; it is listed only when a name does not match exactly."""

    def __init__(self, folder: Path):
        """Stores the folder, which need not exist."""
        self._folder = folder

    def find(self, file_name: str) -> Found:
        """Finds the file of an image.

        Args:
            file_name: as in the annotation file.

        Raises:
            UserError: there is none; the message names the paths tried.
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
        """The folder's files by case-insensitive path; empty text where two files share one."""
        found: dict[str, str] = {}
        for folder, _, names in os.walk(self._folder):
            for name in names:
                path = Path(folder, name).relative_to(self._folder).as_posix()
                found[_key(path)] = "" if _key(path) in found else path
        return found


def _parts(file_name: str) -> tuple[list[str], bool]:
    """Splits a path of an annotation file into its parts.

    Returns:
        The last `_MOST_PARTS` parts, and whether the path as written is relative and stays inside the folder.
    """
    path = file_name.replace("\\", "/")
    if _ADDRESS.match(path):
        path = re.split("[?#]", path, maxsplit=1)[0]
    relative = _OUTSIDE.sub("", path)
    parts = [part for part in relative.split("/") if part not in ("", ".")]
    is_inside = relative == path and ".." not in parts
    return parts[-_MOST_PARTS:], is_inside


def _endings(parts: list[str]) -> Iterator[str]:
    """Yields the endings of a path, longest first, as written and URL-decoded (%20)."""
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
    """Normalizes a path so that case and composition of accents do not matter.

    Both differ between operating systems.
    """
    return unicodedata.normalize("NFC", path).casefold()
