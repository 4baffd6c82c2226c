"""The user's own texts of a model card, from a YAML file.

Source of the names: the model card template of `huggingface_hub`, whose variables they are where it has one.
"""

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import AfterValidator, Field

from mrcnn import files
from mrcnn.config import errors
from mrcnn.config.base import Positive, Settings, Text
from mrcnn.errors import UserError

FILE = "card.yaml"
MOST_BYTES = 2**20
WHAT = "texts of the model card"


def _one_line(text: str) -> str:
    if len(text.splitlines()) > 1:
        raise ValueError(f"must be one line, got {errors.shown(text)}")
    return text.strip()


Line = Annotated[Text, AfterValidator(_one_line)]


class CardTexts(Settings):
    """What only the user knows of a model; the card marks what is missing.

    Values are Markdown unless their description names another form.
    """

    name: Line | None = Field(default=None, description="title of the card; default the name of the run's folder")
    model_summary: Text | None = Field(default=None, description="one or two sentences below the title")
    model_description: Text | None = Field(default=None, description="a longer description")
    developers: Line | None = Field(default=None, description="who trained the model")
    funded_by: Line | None = Field(default=None, description="who paid for it")
    shared_by: Line | None = Field(default=None, description="who publishes it")
    license: Line | None = Field(default=None, description="identifier of the licence, such as `mit`; no Markdown")
    license_name: Line | None = Field(default=None, description="name of a licence whose `license` is `other`")
    license_link: Line | None = Field(default=None, description="its text")
    base_model: Line | None = Field(default=None, description="name on the Hub of the model it was trained from")
    datasets: tuple[Line, ...] = Field(default=(), description="names on the Hub of the training data")
    tags: tuple[Line, ...] = Field(default=(), description="further tags on the Hub")
    repo: Line | None = Field(default=None, description="link to the code")
    paper: Line | None = Field(default=None, description="link to a publication")
    demo: Line | None = Field(default=None, description="link to a demo")
    direct_use: Text | None = Field(default=None, description="what the model is meant for")
    downstream_use: Text | None = Field(default=None, description="what it may be used for as a part of something")
    out_of_scope_use: Text | None = Field(default=None, description="what it must not be used for")
    bias_risks_limitations: Text | None = Field(default=None, description="limits, besides those found in the data")
    bias_recommendations: Text | None = Field(default=None, description="what users should do about them")
    training_data: Text | None = Field(default=None, description="where the data is from, how it was labelled")
    testing_data: Text | None = Field(default=None, description="the same of the validation images")
    model_examination: Text | None = Field(default=None, description="what is known of how the model decides")
    cloud_provider: Line | None = Field(default=None, description="of the machine")
    cloud_region: Line | None = Field(default=None, description="of the machine")
    watts: Positive | None = Field(
        default=None, description="power of the machine during the training, for the estimate of energy"
    )
    grams_per_kwh: Positive | None = Field(
        default=None, description="grams of CO2 equivalents per kWh of its electricity, for the estimate"
    )
    citation_bibtex: Text | None = Field(default=None, description="BibTeX entry; no Markdown")
    citation_apa: Text | None = Field(default=None, description="the same in APA style")
    glossary: Text | None = Field(default=None, description="explains terms")
    more_information: Text | None = Field(default=None, description="anything else")
    model_card_authors: Line | None = Field(default=None, description="who wrote these texts")
    model_card_contact: Line | None = Field(default=None, description="whom to ask")


def read_texts(path: Path) -> CardTexts:
    """Reads the user's texts.

    An empty file has no texts. An empty value counts as missing.

    Raises:
        UserError: the file is missing, no YAML, or has unknown keys or wrong values; one line names it.
    """
    content = files.read_bytes(path, what=WHAT, most=MOST_BYTES)
    try:
        values = yaml.safe_load(content.decode("utf-8-sig"))
    except yaml.MarkedYAMLError as error:
        place = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise UserError(f"{path} is not YAML: {place}{error.problem}; put text with colons into quotes") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is not a readable YAML text: {error}") from error
    if values is None:
        return CardTexts()
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise UserError(f"{path} must hold keys with texts, such as `license: mit`, got {errors.shown(str(values))}")
    given = {key: value for key, value in values.items() if value not in (None, "")}
    try:
        return errors.check(CardTexts, given)
    except errors.ConfigError as error:
        raise UserError(f"{path}: {error}") from error
