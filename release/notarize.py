"""Submits signed artefacts to Apple's notary service and staples its tickets. Without a key for the service, these steps are reported as
skipped. The key is the JSON file that `rcodesign encode-app-store-connect-api-key` writes."""

from sign import run


class Notary:
    def __init__(self, rcodesign, key):
        self.rcodesign, self.key = rcodesign, key

    @property
    def suffix(self):
        """The suffix of the names of artefacts that were not notarized."""
        return "" if self.key else "-unnotarized"

    def notarize(self, path, staple=None):
        """Submits the archive, image or package `path`, waits for the answer, and staples the ticket to `staple`: the same, or the bundle in an
        archive; an archive of bare programs has nothing that could hold it. Says what was done. Errors: CalledProcessError; the notary's words
        were printed then."""
        if not self.key:
            return f"skipped: {path.name} was not notarized, for want of a key"
        run(self.rcodesign, "notary-submit", "--api-key-file", self.key, "--wait", path)
        if not staple:
            return f"notarized: {path.name}"
        run(self.rcodesign, "staple", staple)
        return f"notarized and stapled: {staple.name}"
