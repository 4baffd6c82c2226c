"""Composes a model card in the order of the Hugging Face template.

Source: `huggingface_hub/templates/modelcard_template.md`, whose headings these are.
"""

from mrcnn.card import evaluation, impact, limits, metadata, training
from mrcnn.card.contents import Contents, mapping
from mrcnn.card.markdown import UNKNOWN, UNSTATED, escaped, items

MARK = "<!-- Written by mrcnn: `mrcnn card` writes it anew. Put texts of your own into card.yaml. -->"
HINT = "Check on images of your own, and by class, before you rely on the model."


def compose(contents: Contents) -> str:
    """Builds the whole card."""
    sections = (_top, _uses, _limits, _start, _training, _evaluation, _examination, _end)
    return "\n\n".join([metadata.block(contents), MARK, *(section(contents) for section in sections)]) + "\n"


def _top(contents: Contents) -> str:
    texts = contents.texts
    kind = ", ".join(filter(None, (_family(contents), _backbone(contents))))
    titles = contents.classes
    shown = ", ".join(map(escaped, titles[:12])) + (f" and {len(titles) - 12} more" if len(titles) > 12 else "")
    number = "1 class" if len(titles) == 1 else f"{len(titles)} classes"
    found = f"Finds objects of {number} in images, each with a box, a class, a score and a mask: {shown}."
    summary = texts.model_summary or found
    described = items(
        [
            ("Developed by", texts.developers or UNSTATED),
            ("Funded by", texts.funded_by or UNSTATED),
            ("Shared by", texts.shared_by or UNSTATED),
            ("Model type", f"instance segmentation, {escaped(kind)}" if kind else "instance segmentation"),
            ("License", texts.license_name or texts.license or UNSTATED),
            ("Finetuned from model", texts.base_model or training.start(contents)),
        ]
    )
    sources = items([(name, value or UNSTATED) for name, value in (
        ("Repository", texts.repo), ("Paper", texts.paper), ("Demo", texts.demo)
    )])  # fmt: skip
    return _joined(
        f"# {escaped(contents.title)}",
        summary,
        "## Model Details",
        "### Model Description",
        texts.model_description,
        described,
        "### Model Sources",
        sources,
    )


def _uses(contents: Contents) -> str:
    texts = contents.texts
    return _joined(
        "## Uses",
        "### Direct Use",
        texts.direct_use or UNSTATED,
        "### Downstream Use",
        texts.downstream_use or UNSTATED,
        "### Out-of-Scope Use",
        texts.out_of_scope_use or UNSTATED,
    )


def _limits(contents: Contents) -> str:
    found = "\n".join(f"- {line}" for line in limits.sentences(contents))
    own = contents.texts.bias_risks_limitations
    return _joined(
        "## Bias, Risks, and Limitations",
        own,
        found or (None if own else UNKNOWN),
        "### Recommendations",
        contents.texts.bias_recommendations or HINT,
    )


def _start(contents: Contents) -> str:
    code = [
        "Install `mrcnn`, download this folder as `model`, and:",
        "```\npython -m mrcnn infer --model model --images photos/ --output found/ --overlay\n```",
        "```python\nfrom mrcnn import Predictor\n\nfound = Predictor.load(\"model\").predict([\"photo.jpg\"])[0]\n"
        "print(found.class_names, found.scores, found.boxes, found.masks.shape)  # boxes: y1, x1, y2, x2, pixels\n```",
    ]  # fmt: skip
    return _joined("## How to Get Started with the Model", *code)


def _training(contents: Contents) -> str:
    return _joined(
        "## Training Details",
        "### Training Data",
        training.data(contents),
        "### Training Procedure",
        "#### Preprocessing",
        training.preprocessing(contents),
        "#### Training Hyperparameters",
        items([("Training regime", training.regime(contents))]),
        training.hyperparameters(contents),
        "#### Speeds, Sizes, Times",
        training.speeds(contents),
    )


def _evaluation(contents: Contents) -> str:
    return _joined(
        "## Evaluation",
        "### Testing Data, Factors & Metrics",
        "#### Testing Data",
        evaluation.testing_data(contents),
        "#### Factors",
        evaluation.factors(contents),
        "#### Metrics",
        evaluation.measured(contents),
        "### Results",
        evaluation.results(contents),
        evaluation.pictures(contents),
        "#### Summary",
        evaluation.summary(contents) or UNKNOWN,
    )


def _examination(contents: Contents) -> str:
    software = contents.facts.software if contents.facts else {}
    versions = ", ".join(f"{escaped(name)} {escaped(version)}" for name, version in software.items())
    losses = mapping(contents.model.get("loss_weights"))
    heads = contents.model.get("extra_heads") or []
    specs = [
        f"Mask R-CNN ({escaped(_family(contents))}), backbone {escaped(_backbone(contents) or 'not known')}, a feature "
        "pyramid",
        f"further heads: {', '.join(map(escaped, heads))}" if heads else None,
        f"losses with their weights: {', '.join(f'{escaped(name)} {weight:g}' for name, weight in losses.items())}"
        if losses
        else None,
    ]  # fmt: skip
    return _joined(
        "## Model Examination",
        contents.texts.model_examination or UNSTATED,
        "## Environmental Impact",
        impact.section(contents),
        "## Technical Specifications",
        "### Model Architecture and Objective",
        "; ".join(filter(None, specs)) + ".",
        "### Compute Infrastructure",
        "#### Hardware",
        escaped("; ".join(impact.hardware(contents))) or UNKNOWN,
        "#### Software",
        versions or UNKNOWN,
    )


def _end(contents: Contents) -> str:
    texts = contents.texts
    bibtex = f"```bibtex\n{texts.citation_bibtex.strip()}\n```" if texts.citation_bibtex else UNSTATED
    return _joined(
        "## Citation",
        "**BibTeX:**",
        bibtex,
        "**APA:**",
        texts.citation_apa or UNSTATED,
        "## Glossary",
        texts.glossary or UNSTATED,
        "## More Information",
        texts.more_information or UNSTATED,
        "## Model Card Authors",
        texts.model_card_authors or UNSTATED,
        "## Model Card Contact",
        texts.model_card_contact or UNSTATED,
    )


def _family(contents: Contents) -> str:
    return str(contents.model.get("family") or "matterport")


def _backbone(contents: Contents) -> str:
    return str(contents.model.get("backbone") or "")


def _joined(*parts: str | None) -> str:
    return "\n\n".join(part.strip("\n") for part in parts if part)
