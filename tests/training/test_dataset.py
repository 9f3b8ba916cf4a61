"""Reading labelled examples: every form is understood, and what cannot be used is named."""

from pathlib import Path

import pytest

from training.dataset import DatasetError, Example, read_examples, split


def write(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def test_csv_rows_have_intent_sentiment_or_both(tmp_path: Path) -> None:
    file = write(tmp_path / "de.csv", "text,intent,sentiment\nwo ist es,track_order,\nsuper!,,positive\n")
    assert read_examples([file]) == [
        Example("wo ist es", "track_order", None, "de", "de"),
        Example("super!", None, "positive", "de", "de"),
    ]


def test_rasa_yaml_takes_the_sentiment_from_the_block_or_the_example(tmp_path: Path) -> None:
    file = write(
        tmp_path / "fr.yml",
        """
version: "3.1"
nlu:
- intent: greet
  metadata: {sentiment: positive}
  examples: |
    - salut
- intent: track_order
  examples:
  - text: |
      où est [123](order_number)
    metadata: {sentiment: negative}
- synonym: x
  examples: "- y"
""",
    )
    assert read_examples([file]) == [
        Example("salut", "greet", "positive", "fr", "fr"),
        Example("où est 123", "track_order", "negative", "fr", "fr"),
    ]


def test_spaces_around_a_label_make_no_other_label(tmp_path: Path) -> None:
    file = write(tmp_path / "rows.csv", "text,intent,sentiment\nhi,greet, \nhello,greet ,neutral \nyo, greet,\n")
    assert [(row.intent, row.sentiment) for row in read_examples([file])] == [
        ("greet", None),
        ("greet", "neutral"),
        ("greet", None),
    ]


@pytest.mark.parametrize(
    ("path", "language"),
    [
        ("de.csv", "de"),
        ("de-DE.csv", "de"),
        ("pt_BR.csv", "pt"),
        ("umsab/hi/train.csv", "hi"),
        ("pt-BR/train.csv", "pt"),
        ("my-data.csv", ""),
        ("to-train.csv", ""),
        ("qa-pairs.csv", ""),
        ("qa.csv", ""),
        ("my-shop/train.csv", ""),
        ("v1/train.csv", ""),
    ],
)
def test_only_a_name_that_is_all_of_it_a_code_or_a_locale_names_a_language(
    path: str, language: str, tmp_path: Path
) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    (example,) = read_examples([write(file, "text,intent\nhello,greet\n")])
    assert example.language == language


def test_the_same_row_twice_counts_once(tmp_path: Path) -> None:
    file = write(tmp_path / "rows.csv", "text,intent\nhi,greet\nhi,greet\n")
    assert len(read_examples([file, file])) == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "text,label\nx,y\n", "header"),
        ("a.csv", "text,intent\n,greet\n", "row 2"),
        ("a.csv", "text,sentiment\nx,furious\n", "furious"),
        ("a.csv", "text,intent,sentiment\nx,,\n", "neither"),
        ("a.csv", "text,intent\n", "No examples"),
        ("a.yml", "nlu: [", "YAML"),
        ("a.txt", "x", "expected"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        read_examples([write(tmp_path / name, content)])


def test_a_split_shares_no_row_and_loses_none() -> None:
    examples = [Example(f"text {n}", f"intent {n % 7}", None, "en") for n in range(700)]
    training, validation = split(examples, share=0.1, seed=3)
    assert not set(training) & set(validation)
    assert set(training) | set(validation) == set(examples)
    assert {example.intent for example in validation} == {example.intent for example in examples}
    assert 40 <= len(validation) <= 100


def test_a_label_with_one_example_stays_in_training() -> None:
    training, validation = split([Example("only one", "rare")], share=0.5, seed=0)
    assert (len(training), len(validation)) == (1, 0)
