import warnings

from operator_inputs import arguments, operators


def test_every_operator_of_the_allow_list_has_inputs() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch speaks of operators that go
        assert [name for name in operators() if not arguments(name)] == []
