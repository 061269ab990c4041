"""What the function package and the worker's image are made of, as CycloneDX 1.6 (https://cyclonedx.org).

``python -m infra.sbom FOLDER`` writes ``functions.cdx.json`` and ``worker-image.cdx.json``. The function's
components are read from the very archive that ``coatcheck package`` builds, the image's from its locked
requirements: their hashes are those that pip checks. What Debian's packages in the base image are, its
publisher tells.
"""

from __future__ import annotations

import hashlib
import re
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from coatcheck import __version__
from infra.package import build_package

ROOT = Path(__file__).resolve().parents[1]
FUNCTIONS, IMAGE = "functions.cdx.json", "worker-image.cdx.json"
DOCKERFILE = ROOT / "worker_image" / "Dockerfile"
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Locked:
    """One package of a locked requirements file: its version, and the SHA-256 of each of its files."""

    name: str
    version: str
    hashes: tuple[str, ...]


def read_lock(path: Path, environment: Mapping[str, str] | None = None) -> Iterator[Locked]:
    """The packages of a requirements file that pip would install.

    Takes what differs from this machine in the environment of markers, such as ``python_version``.
    """
    lines = re.sub(r"\\\n", " ", path.read_text()).splitlines()
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        requirement = Requirement(line.partition(" --hash=")[0])
        if requirement.marker is None or requirement.marker.evaluate(dict(environment or {})):
            (pin,) = requirement.specifier
            yield Locked(canonicalize_name(requirement.name), pin.version, tuple(HASH.findall(line)))


def of_functions(archive: Path) -> Bom:
    """What a function package holds. Takes the archive that ``coatcheck package`` made."""
    locked = {package.name: package for package in read_lock(ROOT / "functions" / "requirements.txt")}
    with zipfile.ZipFile(archive) as zipped:
        found = re.findall(r"^([^/\n]+)-([^/\n-]+)\.dist-info/METADATA$", "\n".join(zipped.namelist()), re.M)
    shipped = [Locked(canonicalize_name(name), number, ()) for name, number in found]
    components = [_component(locked.get(package.name, package)) for package in shipped]
    # Chalice puts its runtime into any package, without the metadata of a distribution.
    components.append(_component(Locked("chalice", version("chalice"), ())))
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    return _bom("coatcheck-functions", ComponentType.APPLICATION, components, digest)


def of_image() -> Bom:
    """What the worker's image holds, beside what its base image does."""
    python = _python_version()
    environment = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    environment |= {"platform_system": "Linux", "platform_python_implementation": "CPython"}
    lock = ROOT / "worker_image" / "requirements.txt"
    components = [_component(package) for package in read_lock(lock, environment)]
    base = Component(
        name="python",
        version=f"{python}-slim",
        type=ComponentType.CONTAINER,
        purl=PackageURL("docker", None, "python", f"{python}-slim"),
        bom_ref=f"pkg:docker/python@{python}-slim",
    )
    return _bom("coatcheck-worker", ComponentType.CONTAINER, [base, *components])


def write(folder: Path) -> list[Path]:
    """Build the function package, and write both bills of materials into a folder. Returns their paths.

    Raises PackageError, CatalogError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        boms = {FUNCTIONS: of_functions(build_package(Path(work)).archive), IMAGE: of_image()}
    for name, bom in boms.items():
        (folder / name).write_text(JsonV1Dot6(bom).output_as_string(indent=1) + "\n")
    return [folder / name for name in boms]


def _python_version() -> str:
    found = re.search(r"^ARG PYTHON_VERSION=([\d.]+)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def _bom(name: str, kind: ComponentType, components: Iterable[Component], digest: str | None = None) -> Bom:
    root = Component(
        name=name,
        version=__version__,
        type=kind,
        licenses=[LicenseFactory().make_from_string("MIT")],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)] if digest else [],
        bom_ref=name,
    )
    bom = Bom(components=components)
    bom.metadata.component = root
    bom.register_dependency(root, bom.components)
    return bom


def _component(package: Locked) -> Component:
    purl = PackageURL("pypi", None, package.name, package.version)
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        purl=purl,
        licenses=[LicenseFactory().make_from_string(text) for text in _license(package.name)],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in package.hashes],
        bom_ref=str(purl),
    )


def _license(name: str) -> list[str]:
    """The licence that the installed package tells (an SPDX expression or a name), if it does."""
    try:
        told = metadata(name)
    except PackageNotFoundError:
        return []
    classified = [
        line.rpartition(" :: ")[2]
        for line in told.get_all("Classifier", [])
        if line.startswith("License :: OSI Approved :: ")
    ]
    named = [*told.get_all("License-Expression", []), *classified, *told.get_all("License", [])]
    return [text for text in named if len(text) < 100][:1]  # some have the whole text there


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m infra.sbom FOLDER")
    for path in write(Path(sys.argv[1])):
        print(path)
