"""List what built pages would load from elsewhere: python docs/_external.py FOLDER (exit 1 if anything)."""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

# <a href> only leads somewhere when it is followed; these are fetched when the page opens
FETCHED = {
    "script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src",
    "embed": "src", "object": "data",
}  # fmt: skip
FETCHED_LINKS = {
    "stylesheet", "icon", "preload", "prefetch", "modulepreload", "preconnect", "dns-prefetch", "manifest"
}  # fmt: skip
REMOTE = re.compile(r"\s*(https?:)?//", re.IGNORECASE)
CSS = re.compile(r"""(?:@import\s+["']?|url\(\s*["']?)((?:https?:)?//[^"')\s]+)""", re.IGNORECASE)


class _Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.remote, self._style = [], False

    def handle_starttag(self, tag, attrs):
        attrs = {name: value or "" for name, value in attrs}
        self._style = tag == "style"
        loaded = [attrs.get(FETCHED.get(tag, ""), "")]
        if tag == "link" and FETCHED_LINKS & set(attrs.get("rel", "").lower().split()):
            loaded.append(attrs.get("href", ""))
        loaded += [part.split()[0] for part in attrs.get("srcset", "").split(",") if part.strip()]
        self.remote += [address for address in loaded if REMOTE.match(address)]
        self.remote += CSS.findall(attrs.get("style", ""))

    def handle_data(self, data):
        if self._style:
            self.remote += CSS.findall(data)


def external(folder):
    """Return `file: address` for everything a page or style sheet under the folder loads from elsewhere."""
    found = []
    for path in sorted(Path(folder).rglob("*")):
        if path.suffix == ".html":
            page = _Page()
            page.feed(path.read_text("utf-8"))
            addresses = page.remote
        elif path.suffix == ".css":
            addresses = CSS.findall(path.read_text("utf-8", errors="replace"))
        else:
            continue
        found += [f"{path.relative_to(folder)}: {address}" for address in addresses]
    return found


if __name__ == "__main__":
    html = Path(sys.argv[1]).resolve()
    found = external(html)
    for line in found:
        print(f"loaded from elsewhere, must be local: {line}", file=sys.stderr)
    print(f"{html / 'index.html'}: pages load {len(found)} things from elsewhere")
    sys.exit(bool(found))
