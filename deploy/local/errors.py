"""What can go wrong in the runner; each message is one line that says what to do."""


class RunnerError(Exception):
    """A start or stop that cannot go on."""
