"""What Hypothesis makes configs of: words that mean something, any JSON, whole configs, and what a schema allows."""

import copy

from hypothesis import strategies as st

from mrcnn.config.deploy import DeployConfig
from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.config.inference import MODES, InferenceModelConfig
from mrcnn.config.train import TrainConfig

KNOWN_WORDS = sorted(
    {*TrainConfig.model_fields, *MatterportConfig.model_fields, "train", "val", "min_dim", "max_dim", "width", "height"}
    | {"name", "args", "children", "model", "mode", "source", "gpu_devices", "save_names", "save_classes", "add_suffix"}
    | {"model_classes", "model_tags", "existing_objects", "model_settings", "connection", "cache_limit", "val_every"}
    | {"$schema", "data_workers", "validate_with_model_eval", *InferenceModelConfig.model_fields}
)
WORDS = st.one_of(
    st.sampled_from([*KNOWN_WORDS, *MODES, "Fliplr", "Sequential", "__all__", "step", "10%", "-3px"]), st.text()
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-2, 600),
    st.sampled_from([2**70, 10**400]),
    st.floats(),
    WORDS,
    st.text(st.characters(), max_size=5),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(WORDS, inner, max_size=4)),
    max_leaves=12,
)
OBJECTS = st.dictionaries(WORDS, JSON, max_size=5)

FULL_TRAIN = {
    **TrainConfig().model_dump(mode="json"),
    "augmentation": [{"name": "SomeOf", "args": {"n": [0, 1]}, "children": [{"name": "Affine", "args": {}}]}],
    "copy_paste": {"probability": 0.5},
    "scale_jitter": {"max_scale": 1.25},
    "sampling": {"repeat_threshold": 0.5},
    "early_stopping": {"patience": 3},
    "allowed_mask_classes": ["a"],
    "energy_country": "DEU",
    "trackers": ["mlflow"],
}
_MODEL = {
    **InferenceModelConfig().model_dump(mode="json"),
    "runtime": "auto",
    "tta": {"min_dims": [400, 800], "max_dim": 1333, "flip": True},
}
_SELECTION = {"save_names": ["a"], "save_classes": "__all__", "add_suffix": ""}
_SELECTIONS = dict.fromkeys(("model_classes", "model_tags", "existing_objects"), _SELECTION)
_MOVED = ("model_classes", "existing_objects")  # stood at top level once
FULL_MODES = [{**mode().model_dump(mode="json"), **_SELECTIONS} for mode in MODES.values()]
FULL_INFERENCE = [{"model": _MODEL, "mode": mode} for mode in FULL_MODES]
FIRST_FORMS = [
    {
        **_MODEL,
        **dict.fromkeys(_MOVED, _SELECTION),
        "gpu_devices": [0],
        "mode": {"source" if key == "name" else key: item for key, item in mode.items() if key not in _MOVED},
    }
    for mode in FULL_MODES
]
_DEPLOY = DeployConfig().model_dump(mode="json")
FULL_DEPLOY = [
    _DEPLOY,
    {**_MODEL, "gpu_devices": [0], "existing_objects": _SELECTION},
    *({"cache_limit": 5, "connection": {"token": "a"}, form: _MODEL} for form in ("model_settings", "model")),
]


def places(value, way=()):
    """Every way into a config, so that a fuzz can change what lies there."""
    yield way
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*way, key))


@st.composite
def changed(draw, configs):
    """One of some whole configs, with one value changed, or one key more, or one less."""
    values = copy.deepcopy(draw(st.sampled_from(configs)))
    way = draw(st.sampled_from([way for way in places(values) if way]))
    place = values
    for key in way[:-1]:
        place = place[key]
    what = draw(st.sampled_from(["value", "value", "more", "less"]))
    if what == "less":
        del place[way[-1]]
    elif what == "more" and isinstance(place, dict):
        place[draw(WORDS)] = draw(JSON)
    else:
        place[way[-1]] = draw(JSON)
    return values


def allowed(node, root):
    """What a JSON schema allows today; of the words that its authors may use, those that ours use.

    Args:
        node: the schema, or a part of it.
        root: the whole, for references.
    """
    if "$ref" in node:
        name = node["$ref"].removeprefix("#/$defs/")
        return _REFERENCES.setdefault(name, st.deferred(lambda: allowed(root["$defs"][name], root)))
    if "if" in node:
        return st.one_of(*(allowed(branch, root) for branch in _branches(node)))
    if "allOf" in node:
        return st.one_of(*(allowed(_chosen(item), root) for item in node["allOf"]))
    if "const" in node or "enum" in node:
        return st.sampled_from(node.get("enum", [node.get("const")]))
    if "anyOf" in node:
        return st.one_of(*(allowed(choice, root) for choice in node["anyOf"]))
    kinds = node.get("type", ["null", "boolean", "integer", "number", "string"])
    return st.one_of(*(_KINDS[kind](node, root) for kind in ([kinds] if isinstance(kinds, str) else kinds)))


_REFERENCES = {}  # one for each record that holds itself, else each would hold new ones without end


def _branches(node):
    """Returns a schema with `if` on an enum as two without."""
    rest = {key: value for key, value in node.items() if key not in ("if", "then", "else")}
    ((key, condition),) = node["if"]["properties"].items()
    others = [value for value in rest["properties"][key]["enum"] if value not in condition["enum"]]
    for branch, values in ((node["then"], condition["enum"]), (node["else"], others)):
        properties = dict(rest["properties"])
        for name, more in branch["properties"].items():
            properties[name] = {**properties[name], **more}
        properties[key] = {"enum": values}
        yield {**rest, "properties": properties, "required": [*rest["required"], *branch.get("required", [])]}


def _chosen(item):
    """Returns the branch of an `if` on a word, with the word as a required key where the condition needs it."""
    required = [*item["then"].get("required", []), *item["if"].get("required", [])]
    return {**item["then"], "required": list(dict.fromkeys(required))}


def _object(node, root):
    if "properties" not in node:
        keys = st.text(max_size=5).filter(lambda key: key not in node.get("propertyNames", {}).get("not", {})["enum"])
        return st.dictionaries(keys, allowed(node["additionalProperties"], root), max_size=3)
    today = {
        key: allowed(item, root)
        for key, item in node["properties"].items()
        if isinstance(item, dict) and not item.get("deprecated") and key != "$schema"
    }
    is_mode = today.keys() >= {"name", "model_classes"}  # without a name it would be another mode
    needed = {*node.get("required", []), *(["name"] if is_mode else [])}
    optional = {key: item for key, item in today.items() if key not in needed}
    made = st.fixed_dictionaries({key: today[key] for key in needed}, optional=optional)
    return made.filter(len) if node.get("minProperties") else made


def _integer(node, root):
    step = node.get("multipleOf", 1)
    low, high = node.get("minimum", -5), node.get("maximum", 2**31)
    return st.integers(-(-low // step), high // step).map(lambda value: value * step)


def _number(node, root):
    low, high = node.get("exclusiveMinimum", node.get("minimum")), node.get("exclusiveMaximum", node.get("maximum"))
    return st.floats(
        low,
        high,
        allow_nan=False,
        allow_infinity=False,
        exclude_min="exclusiveMinimum" in node,
        exclude_max="exclusiveMaximum" in node,
    )


def _string(node, root):
    if "pattern" in node:
        return st.from_regex(node["pattern"].strip("^$"), fullmatch=True)
    return st.text(min_size=node.get("minLength", 0), max_size=8)


def _array(node, root):
    if "prefixItems" in node:
        return st.tuples(*(allowed(item, root) for item in node["prefixItems"])).map(list)
    high = node.get("maxItems", node.get("minItems", 0) + 2)
    return st.lists(allowed(node["items"], root), min_size=node.get("minItems", 0), max_size=high)


_KINDS = {
    "object": _object,
    "integer": _integer,
    "number": _number,
    "string": _string,
    "array": _array,
    "boolean": lambda node, root: st.booleans(),
    "null": lambda node, root: st.none(),
}
