"""What can go wrong with a backup; each message says what to do."""


class BackupError(Exception):
    """A backup that cannot be made, trusted or restored. Nothing was changed by it."""


class DamagedError(BackupError):
    """Something of a backup is missing, cut, changed, or sealed with another key."""
