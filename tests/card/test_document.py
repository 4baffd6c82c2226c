import re

import pytest

from mrcnn.card import document
from mrcnn.card.facts import ClassCounts

from . import made

HEADINGS = """# run
## Model Details
### Model Description
### Model Sources
## Uses
### Direct Use
### Downstream Use
### Out-of-Scope Use
## Bias, Risks, and Limitations
### Recommendations
## How to Get Started with the Model
## Training Details
### Training Data
### Training Procedure
#### Preprocessing
#### Training Hyperparameters
#### Speeds, Sizes, Times
## Evaluation
### Testing Data, Factors & Metrics
#### Testing Data
#### Factors
#### Metrics
### Results
#### Summary
## Model Examination
## Environmental Impact
## Technical Specifications
### Model Architecture and Objective
### Compute Infrastructure
#### Hardware
#### Software
## Citation
## Glossary
## More Information
## Model Card Authors
## Model Card Contact"""


def headings(text):
    return re.findall(r"^#.*", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)


@pytest.mark.parametrize("changes", [{}, {"facts": None, "rows": (), "epoch": None, "config": {}}], ids=["all", "none"])
def test_compose_has_all_sections_of_the_template(tmp_path, changes):
    text = document.compose(made.contents(tmp_path, **changes))
    assert "\n".join(headings(text)) == HEADINGS
    assert document.MARK in text
    assert not re.search(r"\bNone\b(?!:)|\bnan\b|\[More Information", text)
    assert "\n\n\n" not in text


def test_compose_puts_the_users_texts_in_their_places(tmp_path):
    others = {"datasets", "tags", "watts", "grams_per_kwh"}
    names = [name for name in made.CardTexts.model_fields if name not in others]
    assert len(names) >= 25
    own = made.texts(**{name: f"Text of {name}." for name in names})
    text = document.compose(made.contents(tmp_path, texts=own))
    assert [name for name in names if f"Text of {name}." not in text] == []


def test_compose_says_what_is_not_stated(tmp_path):
    text = document.compose(made.contents(tmp_path))
    assert "## Uses\n\n### Direct Use\n\n*not stated*" in text
    assert "- **License:** *not stated*" in text
    assert "Finds objects of 2 classes in images, each with a box, a class, a score and a mask: dog_1, cat." in text


def test_compose_escapes_titles(tmp_path):
    title = "a|b\n# c"
    data = made.DATA.model_copy(update={"classes": {title: ClassCounts(train_objects=1)}})
    config = {**made.CONFIG, "class_title_to_idx": {"bg": 0, title: 1}}
    text = document.compose(made.contents(tmp_path, config=config, facts=made.FACTS.model_copy(update={"data": data})))
    assert r"| a\|b \# c | 1 |" in text
    assert "\n".join(headings(text)) == HEADINGS
    assert "of 1 class in images" in text


def test_a_card_parses_with_the_hubs_library(tmp_path):
    hub = pytest.importorskip("huggingface_hub", reason="`make install-dev` installs it")
    own = made.texts(license="mit", datasets=("me/pets",), name="My model")
    card = hub.ModelCard(document.compose(made.contents(tmp_path, texts=own)))
    assert card.data.license == "mit"
    assert card.data.library_name == "keras"
    assert card.data.model_name == "My model"
    assert {item.metric_type: item.metric_value for item in card.data.eval_results} == {
        "box_ap": 0.5, "box_ap50": 0.75, "mask_ap": 0.25,
    }  # fmt: skip
    assert "# My model" in card.text
