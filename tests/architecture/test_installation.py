"""What `make` installs: the packages of the lock, each by its hash, by uv or by pip alike."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from modes import long_only

ROOT = Path(__file__).parents[2]


def recipe(*settings):
    """The commands by which `make` fills an environment, printed and not run."""
    done = subprocess.run(
        ["make", "--dry-run", "VENV=venv", *settings, "venv/.installed"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def test_every_package_is_pinned_with_hashes_and_names_no_host():
    lock = (ROOT / "requirements.lock").read_text()
    packages = re.findall(r"^([\w.\[\],-]+)==", lock, re.MULTILINE)
    assert len(packages) > 100
    assert "uv" in packages
    for block in re.split(r"\n(?=\S)", lock.strip()):
        assert "--hash=sha256:" in block, block.splitlines()[0]
    assert "://" not in lock


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_nothing_is_installed_without_its_hash_or_from_outside_the_lock(installer):
    commands = [line for line in recipe(f"INSTALLER={installer}").splitlines() if "install --quiet" in line]
    assert commands
    for one in re.split(r"&&|then|else|;", " ".join(commands)):
        if "install --quiet" in one:
            assert "--no-deps" in one
            assert "--require-hashes" in one or "--editable ." in one, one


@long_only("pip takes a minute to install what the lock names")
def test_uv_and_pip_make_the_same_environment(tmp_path):
    frozen = {}
    for installer in ("uv", "pip"):
        copy, venv = tmp_path / installer, tmp_path / f"venv-{installer}"
        copy.mkdir()
        for name in ("Makefile", "requirements.lock", "pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, copy / name)
        # The project itself is linked from where it is, and is none of the lock's business.
        for name in ("flows", "schemas", "sql", "deployments"):
            (copy / name).symlink_to(ROOT / name)
        subprocess.run(
            ["make", f"INSTALLER={installer}", f"VENV={venv}", f"{venv}/.installed"],
            cwd=copy,
            check=True,
            capture_output=True,
        )
        python = venv / "bin" / "python"
        listed = subprocess.run(
            [python, "-m", "pip", "list", "--format=freeze", "--exclude", "uv"],
            capture_output=True,
            text=True,
            check=True,
        )
        frozen[installer] = listed.stdout.splitlines()
    assert len(frozen["uv"]) > 100
    assert frozen["uv"] == frozen["pip"]
