"""A review as reviewers meet it: order, sides, gold questions, undo, disagreements, going on after a stop."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from review_pairs import Clock, write_pairs

from spatial_trainers.review.figures import review_figures
from spatial_trainers.review.queue import LEASE_SECONDS
from spatial_trainers.review.session import Question, ReviewSession, ReviewSettings
from spatial_trainers.review.store import Store

Open = Callable[..., ReviewSession]


def answer(session: ReviewSession, question: Question, shown: str = "1", *, key: str | None = None) -> str:
    key = key or f"key-of-{question.token}"
    session.answer(question.token, shown, key=key, seconds=2.0)
    return key


def side_of(session: ReviewSession, question: Question, *, chosen: bool = True) -> str:
    """Find which side is the chosen picture, as only the server can."""
    assignment = session._assignments[question.token]
    return "1" if assignment.chosen_first == chosen else "2"


def prompts(questions: list[Question]) -> list[str]:
    return ["".join(segment.text for segment in question.prompt) for question in questions]


def test_a_reviewer_sees_every_pair_once(open_session: Open) -> None:
    session = open_session(votes_wanted=1)
    seen = []
    while found := session.questions("ann"):
        seen += prompts(found)
        answer(session, found[0])
    assert len(seen) == len(set(seen)) == 8
    assert session.progress("ann").answered == session.progress("ann").votes == 8


def test_loading_ahead_gives_other_questions(open_session: Open) -> None:
    session = open_session()
    first = session.questions("ann", count=3)
    more = session.questions("ann", held=[q.token for q in first], count=8)
    assert len({q.token for q in first + more}) == 8


def test_reviewers_go_on_where_they_stopped(open_session: Open) -> None:
    session = open_session()
    loaded = session.questions("ann", count=4)
    answer(session, loaded[0])
    assert [q.token for q in open_session().questions("ann", count=3)] == [q.token for q in loaded[1:]]


def test_an_answer_sent_twice_is_kept_once(open_session: Open) -> None:
    session = open_session()
    (question,) = session.questions("ann")
    answer(session, question, "1")
    answer(session, question, "1")
    answer(session, question, "2", key="from-another-tab")
    assert [v.key for v in open_session().verdicts()] == [f"key-of-{question.token}"]
    assert session.progress("ann").answered == 1


def test_an_answer_reaches_a_server_that_was_started_anew(open_session: Open) -> None:
    (question,) = open_session().questions("ann")
    session = open_session()
    answer(session, question)
    assert session.progress("ann").answered == 1


def test_undo_brings_the_pair_back(open_session: Open) -> None:
    session = open_session()
    (question,) = session.questions("ann")
    key = answer(session, question)
    assert session.last_key("ann") == key
    assert session.undo("bob", key) is None, "nobody takes back what others said"
    assert session.undo("ann", key) == question
    assert session.undo("ann", key) is None and session.last_key("ann") is None
    assert session.progress("ann").answered == session.progress("ann").votes == 0
    answer(session, question, key="another-key")
    # The first answer, sent again because its confirmation was lost, does not come back.
    answer(session, question, key=key)
    assert [v.key for v in open_session().verdicts()] == ["another-key"]


def test_sides_are_drawn_anew_for_each_reviewer(tmp_path: Path) -> None:
    manifest = write_pairs(tmp_path, 100, size=2)
    session = ReviewSession(manifest, Store(tmp_path / "a.sqlite"), ReviewSettings())
    sides = {}
    for name in ("ann", "bob"):
        questions = session.questions(name, count=100)
        by_prompt = sorted(zip(prompts(questions), questions, strict=True), key=lambda item: item[0])
        sides[name] = [side_of(session, question) for _, question in by_prompt]
    # Within four standard deviations of half: for each reviewer, and for whether two see the same side.
    assert all(30 <= sides[name].count("1") <= 70 for name in sides)
    assert 30 <= sum(a == b for a, b in zip(sides["ann"], sides["bob"], strict=True)) <= 70


def test_the_chosen_picture_is_the_same_on_either_side(open_session: Open, manifest: Path) -> None:
    records = [json.loads(line) for line in manifest.read_text().splitlines()]
    session = open_session()
    for question in session.questions("ann", count=8):
        record = next(r for r in records if r["prompt"] == prompts([question])[0])
        picture = session.picture(question.token, side_of(session, question))
        assert picture.data == (manifest.parent / record["image_chosen"]).read_bytes()
        assert picture.media_type == "image/png"


def test_a_question_tells_nothing_about_the_pair(open_session: Open, manifest: Path) -> None:
    texts = [json.dumps(q.to_dict()) for q in open_session().questions("ann", count=8)]
    for record in map(json.loads, manifest.read_text().splitlines()):
        for secret in (record["id"], record["image_chosen"], record["sha256_chosen"], "gold", "chosen"):
            assert not any(secret in text for text in texts)


def test_gold_questions_are_mixed_in_and_counted_apart(tmp_path: Path) -> None:
    manifest = write_pairs(tmp_path, 80, size=2)
    gold = write_pairs(tmp_path, 40, name="gold.jsonl", size=2)
    store = Store(tmp_path / "a.sqlite")
    session = ReviewSession(manifest, store, ReviewSettings(votes_wanted=1, gold=gold, gold_share=0.2))
    while found := session.questions("ann"):
        answer(session, found[0], side_of(session, found[0]))
    figures = review_figures(session)
    (ann,) = figures.reviewers
    assert 4 <= ann.gold.total <= 40, "a fifth of about 100, within four standard deviations"
    assert figures.decisions["chosen"] == 80, "gold questions are no votes"
    assert session.progress("ann").answered == 80 + ann.gold.total, "and a reviewer cannot tell them apart"
    # They are known without their manifest too.
    assert review_figures(ReviewSession(manifest, store, ReviewSettings())).reviewers[0].gold == ann.gold


def test_gold_answers_right_and_wrong(tmp_path: Path) -> None:
    manifest = write_pairs(tmp_path, 4)
    gold = write_pairs(tmp_path, 4, name="gold.jsonl")
    session = ReviewSession(
        manifest, Store(tmp_path / "a.sqlite"), ReviewSettings(gold=gold, gold_share=0.99)
    )
    for question, chosen in zip(session.questions("ann", count=4), (True, True, True, False), strict=True):
        answer(session, question, side_of(session, question, chosen=chosen))
    (ann,) = review_figures(session).reviewers
    assert (ann.gold.right, ann.gold.total) == (3, 4)
    assert (ann.gold.low, ann.gold.high) == pytest.approx((0.301, 0.954), abs=1e-3)


def test_who_adjudicates_sees_disagreements_and_decides(open_session: Open) -> None:
    session = open_session(adjudicators=("dora",))
    assert session.questions("dora", count=8) == []
    for name, chosen in (("ann", True), ("bob", False)):
        first, second = session.questions(name, count=2)
        answer(session, first, side_of(session, first, chosen=chosen))
        answer(session, second, side_of(session, second))
    assert session.progress("dora").disputed == 1
    (question,) = session.questions("dora", count=8)
    assert question.votes == {"1": 1, "2": 1}
    key = answer(session, question, "neither")
    assert review_figures(session).decisions == {
        "open": 6,
        "disputed": 0,
        "chosen": 1,
        "rejected": 0,
        "both": 0,
        "neither": 1,
        "unsure": 0,
    }
    session = open_session(adjudicators=("dora",))
    assert session.progress("dora").disputed == 0 and session.questions("dora") == []
    assert session.undo("dora", key) == question
    assert session.progress("dora").disputed == 1
    # Adjudication is no vote: agreement is of the two who judged.
    assert review_figures(session).agreement == 0.5


def test_a_third_reviewer_is_not_asked_what_two_have_judged(open_session: Open, clock: Clock) -> None:
    session = open_session()
    for name in ("ann", "bob"):
        for question in session.questions(name, count=5):
            answer(session, question)
    assert len(session.questions("cid", count=8)) == 3
    # What ann and bob have loaded and do not answer falls to others after a while.
    session.questions("ann", count=3)
    session.questions("bob", count=3)
    assert session.questions("eve", count=8) == []
    clock.now += LEASE_SECONDS + 1
    assert len(session.questions("eve", count=8)) == 3


def test_left_out_reviewers_do_not_count(open_session: Open) -> None:
    session = open_session(votes_wanted=1)
    for question in session.questions("mallory", count=8):
        answer(session, question)
    session = open_session(votes_wanted=1, without=("mallory",))
    assert session.progress("ann").votes == 0 and len(session.questions("ann", count=9)) == 8
    with pytest.raises(ValueError, match="left out"):
        session.questions("mallory")


def test_missing_and_altered_pictures_are_left_out_and_told(open_session: Open, manifest: Path) -> None:
    records = [json.loads(line) for line in manifest.read_text().splitlines()]
    picture = [manifest.parent / record["image_rejected"] for record in records]
    picture[0].unlink()
    picture[1].write_bytes(picture[2].read_bytes())
    session = open_session()
    assert len(session.questions("ann", count=8)) == 6
    damaged = review_figures(session).damaged
    assert set(damaged) == {records[0]["id"], records[1]["id"]}
    assert "Cannot read the image" in damaged[records[0]["id"]]
    assert "sha256 differs" in damaged[records[1]["id"]]
    assert session.progress("ann").votes_wanted == 12
    assert records[0]["id"] in review_figures(session).to_markdown()


def test_a_file_that_is_no_image(open_session: Open, manifest: Path) -> None:
    records = [json.loads(line) for line in manifest.read_text().splitlines()]
    (manifest.parent / records[0]["image_chosen"]).write_bytes(b"<html>")
    records[0]["sha256_chosen"] = None
    manifest.write_text("".join(json.dumps(record) + "\n" for record in records))
    session = open_session()
    assert len(session.questions("ann", count=8)) == 7
    assert "not a readable image" in review_figures(session).damaged[records[0]["id"]]


def test_a_link_out_of_the_folder_is_not_followed(open_session: Open, manifest: Path, tmp_path: Path) -> None:
    records = [json.loads(line) for line in manifest.read_text().splitlines()]
    path = manifest.parent / records[0]["image_chosen"]
    outside = tmp_path.parent / f"{tmp_path.name}-outside.png"
    outside.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(outside)
    session = open_session()
    assert len(session.questions("ann", count=8)) == 7
    assert "leads out" in review_figures(session).damaged[records[0]["id"]]


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "images/../../x.png", "C:\\x.png"])
def test_a_path_out_of_the_folder_is_refused(open_session: Open, manifest: Path, name: str) -> None:
    lines = manifest.read_text().splitlines(keepends=True)
    lines[2] = json.dumps({**json.loads(lines[2]), "image_chosen": name}) + "\n"
    manifest.write_text("".join(lines))
    with pytest.raises(ValueError, match="line 3.*does not lie below"):
        open_session()


def test_malformed_and_truncated_lines_are_named(open_session: Open, manifest: Path) -> None:
    whole = manifest.read_text()
    manifest.write_text(whole[:-40])
    with pytest.raises(ValueError, match="line 8.*cut off"):
        open_session()
    manifest.write_text("[]\n" + whole)
    with pytest.raises(ValueError, match="line 1: the record is not a JSON object"):
        open_session()


def test_answers_hold_for_what_was_shown(open_session: Open, manifest: Path) -> None:
    session = open_session(votes_wanted=1)
    questions = session.questions("ann", count=8)
    for question in questions[:-1]:
        answer(session, question)
    records = [json.loads(line) for line in manifest.read_text().splitlines()]
    shown = prompts(questions)
    for record in records:
        if record["prompt"] in (shown[0], shown[-1]):
            record["prompt"] += " It is late."
    manifest.write_text("".join(json.dumps(record) + "\n" for record in records))
    session = open_session(votes_wanted=1)
    assert len(session.verdicts()) == 6
    assert len(session.questions("ann", count=9)) == 2, "a changed pair is judged again"
    with pytest.raises(ValueError, match="changed or taken out"):
        answer(session, questions[-1])


@pytest.mark.parametrize("name", ["", " ", "x" * 41, "a\x07"])
def test_unusable_names(open_session: Open, name: str) -> None:
    with pytest.raises(ValueError, match="printable"):
        open_session().questions(name)


def test_unusable_answers(open_session: Open) -> None:
    session = open_session()
    (question,) = session.questions("ann")
    for token, shown, key, seconds, message in (
        (question.token, "3", "12345678", 1.0, "one of 1, 2, both"),
        (question.token, "1", "short", 1.0, "8 to 64"),
        (question.token, "1", "12345678", float("nan"), "finite"),
        (question.token, "1", "12345678", -1.0, "finite"),
        ("0" * 32, "1", "12345678", 1.0, "not one of this review"),
    ):
        with pytest.raises(ValueError, match=message):
            session.answer(token, shown, key=key, seconds=seconds)
    with pytest.raises(ValueError, match="1 or 2"):
        session.picture(question.token, "3")
    assert session.verdicts() == []


@pytest.mark.parametrize(
    ("settings", "message"), [({"votes_wanted": 0}, "one vote"), ({"gold_share": 1}, "share")]
)
def test_unusable_settings(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ReviewSettings(**settings)
