"""Checks between tenants, of tokens and of what a call may be, and of files that come and go."""

from typing import Final

from tests.removal.removal import SECURITY, Removal

WALL_TEST: Final = f"{SECURITY}/test_wall.py"
NO_WALL_TEST: Final = f"{SECURITY}/test_no_wall.py"
TOKEN_TEST: Final = "tests/unit/chassis/rpc/test_token.py::test_forged_tokens_are_refused"
TOKEN: Final = "chassis/rpc/token.py"
AUTHORITY: Final = "chassis/rpc/authority.py"
POOL: Final = "chassis/db/pool.py"
WALL: Final = "chassis/db/wall.py"
READ: Final = "chassis/resource/read.py"
# What a statement says of the tenant.
OF_TENANT: Final = '        table.c.tenant_id == bindparam("tenant_id"),\n'
# Sets the tenant of a connection's first transaction for all that come after it.
OPENING: Final = """f"begin; set local crm.tenant = '{UUID(tenant_id)}'\""""
SET_ONCE: Final = (
    """f"begin; select set_config('crm.tenant',"""
    """ coalesce(nullif(current_setting('crm.tenant', true), ''), '{UUID(tenant_id)}'), false)\""""
)

EDGE: Final = (
    Removal(
        "views show one tenant",
        WALL,
        'f" WHERE tenant_id = {SETTING} WITH LOCAL CHECK OPTION"',
        '" WHERE tenant_id IS NOT NULL WITH LOCAL CHECK OPTION"',
        (f"{WALL_TEST}::test_rights_and_views[customer]",),
    ),
    Removal(
        "views take rows of one tenant",
        WALL,
        " WITH LOCAL CHECK OPTION",
        "",
        (f"{WALL_TEST}::test_a_foreign_row_cannot_be_written",),
    ),
    Removal(
        "the runtime role has no base tables",
        WALL,
        'f"REVOKE ALL ON ALL TABLES IN SCHEMA base FROM {runtime}, {worker}, PUBLIC",',
        'f"GRANT SELECT ON ALL TABLES IN SCHEMA base TO {runtime}",',
        (f"{WALL_TEST}::test_rights_and_views[customer]",),
    ),
    Removal(
        "nobody of a suspended tenant works",
        AUTHORITY,
        "    if access.suspended:",
        "    if False:",
        (
            f"{SECURITY}/test_suspended.py::test_every_service_refuses_the_people_of_a_suspended_tenant",
        ),
    ),
    Removal(
        "the tenant is set on the connection",
        POOL,
        OPENING,
        '"begin"',
        (f"{SECURITY}/test_interleaved.py::test_interleaved_tenants_stay_apart",),
    ),
    Removal(
        "the tenant ends with its transaction",
        POOL,
        OPENING,
        SET_ONCE,
        (f"{SECURITY}/test_interleaved.py::test_interleaved_tenants_stay_apart",),
    ),
    Removal(
        "the tenant in the statement of get, update, delete and batches",
        READ,
        OF_TENANT,
        "",
        (
            f"{NO_WALL_TEST}::test_one_record_is_of_its_tenant",
            f"{NO_WALL_TEST}::test_batches_are_of_their_tenant",
        ),
    ),
    Removal(
        "the tenant in the statement of lists and counts",
        "chassis/resource/query.py",
        '[table.c.tenant_id == bindparam("tenant_id")]',
        "[]",
        (f"{NO_WALL_TEST}::test_lists_and_counts_are_of_their_tenant",),
    ),
    Removal(
        "the tenant in the statement of look-ups",
        "chassis/lookup.py",
        OF_TENANT + "        table.c[field]",
        "        table.c[field]",
        (f"{NO_WALL_TEST}::test_look_ups_are_of_their_tenant",),
    ),
    Removal(
        "signature of tokens",
        TOKEN,
        '            decoded = jwt.decode(token, key, algorithms=["Ed25519"])\n',
        "            said = token.split('.')[1]\n"
        "            text = urlsafe_b64decode(said + '=' * (-len(said) % 4))\n"
        "            decoded = jwt.Token({'kid': key.kid}, json.loads(text))\n",
        (TOKEN_TEST,),
    ),
    Removal(
        "algorithm and type of tokens",
        TOKEN,
        'if set(header) != _HEADER_KEYS or header["typ"] != TYPE or header["alg"] != "Ed25519":',
        "if False:",
        (TOKEN_TEST,),
    ),
    Removal("audience of tokens", TOKEN, ' or claims.get("aud") != AUDIENCE', "", (TOKEN_TEST,)),
    Removal("issuer of tokens", TOKEN, 'claims.get("iss") != ISSUER or ', "", (TOKEN_TEST,)),
    Removal(
        "expiry of tokens",
        TOKEN,
        "        if known[1] + CLOCK_SKEW_S < time.time():\n",
        "        if False:\n",
        (TOKEN_TEST,),
    ),
    Removal(
        "lifetime of tokens",
        TOKEN,
        "    if not 0 < expires - issued <= LIFETIME_S or issued > time.time() + CLOCK_SKEW_S:\n",
        "    if False:\n",
        (TOKEN_TEST,),
    ),
    Removal(
        "whom a method is open to",
        AUTHORITY,
        '    if (rule.internal and kind != "service") or (rule.self and not own):\n',
        "    if False:\n",
        (
            f"{SECURITY}/test_internal_tokens.py::test_tokens_do_not_serve_the_other_purpose[customer]",
        ),
    ),
    Removal(
        "the verb that an RPC takes",
        AUTHORITY,
        "        call.reach(rule.resource, rule.verb.upper())\n",
        "        pass\n",
        (f"{SECURITY}/test_tenant_settings.py::test_reading_and_configuring_take_rights",),
    ),
    Removal(
        "users that may not work any more",
        AUTHORITY,
        "if member is None or not member.active:",
        "if member is None:",
        (
            f"{SECURITY}/test_sessions.py::test_disabling_a_user_ends_everything_within_five_seconds",
        ),
    ),
    Removal(
        "scopes of API clients",
        "chassis/call.py",
        "allowed = who.kind in MEMBERS and scopes_allow(who.scopes, resource, verb)",
        "allowed = who.kind in MEMBERS",
        (
            "tests/integration/identity/test_api_clients.py::test_scopes_narrow_what_roles_allow_in_every_service",
        ),
    ),
    Removal(
        "entity tags",
        "chassis/resource/checks.py",
        """    if etag not in {"", "*", f'"{version}"'}:\n""",
        "    if False:\n",
        (
            "tests/integration/sales/test_transitions.py::test_a_stale_etag_is_refused_and_names_the_current_one",
        ),
    ),
    Removal(
        "an idempotency key belongs to one body",
        "chassis/resource/idempotency.py",
        '    if stored["fingerprint"] != key.fingerprint:\n',
        "    if False:\n",
        (
            "tests/integration/sales/test_transitions.py::test_a_repeat_with_the_same_key_answers_the_same",
        ),
    ),
    Removal(
        "signature of page tokens",
        "chassis/filter/page_token.py",
        "    if not hmac.compare_digest(signature, _signature(payload, arguments, key)):\n",
        "    if False:\n",
        (
            "tests/unit/chassis/filter/test_page_token.py::test_page_token_of_other_arguments_is_refused",
        ),
    ),
    Removal(
        "formulas in CSV",
        "chassis/operations/lines.py",
        "    if isinstance(cell, str) and _FORMULA.match(text):\n",
        "    if False:\n",
        (
            "tests/unit/chassis/operations/test_lines.py::test_cells_come_back_and_none_is_a_formula",
        ),
    ),
    Removal(
        "formulas in workbooks",
        "chassis/exports/files.py",
        '    if not text.startswith(("=", "#")):\n',
        "    if True:\n",
        (
            "tests/integration/chassis/bulk/test_export.py::test_a_workbook_holds_values_and_no_formula",
        ),
    ),
    Removal(
        "packing ratio of workbooks",
        "chassis/workbook/package.py",
        "        if one.file_size > max(RATIO_FROM_BYTES, one.compress_size * RATIO_MAX):\n",
        "        if False:\n",
        ("tests/unit/chassis/workbook/test_bombs.py::test_a_bomb_is_refused_within_a_second",),
    ),
    Removal(
        "entities in workbooks",
        "chassis/workbook/package.py",
        "        parser.StartDoctypeDeclHandler = _refuse_doctype\n",
        "",
        ("tests/unit/chassis/workbook/test_bombs.py::test_a_bomb_is_refused_within_a_second",),
    ),
    Removal(
        "internal tokens from outside",
        "services/gateway/tokens.py",
        '        if bearer.count(".") >= 2 or not _OPAQUE.fullmatch(bearer):\n',
        "        if False:\n",
        (
            "tests/integration/gateway/test_sessions.py::test_internal_tokens_from_outside_are_refused_unasked",
        ),
    ),
    Removal(
        "live events are within the grants",
        "services/gateway/visibility.py",
        "        return reach.covers("
        "event.owner_id, event.department_id, company, event.grantee_ids)\n",
        "        return True\n",
        ("tests/integration/gateway/test_live.py::test_only_events_within_the_grants_come",),
    ),
)
