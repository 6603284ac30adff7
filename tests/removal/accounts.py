"""Checks of who somebody is, and of what he may make of himself and others."""

from typing import Final

from tests.removal.removal import SECURITY, Removal

ESCALATION: Final = f"{SECURITY}/test_escalation.py"
SESSIONS: Final = f"{SECURITY}/test_sessions.py"
POWER: Final = "services/identity/methods/power.py"
SESSION: Final = "services/identity/methods/session.py"

ACCOUNTS: Final = (
    Removal(
        "revoked sessions",
        SESSION,
        'if row is None or row["revoke_time"] is not None or not _is_active(row):',
        "if row is None or not _is_active(row):",
        (f"{SESSIONS}::test_changing_the_password_ends_all_sessions",),
    ),
    Removal(
        "access tokens end",
        SESSION,
        '        if min(row["access_expire_time"], row["expire_time"]) <= call.now:\n',
        "        if False:\n",
        ("tests/e2e/test_credentials.py::test_an_expired_access_token_is_refused",),
    ),
    Removal(
        "a refresh token is good once",
        "services/identity/domain/session.py",
        "    return presented_hash != state.refresh_hash\n",
        "    return False\n",
        (f"{SESSIONS}::test_a_refresh_token_is_good_for_one_use",),
    ),
    Removal(
        "sessions end with the password",
        "services/identity/methods/account.py",
        "        await revoke_sessions(call, tx, user_id)\n",
        "",
        (f"{SESSIONS}::test_changing_the_password_ends_all_sessions",),
    ),
    Removal(
        "a one-time password is changed first",
        "chassis/rpc/authority.py",
        "    if call.principal.restriction and not rule.restricted:\n",
        "    if False:\n",
        (f"{SECURITY}/test_restricted.py::test_a_one_time_password_opens_nothing_but_its_change",),
    ),
    Removal(
        "a one-time password expires",
        "services/identity/methods/sign_in.py",
        '        if account["expire_time"] is not None and account["expire_time"] <= now:\n',
        "        if False:\n",
        (f"{SECURITY}/test_restricted.py::test_a_one_time_password_ends_sessions_and_expires",),
    ),
    Removal(
        "second factor",
        "services/identity/methods/sign_in.py",
        '        if account["second_factor_enabled"]:\n',
        "        if False:\n",
        (
            f"{SECURITY}/test_second_factor.py::test_a_code_is_asked_for_after_the_right_password_and_good_once",
        ),
    ),
    Removal(
        "a code of the second factor is good once",
        "services/identity/methods/second_factor.py",
        'return step if step is not None and step > factor["last_step"] else None',
        "return step",
        (
            f"{SECURITY}/test_second_factor.py::test_a_code_is_asked_for_after_the_right_password_and_good_once",
        ),
    ),
    Removal(
        "a recovery code is good once",
        "services/identity/methods/second_factor.py",
        '        await tx.execute(_USE_RECOVERY, {**who, "recovery_hashes": left})\n',
        "",
        (f"{SECURITY}/test_second_factor.py::test_a_recovery_code_is_good_once",),
    ),
    Removal(
        "delay after failures",
        "services/identity/domain/attempt.py",
        "    if known.count and wait > timedelta(0):\n",
        "    if False:\n",
        ("tests/unit/identity/test_attempt.py::test_a_wait_ends_and_the_next_one_is_longer",),
    ),
    Removal(
        "attempts at signing in are counted",
        "services/identity/methods/sign_in.py",
        "        await self._attempts.begin(keys, call.now)\n",
        "",
        (f"{SECURITY}/test_delays.py::test_known_and_unknown_names_wait_alike",),
    ),
    Removal(
        "roles hold no more than their maker has",
        POWER,
        "require_own(grants_of(call), wanted, in_company=bool(call.principal.partner_company_id))",
        "pass",
        (f"{ESCALATION}::test_roles_hold_no_more_than_their_maker_has",),
    ),
    Removal(
        "nobody gives a role above his own",
        POWER,
        "    _require_own(call, list(found.values()), widened=widened)\n",
        "",
        (f"{ESCALATION}::test_who_keeps_accounts_gives_no_role_above_his_own",),
    ),
    Removal(
        "nobody changes accounts above his own",
        "services/identity/methods/user.py",
        "await require_lesser(call, tx, before) if OFFICE & changed:",
        "pass\n        if OFFICE & changed:",
        (f"{ESCALATION}::test_who_keeps_accounts_gives_no_role_above_his_own",),
    ),
    Removal(
        "nobody opens fields closed to himself",
        "services/identity/methods/escalation.py",
        "        if granted and wider(rules.get(resource, {}), own(resource)):\n",
        "        if False:\n",
        (
            "tests/unit/identity/test_escalation.py::test_nobody_opens_fields_that_are_closed_to_himself",
        ),
    ),
    Removal(
        "who may do what is for those who configure",
        "services/identity/methods/user.py",
        "        if POWER & changed or message.password:\n",
        "        if False:\n",
        (f"{ESCALATION}::test_changing_what_a_user_may_do_takes_configure",),
    ),
    Removal(
        "the last administrator stays",
        "services/identity/methods/administrators.py",
        "if not await company_of(tx, place):",
        "if True:",
        (f"{SECURITY}/test_administrators.py::test_the_last_administrator_stays",),
    ),
    Removal(
        "two administrators do not go at once",
        "services/identity/methods/administrators.py",
        '    await tx.fetch_row(_TENANT, {"tenant_id": call.tenant_id})\n',
        "",
        (f"{SECURITY}/test_administrators.py::test_two_administrators_cannot_delete_each_other",),
    ),
    Removal(
        "whom somebody may ask about",
        "chassis/explain/methods.py",
        "        _require_concern(call, user_id)\n",
        "",
        (
            f"{SECURITY}/test_explain.py::test_who_configures_no_accounts_asks_about_himself_only[1]",
        ),
    ),
    Removal(
        "signature of roots of the operation log",
        "services/identity/methods/log_statement.py",
        "            found = jws.deserialize_compact(statement, key, algorithms=[ALGORITHM])\n",
        "            found = jws.extract_compact(statement.encode())\n",
        ("tests/unit/identity/test_log_statement.py::test_changed_statement_is_read_as_none",),
    ),
    Removal(
        "hashes of entries of the operation log",
        "services/identity/domain/log_chain.py",
        '    if entry["hash"] != chain_hash(previous, entry):\n',
        "    if False:\n",
        ("tests/unit/identity/test_log_chain.py::test_1000_random_tamperings_are_found",),
    ),
)
