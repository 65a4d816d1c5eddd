"""Answers of pipelines as cards: all that they hold is said, texts come back as they are, and nothing is markup."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.pipelines.results import Answer, Classification, Entities, Entity, Generation, Results
from workbench.views import theme
from workbench.views.pipelines.card import answer_html, results_html
from workbench.views.pipelines.marks import Mark, drawable, marked

from .reading import Words, words
from .test_theme import THEMES, mix, tokens

EVIL = "<script>alert(1)</script> & <u>under</u>"
TEXT = "Ada Lovelace met Charles Babbage in London."


def entity(text: str, word: str, kind: str, score: float = 0.98) -> Entity:
    start = text.index(word)
    return Entity(word, kind, score, start, start + len(word))


def people() -> Entities:
    named = [("Ada Lovelace", "PER"), ("Charles Babbage", "PER"), ("London", "LOC")]
    return Entities(TEXT, [entity(TEXT, *one) for one in named])


def marks_of(page: str) -> list[str]:
    return re.findall(r'<mark class="fw-mark"[^>]*>(.*?)</mark>', page, re.DOTALL)


def test_a_label_is_large_and_its_score_is_a_bar():
    shown = Classification("positive", 0.873)._repr_html_()
    assert words(Classification("positive", 0.873)) == "positive 0.873"
    assert 'class="fw-verdict">positive<' in shown
    assert 'style="width:87.3%"' in shown


@pytest.mark.parametrize("score", [-0.5, 0.0, 1.0, 1.5, float("nan")])
def test_no_score_makes_a_bar_that_is_longer_than_its_place(score):
    width = float(re.search(r'style="width:([\d.]+)%"', Classification("a", score)._repr_html_())[1])
    assert 0 <= width <= 100


def test_the_names_of_a_text_are_marked_in_it_and_counted():
    found = people()
    shown = found._repr_html_()
    assert words(found).startswith("3 names: 2 PER, 1 LOC Ada Lovelace PER met Charles Babbage PER in London LOC .")
    assert [re.sub("<.*?>", "", mark) for mark in marks_of(shown)] == [
        "Ada Lovelace PER",
        "Charles Babbage PER",
        "London LOC",
    ]
    assert "characters 0 to 12" in words(found)
    assert shown.count("0.980") == 3


def test_a_text_without_names_says_so_and_is_still_there():
    assert words(Entities(TEXT, [])) == f"No names in this text. {TEXT}"


def test_of_names_that_overlap_one_is_marked_and_all_are_listed():
    text = "University of London"
    found = Entities(text, [entity(text, text, "ORG"), entity(text, "London", "LOC"), Entity("x", "LOC", 0.5, 90, 99)])
    shown = found._repr_html_()
    assert len(marks_of(shown)) == 1
    assert shown.count("<tr>") == 4, "a heading and three rows"


def test_a_long_text_is_shown_around_its_names():
    text = "before " * 2000 + TEXT + " behind" * 2000
    found = Entities(text, [entity(text, "Ada Lovelace", "PER"), entity(text, "London", "LOC")])
    shown = words(found)
    assert "before before Ada Lovelace PER met Charles Babbage in London LOC . behind" in shown
    assert len(shown) < 1200
    assert shown.count("\N{HORIZONTAL ELLIPSIS}") == 2
    assert len(words(Entities(text, []))) < 1200


def test_an_answer_is_quoted_and_marked_in_its_context():
    found = Answer("Charles Babbage", 17, 32, 0.5)
    assert (
        words(found)
        == "\N{LEFT DOUBLE QUOTATION MARK}Charles Babbage\N{RIGHT DOUBLE QUOTATION MARK} 0.500 characters 17 to 32"
    )
    assert marks_of(answer_html(found, TEXT)) == ["Charles Babbage"]
    assert words(Answer("", 0, 0, 0.9)) == "The context has no answer to that. 0.900"


def test_a_prompt_is_dimmed_and_why_the_text_ended_is_said():
    found = Generation(" upon a time", "Once", 3, "length")
    assert "<span>Once</span> upon a time</p>" in found._repr_html_()
    assert words(found).endswith("3 tokens, cut at the limit of tokens")


def test_lists_are_tables():
    several = Results([Classification("good", 0.9), Classification("bad", 0.1)])
    assert words(several) == "2 answers label score good 0.900 bad 0.100"
    assert "one text good" in words_of(results_html(several, ["one text", "another"]))
    each = Results([several, Results([Classification("bad", 1.0)])])
    assert words(each) == "2 answers text label score 0 good 0.900 bad 0.100 1 bad 1.00"
    assert "no answer 0.900" in words(Results([Answer("", 0, 0, 0.9)]))
    assert words(Results([])).startswith("0 answers")
    assert "Once upon" in words(Results([Generation(" upon", "Once", 1, "stop")])).replace("  ", " ")


def words_of(page: str) -> str:
    return " ".join(Words(page).words.split())


def test_an_error_in_the_place_of_an_answer_is_said():
    shown = Results([Classification("good", 0.9), ValueError("a bad text")])
    assert "ValueError: a bad text" in words(shown)
    assert "ValueError: a bad text" in words(Results([people(), ValueError("a bad text")]))


def test_long_lists_are_cut_and_say_how_much_is_left():
    shown = Results([Classification("good", 0.9)] * 1000)
    assert "and 800 more: see .to_pandas()" in words(shown)
    assert shown._repr_html_().count("<tr>") == 201


@pytest.mark.parametrize(
    "value",
    [
        Classification(EVIL, 0.5),
        Entities(EVIL, [Entity(EVIL[:8], EVIL, 0.5, 0, 8)]),
        Answer(EVIL, 0, len(EVIL), 0.5),
        Generation(EVIL, EVIL, 1, EVIL),
        Results([Classification(EVIL, 0.5), Exception(EVIL)]),
        Results([Generation(EVIL, EVIL, 1, "stop")]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_nothing_is_markup_and_all_is_the_same_each_time(value):
    shown = value._repr_html_()
    assert "script" not in Words(shown).tags
    assert "u" not in Words(shown).tags
    assert EVIL[:8] in words(value)
    assert shown == value._repr_html_()
    assert len(shown) < 9_000


spans = st.tuples(st.integers(-2, 40), st.integers(-2, 40), st.sampled_from(["PER", "B-LOC", ""]))


@given(st.text(max_size=36), st.lists(spans, max_size=8))
def test_a_marked_text_is_the_text_and_its_marks_are_passages_of_it(text, places):
    marks = [Mark(*place) for place in places]
    kept = drawable(text, marks)
    assert all(one.end <= other.start for one, other in pairwise(kept))
    assert set(kept) <= set(marks)
    shown = re.sub(r" <small>[^<]*</small>", "", marked(text, marks))
    assert re.sub(r"</?(p|mark)\b[^>]*>", "", shown) == re.sub(r"</?p\b[^>]*>", "", marked(text, []))
    assert len(marks_of(shown)) == len(kept)


@pytest.mark.parametrize("name", THEMES)
@pytest.mark.parametrize("colour", sorted({*theme.CONTENDER_COLOURS.values(), *theme._OTHERS}))
def test_words_stand_out_from_a_marked_passage(name, colour):
    share = float(re.search(r"var\(--fw-kind, var\(--fw-accent\)\) (\d+)%", theme.css("pipeline"))[1])
    colours = tokens(name)
    assert theme.contrast(colours["text"], mix(colour, share, colours["paper"])) >= 4.5
