"""Who takes over from somebody who leaves."""

from collections.abc import Mapping

from chassis.errors import FailedPrecondition


class DepartmentEmpty(FailedPrecondition):
    """A team without active people can take nothing over."""

    def __init__(self, department_id: str) -> None:
        super().__init__(
            "DEPARTMENT_EMPTY",
            f"Nobody works in department {department_id}.",
            metadata={"department_id": department_id},
        )


def head_of(department_id: str, managers: Mapping[str, str]) -> str:
    """The head of a department, from its active people and whom each reports to: who reports to
    nobody among them, of several the one with most people below, then the oldest account.
    """
    if not managers:
        raise DepartmentEmpty(department_id)
    heads = [person for person, manager in managers.items() if manager not in managers]
    below = dict.fromkeys(managers, 0)
    for person in managers:
        for above in _chain(person, managers):
            below[above] += 1
    return min(heads or managers, key=lambda person: (-below[person], person))


def _chain(person: str, managers: Mapping[str, str]) -> set[str]:
    """Everybody above a person within the department; cycles end it."""
    found: set[str] = set()
    manager = managers[person]
    while manager in managers and manager not in found:
        found.add(manager)
        manager = managers[manager]
    return found
