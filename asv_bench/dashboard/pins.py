"""The libraries that asv's pages load, pinned: the only place that names them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pin:
    """One npm package and what is taken from it."""

    name: str
    version: str
    # Of the package's tarball: `npm view NAME@VERSION dist.integrity`.
    integrity: str
    # The file of the package that states its licence.
    licence: str
    # How the link in asv's page ends (so that another version is another link): the file for it.
    files: dict[str, str]

    @property
    def tarball(self) -> str:
        """The file name that `npm pack` gives the package."""
        return f"{self.name}-{self.version}.tgz"

    @property
    def folder(self) -> str:
        """Where its files lie in the published folder."""
        return f"vendor/{self.name}-{self.version}"


# The libraries of asv 0.6.
PINS = (
    Pin(
        "jquery",
        "3.3.1",
        "sha512-Ubldcmxp5np52/ENotGxlLe6aGMvmF4R8S6tZjsP6Knsaxd/xp3Zrh50cG93lR6nPXyUFwzN3ZSOQI0wRJNdGg==",
        "LICENSE.txt",
        {"/jquery-3.3.1.min.js": "dist/jquery.min.js"},
    ),
    # The package has no minified files; these are the same release's sources.
    Pin(
        "flot",
        "0.8.3",
        "sha512-xg2otcTJDvS+ERK+my4wxG/ASq90QURXtoM4LhacCq0jQW2jbyjdttbRNqU2cPykrpMvJ6b2uSp6SAgYAzj9tQ==",
        "LICENSE.txt",
        {
            f"/flot/0.8.3/jquery.{part}.min.js": f"jquery.{part}.js"
            for part in ("flot", "flot.time", "flot.selection", "flot.categories")
        },
    ),
    # Has no licence file: the head of the script and package.json say MIT.
    Pin(
        "flot-orderbars",
        "1.0.0",
        "sha512-Jv51fvzevUjNXEeozpwEKfPjhiZhfiJddv0WHjduUTCmSF+7T5K7C9c9Y1wIVmUhDBv5fLMjgbwKecT0GIKPZA==",
        "package.json",
        {"/flot-orderbars@1.0.0/js/jquery.flot.orderBars.js": "js/jquery.flot.orderBars.js"},
    ),
    # 1.0.1, which asv asks for, was never on npm; 1.1.3 is its first release there.
    Pin(
        "stupid-table-plugin",
        "1.1.3",
        "sha512-2Vk7XouQPxUQPRe9w0Fu7ZZ8kHLK7rDoLMsCgtKxRNJ7f4dSOGvW9CkHsq5wD6QsaEnWoyLBYH3xOEsrK3yWBg==",
        "LICENSE",
        {"/stupidtable/1.0.1/stupidtable.min.js": "stupidtable.min.js"},
    ),
    Pin(
        "blueimp-md5",
        "2.19.0",
        "sha512-DRQrD6gJyy8FbiE4s+bDoXS9hiW3Vbx5uCdwvcCf3zLHL+Iv7LtGHLpr+GZV8rHG8tK766FGYBwRbu8pELTt+w==",
        "LICENSE.txt",
        {"/blueimp-md5/2.19.0/js/md5.min.js": "js/md5.min.js"},
    ),
    Pin(
        "bootstrap",
        "3.1.1",
        "sha512-TAzqS8E/ISpVHP29gYhy+1NSV+FJwApDVQhDfgLYsIuUDJiqJzH2DfORN5tiu+Ie2iBLrzEG34t4Rf465cigqg==",
        "LICENSE",
        {
            "/bootstrap@3.1.1/dist/js/bootstrap.min.js": "dist/js/bootstrap.min.js",
            "/bootstrap@3.1.1/dist/css/bootstrap.min.css": "dist/css/bootstrap.min.css",
        },
    ),
)
