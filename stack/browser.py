"""The browser that the tests drive: the machine's own Chromium or Chrome, else one installed now.

python -m stack.browser    finds or installs one and prints its path
"""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from stack.errors import StackError

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)


def find_browser() -> Path:
    """The first browser that runs; StackError if there is none."""
    for name in NAMES:
        if (path := shutil.which(name)) is not None and _runs(path):
            return Path(path)
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    if _runs(own):
        return Path(own)
    raise StackError("no Chromium or Chrome here: install one (apt-get install chromium) and try again")


def install_browser() -> Path:
    """By apt where we may, else Playwright's own; StackError if neither comes to run."""
    for install in (_with_apt, _with_playwright):
        install()
        with contextlib.suppress(StackError):
            return find_browser()
    return find_browser()


def _runs(path: str) -> bool:
    """Ubuntu's `chromium-browser` exists and runs nothing, so that being there is not enough."""
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=30, check=False).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def _with_apt() -> None:
    if shutil.which("apt-get") is None:
        return
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if as_root and (
        shutil.which("sudo") is None or subprocess.run(["sudo", "-n", "true"], check=False).returncode != 0
    ):
        return
    apt = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"]
    print("installing Chromium with apt-get", flush=True)
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
        subprocess.run([*apt, *arguments], stdout=subprocess.DEVNULL, check=False)


def _with_playwright() -> None:
    print("installing Playwright's Chromium", flush=True)
    subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)


def main() -> None:
    try:
        try:
            browser = find_browser()
        except StackError:
            browser = install_browser()
    except StackError as error:
        sys.exit(str(error))
    print(browser)


if __name__ == "__main__":
    main()
