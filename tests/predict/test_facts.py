from mrcnn.predict.facts import ModelFacts
from mrcnn.structures import SEMANTIC, Choices, SemanticRules


def test_stuff_classes_are_those_of_the_semantic_map_in_the_order_of_their_numbers():
    facts = ModelFacts(("bg", "cat"), (), 64, 64, choices=Choices())
    assert facts.stuff_classes == ()
    rules = SemanticRules(("sky", "road"))
    assert ModelFacts(("bg",), (), 64, 64, choices=Choices(), maps={SEMANTIC: rules}).stuff_classes == ("sky", "road")
