"""Which connections are carried through TLS."""

import pytest

from deploy.backup.errors import BackupError
from deploy.backup.tunnel import near

URL = "postgresql://crm:secret@database-rw:5432/crm_sales"


@pytest.mark.parametrize("asked", ["", "?sslmode=disable", "?sslmode=prefer&connect_timeout=3"])
def test_without_tls_a_url_stays_as_it_is(asked: str) -> None:
    with near(f"{URL}{asked}") as reached:
        assert reached == f"{URL}{asked}"


@pytest.mark.parametrize("asked", ["sslmode=require", "sslmode=verify-full"])
def test_tls_that_proves_nothing_is_refused(asked: str) -> None:
    with pytest.raises(BackupError, match="sslrootcert"), near(f"{URL}?{asked}"):
        pass
