"""Checks of who may see and change which records and fields."""

from typing import Final

from tests.removal.removal import SECURITY, Removal

DELEGATION: Final = f"{SECURITY}/test_delegation.py"
PARTNERS: Final = f"{SECURITY}/test_partners.py"
SHARES: Final = f"{SECURITY}/test_shares.py"
VIEW_TEST: Final = "tests/unit/chassis/resource/test_view.py"
MODEL_TEST: Final = "tests/unit/chassis/access/test_model.py"
BULK: Final = "tests/integration/chassis/bulk"
READ: Final = "chassis/resource/read.py"
LISTING: Final = "chassis/resource/listing.py"
QUERY: Final = "chassis/resource/query.py"
CHECKS: Final = "chassis/resource/checks.py"
# The shape of a reach that limits nothing.
NO_LIMIT: Final = '(False, False, "")'

ROWS: Final = (
    Removal(
        "scope of get",
        READ,
        "lambda: _select(plan, shape, names))",
        f"lambda: _select(plan, {NO_LIMIT}, names))",
        (f"{DELEGATION}::test_nobody_else_exists_for_him",),
    ),
    Removal(
        "scope of update and delete",
        READ,
        "lambda: _select(plan, shape, (), lock=True))",
        f"lambda: _select(plan, {NO_LIMIT}, (), lock=True))",
        (f"{DELEGATION}::test_nobody_else_exists_for_him",),
    ),
    Removal(
        "scope of update is that of its own verb",
        "chassis/resource/standard.py",
        'message.id, "UPDATE")',
        'message.id, "READ")',
        (f"{SHARES}::test_every_way_of_reading_knows_shares",),
    ),
    Removal(
        "scope of delete is that of its own verb",
        "chassis/resource/standard.py",
        """        before = await lock_record(call, tx, self.plan, request.id, "DELETE")
        check_match(call.if_match, before["version"])
        return await self.discard(""",
        """        before = await lock_record(call, tx, self.plan, request.id, "READ")
        check_match(call.if_match, before["version"])
        return await self.discard(""",
        (f"{SHARES}::test_a_share_for_writing_allows_changes_and_nothing_more",),
    ),
    Removal(
        "scope of batch get",
        READ,
        "lambda: _select(plan, shape, names, many=True))",
        f"lambda: _select(plan, {NO_LIMIT}, names, many=True))",
        (f"{PARTNERS}::test_batches_end_where_the_company_does",),
    ),
    Removal(
        "scope of batch update, batch delete and bulk",
        READ,
        "lambda: _select(plan, shape, (), many=True, lock=True))",
        f"lambda: _select(plan, {NO_LIMIT}, (), many=True, lock=True))",
        (f"{PARTNERS}::test_batches_end_where_the_company_does",),
    ),
    Removal(
        "scope of lists and searches",
        QUERY,
        "        *reach_condition(query.plan, shape, walked=walked),\n",
        "",
        (
            f"{PARTNERS}::test_lists_and_counts_end_where_the_company_does[User-identity.UserService/ListUsers]",
        ),
    ),
    Removal(
        "scope of lists of a small reach",
        LISTING,
        ".where(*held, way, *(before.is_not(True) for before in ways[:at]))",
        ".where(*held)",
        (f"{SECURITY}/test_narrow_lists.py::test_a_narrow_list_has_what_it_must[OWN]",),
    ),
    Removal(
        "scope of counts",
        LISTING,
        ".where(*list_conditions(query, [condition]))",
        '.where(table.c.tenant_id == bindparam("tenant_id"), condition)',
        (
            f"{PARTNERS}::test_lists_and_counts_end_where_the_company_does[User-identity.UserService/ListUsers]",
        ),
    ),
    Removal(
        "scope of searches for frequent words",
        LISTING,
        ".where(*plain, *_after(query), *tied(used), *within(query, walked=walked))",
        '.where(*plain, *_after(query), *tied(used), table.c.tenant_id == bindparam("tenant_id"))',
        (
            "tests/integration/chassis/search/test_paths.py::test_search_respects_the_scope_in_both_ways",
        ),
    ),
    Removal(
        "scope of look-ups",
        "chassis/lookup.py",
        """        table.c.delete_time.is_(None),
        *reach_condition(plan, shape),
    )
    if bound:""",
        """        table.c.delete_time.is_(None),
    )
    if bound:""",
        (f"{PARTNERS}::test_look_ups_find_nothing_of_others",),
    ),
    Removal(
        "scope of history",
        "chassis/history/methods.py",
        '        await get_record(call, tx, plan, request.id, ("id",))\n',
        "",
        (f"{PARTNERS}::test_histories_end_where_the_company_does",),
    ),
    Removal(
        "scope of references",
        "chassis/resource/references.py",
        'return ids - {str(row["id"]) for row in await tx.fetch(run, values)}',
        "return set()",
        (f"{DELEGATION}::test_nobody_else_exists_for_him",),
    ),
    Removal(
        "verb of each record of a bulk change",
        "chassis/bulk/work.py",
        "[one.record_id for one in items], step.verb)",
        '[one.record_id for one in items], "READ")',
        (f"{BULK}/test_bulk.py::test_each_record_is_reached_by_the_users_rights",),
    ),
    Removal(
        "present rights at each batch of a bulk change",
        "chassis/bulk/work.py",
        "            self.step.collection.plan.reach(deputy.call, self.step.verb)\n",
        "",
        (f"{BULK}/test_bulk.py::test_rights_taken_away_end_the_change",),
    ),
    Removal(
        "verb of exports",
        LISTING,
        "    also = plan.reach(call, verb)\n",
        '    also = plan.reach(call, "READ")\n',
        (f"{BULK}/test_export.py::test_only_what_may_be_read_and_exported",),
    ),
    Removal(
        "files of exports belong to who may export",
        "chassis/operations/files.py",
        '            plan_of(self.plans, asked["resource"]).reach(call, "EXPORT")\n',
        "",
        (f"{BULK}/test_export.py::test_a_file_is_its_owners_while_he_may_export",),
    ),
    Removal(
        "operations are their caller's",
        "chassis/operations/store.py",
        '_MINE = (*_OWN, _OPERATION.c.principal_id == bindparam("principal_id"))',
        "_MINE = _OWN",
        (
            "tests/integration/chassis/imports/test_operations.py::test_operations_are_the_callers_own",
        ),
    ),
    Removal(
        "a share's subject is of the record's company",
        "chassis/shares/methods.py",
        '    if company not in {"", company_id}:\n',
        "    if False:\n",
        (f"{SHARES}::test_no_share_reaches_across_partner_companies",),
    ),
    Removal(
        "nobody shares more than he may do",
        "chassis/shares/methods.py",
        "        await _require_own(call, tx, plan, request.record_id, level)\n",
        "",
        (f"{SHARES}::test_nobody_shares_more_than_he_may_do",),
    ),
    Removal(
        "a partner's reach ends with his company",
        "chassis/access/model.py",
        "if self.company_id and company_id != self.company_id:",
        "if False:",
        (f"{MODEL_TEST}::test_a_partner_reaches_nothing_beyond_his_company",),
    ),
    Removal(
        "a partner's statements end with his company",
        "chassis/access/scope.py",
        "        limits.append(company == _COMPANY)\n",
        "        pass\n",
        (
            f"{PARTNERS}::test_lists_and_counts_end_where_the_company_does[Customer-customer.CustomerService/ListCustomers]",
        ),
    ),
    Removal(
        "a delegated administrator's people stay in his company",
        "services/identity/methods/organisation.py",
        "if not reach.covers(owner_id, place, call.access.company_at(place)):",
        "if False:",
        (f"{DELEGATION}::test_nobody_else_exists_for_him",),
    ),
    Removal(
        "hidden fields are not read",
        "chassis/resource/view.py",
        "if name not in hidden}",
        "if name}",
        (f"{VIEW_TEST}::test_a_hidden_field_is_as_good_as_not_there",),
    ),
    Removal(
        "hidden fields are not searched",
        "chassis/resource/view.py",
        "return (*(name for name in self.plan.resource.searchable if name in self.fields), *own)",
        "return (*self.plan.resource.searchable, *own)",
        (f"{VIEW_TEST}::test_a_hidden_field_is_as_good_as_not_there",),
    ),
    Removal(
        "hidden fields are not in history",
        "chassis/history/methods.py",
        "        if view.access.level(field) != HIDDEN\n",
        "",
        ("tests/unit/chassis/history/test_changes.py::test_hidden_fields_are_left_out",),
    ),
    Removal(
        "reads of sensitive fields are logged",
        "chassis/disclosure.py",
        "await record_events(call, tx, RESOURCE, EVENT, events)",
        "return",
        ("tests/e2e/test_sensitive_reads.py::test_every_way_to_the_value_is_logged",),
    ),
    Removal(
        "fields that may only be read are not changed",
        CHECKS,
        "view.refusal(name) or _fixed(plan, name)",
        "_fixed(plan, name)",
        (f"{VIEW_TEST}::test_a_field_that_may_only_be_read_is_never_set",),
    ),
    Removal(
        "fields that may only be read are not set at creation",
        CHECKS,
        "if (text := view.refusal(name))]",
        "if (text := '')]",
        (f"{VIEW_TEST}::test_a_field_that_may_only_be_read_is_never_set",),
    ),
    Removal(
        "new records are within the reach of create",
        CHECKS,
        "elif plan.owned and not covers_row(plan.scope, reach, row, call.access):",
        "elif False:",
        (f"{PARTNERS}::test_rows_belong_to_the_company_of_their_owner",),
    ),
    Removal(
        "scope of sums",
        "services/reporting/methods/sums.py",
        "        *table_reach_condition(SCOPE, question.scope),\n",
        "",
        ("tests/integration/reporting/test_pipeline_summary.py::test_scope_narrows",),
    ),
)
