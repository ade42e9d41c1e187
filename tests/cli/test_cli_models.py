"""Any model of the live catalog: looked up, pinned, refreshed, priced, listed and shown; and nothing of it costs."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from support.sandboxed import MODEL, Ended, Sandbox, Workplace
from support.scripted import Scripted

EDIT = "google/nano-banana-2/edit"
LIVE = "acme/brush/text-to-image"
NOWHERE = "http://127.0.0.1:9"


def live_model(**more: object) -> dict[str, object]:
    """Return a catalog object with the quirks of real ones; `more` are inputs."""
    properties = {
        "prompt": {"type": "string", "default": "a portrait"},
        "strength": {"type": "float", "minimum": 0, "maximum": 1},
        "size": {"type": "string", "enum": ["S", "M"], "default": "S"},
        "seed": {"type": "integer"},
        **more,
    }
    schema = {"type": "object", "properties": properties, "required": ["prompt", "mask"]}
    return {
        "model_id": LIVE,
        "display_name": "Brush",
        "categories": ["text-to-image"],
        "base_price_usd": 0.05,
        "price_unit": "output",
        "input_schema": schema,
    }


@pytest.fixture
def catalog() -> Iterator[Scripted]:
    """An API that has one model that batchgen does not know, and finishes every request of it at once."""
    with Scripted() as server:
        server.models[LIVE] = live_model()
        yield server


@pytest.fixture
def elsewhere(place: Workplace, catalog: Scripted) -> Workplace:
    """A place whose environment names that API."""
    place.use(catalog.origin)
    return place


def brush(place: Workplace, name: str = "m", **sections: object) -> str:
    """Write a manifest for the live model."""
    return place.manifest(["a fox"], name, **{"model": LIVE, "settings": {}, "pricing": {}, **sections})


def without_token(place: Workplace) -> Workplace:
    """Take the token away."""
    place.environment["RUNCOMFY_TOKEN"] = ""
    return place


def refused(ended: Ended, code: int, *words: str) -> None:
    """Hold that a command ended with this code, one line with these words, and nothing on standard output."""
    assert (ended.code, ended.out) == (code, ""), ended.err
    assert len(ended.err.splitlines()) == 1, ended.err
    assert [word for word in words if word not in ended.err] == [], ended.err


def test_a_model_of_the_live_catalog_runs_and_is_pinned(elsewhere: Workplace, catalog: Scripted) -> None:
    manifest = brush(elsewhere, settings={"strength": 0.5}, grid={"size": ["S", "M"]})
    ran = elsewhere.run("run", manifest, "-q")
    pinned = json.loads((elsewhere.book().path / "catalog.json").read_bytes())

    assert ran.code == 0, ran.err
    assert catalog.posts == 2
    assert list(pinned["models"]) == [LIVE]
    sent = [line["settings"] for line in elsewhere.book().lines("submitting")]
    assert sent == [{"size": size, "strength": 0.5} for size in ("S", "M")]


def test_a_plan_pins_nothing_and_a_pinned_model_is_not_asked_for_again(elsewhere: Workplace, catalog: Scripted) -> None:
    manifest = brush(elsewhere, pricing={"base_usd": 0.05})
    assert elsewhere.run("plan", manifest).code == 0
    assert not (elsewhere.folder / "runs").exists()
    assert elsewhere.run("run", manifest, "-q").code == 0
    catalog.models.clear()
    asked = len(catalog.asked)

    again = elsewhere.run("plan", manifest, "--json")

    assert (again.code, again.json["done"], again.json["new"]) == (0, 1, 0)
    assert len(catalog.asked) == asked


def test_mistakes_are_held_against_the_live_schema(elsewhere: Workplace) -> None:
    refused(elsewhere.run("plan", brush(elsewhere, settings={"size": "XL"})), 65, "m.yaml:", "S, M")
    refused(elsewhere.run("plan", brush(elsewhere, settings={"sise": "S"})), 65, "m.yaml:", 'did you mean "size"?')


def test_a_model_that_the_catalog_does_not_know_is_named_with_its_place(place: Workplace) -> None:
    manifest = place.manifest(["a fox"], model="google/nano-banana-3/edit")

    refused(place.run("plan", manifest), 65, "m.yaml:1:", "google/nano-banana-3/edit", f'did you mean "{EDIT}"?')


def test_the_live_catalog_needs_a_token_and_the_message_says_so(elsewhere: Workplace) -> None:
    manifest = brush(without_token(elsewhere))

    refused(elsewhere.run("plan", manifest), 77, LIVE, "needs a token", MODEL, "RUNCOMFY_TOKEN")
    refused(elsewhere.run("plan", manifest, "--model", MODEL, "--refresh-schema"), 77, "--refresh-schema", "token")
    assert elsewhere.run("plan", manifest, "--model", MODEL).code == 0, "bundled schemas need nobody"


def test_a_sandbox_run_knows_what_the_sandbox_serves_and_asks_nobody(elsewhere: Workplace, catalog: Scripted) -> None:
    refused(elsewhere.run("plan", brush(elsewhere), "--sandbox"), 65, LIVE, MODEL)
    assert catalog.asked == []


def test_a_catalog_that_does_not_answer_is_unavailable(place: Workplace) -> None:
    place.use(NOWHERE)

    refused(place.run("plan", brush(place)), 69, "cannot connect", "RUNCOMFY_MODEL_API_BASE")


def test_a_model_without_a_schema_cannot_be_used(elsewhere: Workplace, catalog: Scripted) -> None:
    del catalog.models[LIVE]["input_schema"]

    refused(elsewhere.run("plan", brush(elsewhere)), 69, LIVE, "input_schema")


def test_refreshing_shows_what_becomes_new_and_run_pins_it(elsewhere: Workplace, catalog: Scripted) -> None:
    """Without --refresh-schema the pinned schema stays, whatever the catalog says by now."""
    manifest = brush(elsewhere, pricing={"base_usd": 0.05})
    assert elsewhere.run("run", manifest, "-q").code == 0
    del catalog.models[LIVE]["input_schema"]["properties"]["seed"]  # type: ignore[index]
    catalog.models[LIVE]["input_schema"]["properties"]["size"]["enum"].append("L")  # type: ignore[index]
    before = (elsewhere.book().path / "catalog.json").read_bytes()

    kept = elsewhere.run("plan", manifest, "--json").json
    refreshed = elsewhere.run("plan", manifest, "--refresh-schema", "--json").json

    assert (kept["done"], kept["new"], kept["warnings"]) == (1, 0, [])
    assert (refreshed["done"], refreshed["new"], refreshed["removed"]) == (0, 1, 1)
    assert refreshed["warnings"] == [
        f"{LIVE}: by the live schema seed is gone",
        f"{LIVE}: by the live schema size also takes L",
        "by the live schema 1 job of the ledger would be new, and paid for again",
    ]
    assert (elsewhere.book().path / "catalog.json").read_bytes() == before

    assert elsewhere.run("run", manifest, "-q", "--refresh-schema").code == 0
    assert catalog.posts == 2
    assert elsewhere.run("plan", manifest, "--json", "--set", "size=L").json["new"] == 1


def test_refreshing_mends_pinned_schemas_that_cannot_be_read(elsewhere: Workplace, catalog: Scripted) -> None:
    manifest = brush(elsewhere)
    assert elsewhere.run("run", manifest, "-q").code == 0
    (elsewhere.book().path / "catalog.json").write_text("{", encoding="utf-8")

    refused(elsewhere.run("run", manifest), 65, "catalog.json", "--refresh-schema")
    assert elsewhere.run("run", manifest, "-q", "--refresh-schema").code == 0
    assert elsewhere.run("run", manifest, "-q").code == 0
    assert catalog.posts == 1


def test_unknown_inputs_and_any_value_pass_where_the_person_says_so(elsewhere: Workplace) -> None:
    unknown, wrong = ("--set", "colour=red"), ("--set", "size=XL")

    assert [elsewhere.run("plan", brush(elsewhere), *given).code for given in (unknown, wrong)] == [64, 64]
    sent = elsewhere.run("plan", brush(elsewhere), *unknown, "--allow-unknown", "--json").json["first"][0]
    assert sent["settings"] == {"colour": "red"}
    sent = elsewhere.run("plan", brush(elsewhere), *wrong, "--no-validate", "--json").json["first"][0]
    assert sent["settings"] == {"size": "XL"}


@pytest.mark.parametrize(
    "price",
    [
        {"base_price_usd": 0.2, "price_unit": "second"},
        {"base_price_usd": None},
        {"base_price_usd": "0.05"},
        {"base_price_usd": -1},
    ],
)
def test_what_is_not_priced_per_output_has_an_unknown_price_said_once(
    elsewhere: Workplace, catalog: Scripted, price: dict[str, object]
) -> None:
    catalog.models[LIVE] |= price
    planned = elsewhere.run("plan", brush(elsewhere), "--json").json
    ran = elsewhere.run("run", brush(elsewhere))

    assert (planned["cost_usd"], planned["unpriced"]) == (None, [LIVE])
    assert ran.code == 0
    assert ran.err.count(f"no price for {LIVE}") == 1
    refused(elsewhere.run("run", brush(elsewhere, name="n"), "--max-cost", "5"), 65, LIVE, "base_usd")


def test_the_live_price_is_asked_anew_every_time(elsewhere: Workplace, catalog: Scripted) -> None:
    manifest = brush(elsewhere)
    assert elsewhere.run("plan", manifest, "--json").json["cost_usd"] == {"low": 0.05, "high": 0.05}
    catalog.models[LIVE]["base_price_usd"] = 0.5

    assert elsewhere.run("plan", manifest, "--json").json["cost_usd"] == {"low": 0.5, "high": 0.5}


def test_without_a_token_the_bundled_models_are_listed_without_prices(place: Workplace) -> None:
    listed = without_token(place).run("models")

    assert (listed.code, listed.err) == (0, "")
    first, second, *rest = listed.out.splitlines()
    assert (first.split("  ")[0], second.split()[0]) == (MODEL, EDIT)
    assert first.index("price unknown") == second.index("price unknown")
    assert "RUNCOMFY_TOKEN" in rest[-1]
    assert [one["base_price_usd"] for one in place.run("models", "--json").json["models"]] == [None, None]
    assert place.run("models", "--search", "banana edit", "--json").json["total"] == 1
    assert place.run("models", "--category", "video", "--json").json["models"] == []


def test_with_a_token_the_live_catalog_is_listed_and_searched(place: Workplace) -> None:
    everything = place.run("models", "--json").json
    found = place.run("models", "--search", "banana", "--category", "edit", "--json").json

    assert (everything["source"], everything["total"]) == ("live", 2)
    assert [(one["id"], one["base_price_usd"], one["price_unit"]) for one in found["models"]] == [
        (EDIT, 0.08, "output")
    ]
    shown = place.run("models", "--limit", "1")
    assert shown.out.splitlines()[1:] == [
        "1 of 2 models (live catalog); --limit shows more, --search and --category fewer"
    ]


def test_a_long_list_is_asked_for_page_by_page(elsewhere: Workplace, catalog: Scripted) -> None:
    catalog.models |= {f"acme/{number}": {"model_id": f"acme/{number}"} for number in range(610)}
    listed = elsewhere.run("models", "--limit", "600", "--json").json

    assert len({one["id"] for one in listed["models"]}) == 600
    assert listed["total"] == 611
    assert [path.partition("?")[2] for path in catalog.asked] == ["limit=500&offset=0", "limit=100&offset=500"]


def test_a_sandbox_can_be_asked_without_an_account(place: Workplace) -> None:
    listed = without_token(place).run("models", "--sandbox", "--json").json

    assert (listed["source"], len(listed["models"])) == ("sandbox", 2)
    assert list(place.folder.iterdir()) == [place.folder / "home"]


def test_a_model_is_shown_with_inputs_limits_and_price(place: Workplace) -> None:
    shown = place.run("models", MODEL)
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in shown.out.splitlines() if line.strip()}

    assert shown.code == 0, shown.err
    assert lines["price"] == "$0.08 per output"
    assert lines["outputs"] == "1 to 4 per request, by num_images"
    assert lines["prompt"] == "string required"
    assert lines["num_images"] == "integer default 1 1 to 4"
    assert lines["output_format"] == "string default png jpeg, png, webp"
    described = {one["name"]: one for one in place.run("models", EDIT, "--json").json["inputs"]}
    assert described["image_urls"]["required"] is True
    assert (described["image_urls"]["min_items"], described["image_urls"]["max_items"]) == (1, 20)
    assert described["safety_tolerance"]["allowed"] == [1, 2, 3, 4, 5, 6]


def test_a_model_is_shown_from_what_is_bundled_where_there_is_no_token(place: Workplace) -> None:
    shown = without_token(place).run("models", MODEL)

    assert shown.code == 0
    assert "unknown" in next(line for line in shown.out.splitlines() if line.startswith("  price"))
    assert "RUNCOMFY_TOKEN" in shown.out
    refused(place.run("models", LIVE), 77, LIVE, "needs a token")


def test_what_cannot_be_shown_says_why(place: Workplace, quick: Sandbox) -> None:
    refused(place.run("models", "google/nano-banana-2/edits"), 65, f'did you mean "{EDIT}"?')
    refused(place.run("models", "../../etc"), 65, "../../etc")
    place.environment["RUNCOMFY_TOKEN"] = "stale"
    refused(place.run("models"), 77, "RUNCOMFY_TOKEN")
    place.use(NOWHERE)
    refused(place.run("models"), 69, "cannot connect")


def test_a_hostile_catalog_cannot_write_to_the_terminal(elsewhere: Workplace, catalog: Scripted) -> None:
    evil = "\x1b[31m\u202e\x9b" + "x" * 5000
    entry = live_model(**{evil: {"type": "string", "enum": [evil] * 500}, "deep": {"type": evil, "minimum": 1e308}})
    catalog.models[LIVE] = {
        **entry,
        "display_name": evil,
        "pricing_note": evil,
        "categories": [evil, 5],
        "price_unit": evil,
    }

    for arguments in (("models",), ("models", LIVE), ("models", "--json"), ("models", LIVE, "--json")):
        shown = elsewhere.run(*arguments)
        assert shown.code == 0, shown.err
        assert [character for character in shown.out if not character.isprintable() and character != "\n"] == []
    assert max(map(len, elsewhere.run("models").out.splitlines())) < 250
    assert max(map(len, elsewhere.run("models", LIVE).out.splitlines())) < 1500


@pytest.mark.parametrize("entries", [None, "models", {"model_id": 5}, [None, 5, {}, {"base_price_usd": "x"}]])
def test_a_catalog_of_another_shape_breaks_nothing(elsewhere: Workplace, catalog: Scripted, entries: object) -> None:
    catalog.models[""] = {"models": entries, "total": "many"}

    assert elsewhere.run("models").code == 0
