"""The pipeline and the reasons that new tenants begin with."""

from services.sales.domain.ready_made import ready_made_pipeline, ready_made_reasons
from services.sales.domain.stage import StageInUse

TENANT = "01900000-0000-7000-8000-000000000001"


def test_a_repeat_finds_the_same_ids_and_another_tenant_has_others() -> None:
    made = ready_made_pipeline(TENANT)
    assert made == ready_made_pipeline(TENANT)
    assert made.pipeline["id"] != ready_made_pipeline(TENANT[:-1] + "2").pipeline["id"]
    assert len({stage["id"] for stage in made.stages}) == 4


def test_every_outcome_has_its_stage() -> None:
    made = ready_made_pipeline(TENANT)
    assert made.pipeline["is_default"] is True
    outcomes = [(stage["name"], stage["outcome"]) for stage in made.stages]
    assert outcomes == [
        ("Prospecting", "OPEN"),
        ("Engaging", "OPEN"),
        ("Won", "WON"),
        ("Lost", "LOST"),
    ]
    assert {stage["pipeline_id"] for stage in made.stages} == {made.pipeline["id"]}


def test_stage_in_use_names_stage_and_field() -> None:
    assert StageInUse("s", "outcome").metadata == {"stage_id": "s", "field": "outcome"}


def test_reasons_speak_the_language_of_the_tenant_under_the_same_ids() -> None:
    chinese, english = (ready_made_reasons(TENANT, one) for one in ("zh", "en"))
    assert [one["id"] for one in chinese] == [one["id"] for one in english]
    labels = [(one["label"], other["label"]) for one, other in zip(chinese, english, strict=True)]
    assert labels[0] == ("价格过高", "Price too high")
    assert len(set(labels)) == len({one["position"] for one in english}) == 8
