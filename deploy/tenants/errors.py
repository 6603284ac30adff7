"""What can go wrong with a whole tenant; each message says what to do."""


class TenantError(Exception):
    """A tenant that cannot be exported or deleted now. What was deleted by then stays so."""
