"""A function package that has been built, as files in a folder."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coatcheck.catalog import Catalog
from infra.errors import PackageError

ARCHIVE = "deployment.zip"
TEMPLATE = "template.json"
CATALOG = "catalog.json"


@dataclass(frozen=True)
class FunctionPackage:
    """A function package that has passed its check.

    ``archive`` is the zip file, ``template`` Chalice's SAM template (its ``CodeUri`` is still the local
    file), ``size`` the archive's in bytes, ``digest`` its SHA-256 in hexadecimal.
    """

    archive: Path
    template: dict[str, Any]
    catalog: Catalog
    size: int
    digest: str

    @classmethod
    def load(cls, folder: Path) -> FunctionPackage:
        """The package that ``coatcheck package --output FOLDER`` has written. Needs none of what built it.

        Raises PackageError, CatalogError.
        """
        try:
            data = (folder / ARCHIVE).read_bytes()
            template = json.loads((folder / TEMPLATE).read_text())
        except (OSError, ValueError) as error:
            raise PackageError(
                f"{folder} holds no function package ({error}); make it: coatcheck package --output {folder}"
            ) from error
        return cls(
            archive=folder / ARCHIVE,
            template=template,
            catalog=Catalog.load(folder / CATALOG),
            size=len(data),
            digest=hashlib.sha256(data).hexdigest(),
        )
