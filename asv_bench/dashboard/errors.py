"""What can keep a dashboard from being made, as one line for the person who asked for it."""


class DashboardError(Exception):
    """The dashboard cannot be made; the message says what is wrong."""


class DownloadError(DashboardError):
    """A library is not in the cache and could not be fetched."""
