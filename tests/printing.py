"""Real Chromium, without a window: it prints pages to PDF and takes pictures. Tests that need it skip where it is not."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (Debian: apt install chromium)")


def run(folder: Path, *words: str) -> str:
    """What it prints. Its profile lies in the folder, and nothing is fetched from anywhere."""
    done = subprocess.run(
        [
            str(CHROMIUM),
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={folder / 'profile'}",
            *words,
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


def print_to_pdf(page: str, folder: Path, paper: str) -> bytes:
    """The page as a PDF on that paper, as a person prints it: without a header, on the margins of the page itself."""
    path, pdf = folder / f"{paper}.html", folder / f"{paper}.pdf"
    path.write_text(page.replace("</head>", f"<style>@page {{ size: {paper}; }}</style></head>"), encoding="utf-8")
    run(folder, "--no-pdf-header-footer", f"--print-to-pdf={pdf}", path.as_uri())
    return pdf.read_bytes()


def page_count(pdf: bytes) -> int:
    """Sheets in a PDF of Chromium's, which writes each page as an object of its own in plain text."""
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf))
