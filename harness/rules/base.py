"""The parts of a rule: a sentence, settings that an assignment gives it, and a verdict on a network.

A rule is one file: a class with the decorator `rule`, whose page lies beside it. Its name is the class's in
lower case: the key of the TOML, the id of the pytest gate, the row of the scorecard and the heading.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import Field

from harness.base.tables import Identifier, Table
from harness.record.trainings import Training
from harness.rules.mends import Mend
from harness.rules.network import Network
from harness.rules.verdicts import Verdict

Needs = Literal["recipe", "graph", "influence", "probe", "training"]
"""What a rule is judged by. ``influence``: by layers that matter, as only running the network shows."""


class RuleSettings(Table):
    """The settings that an assignment can give every rule."""

    points: Annotated[int, Field(ge=0)] = 0
    """What it is worth: all of it when it passes."""
    asks: str = ""
    """What it asks for, in a few words of the teacher's own; empty for those of the rule."""
    rule: Identifier | None = None
    """Which rule it is, where the table has another name."""


class Rule(ABC):
    """A rule: `Settings` are ``[rules.NAME]`` of the TOML, a docstring's first line says what it checks."""

    Settings: ClassVar[type[RuleSettings]] = RuleSettings
    name: ClassVar[str]
    asks: ClassVar[str]
    needs: ClassVar[Needs]
    depends: ClassVar[tuple[str, ...]]
    """Rules that its question leans on: not judged where one failed, and it would pass but for that."""
    tells_variants_apart: ClassVar[bool] = False
    """Whether a network that fails it may be meant as the variant whose settings it passes."""
    counts_layers: ClassVar[bool] = False
    """Whether it counts on any layer, and not on convolutions alone: all are tried for influence."""

    def expected(self, settings: Any) -> str:
        """Return what is expected, where nothing can be measured."""
        del settings
        return "a network that can be imported, built, run and exported"

    @property
    def checks(self) -> str:
        """Return what the rule checks, in a sentence."""
        return (type(self).__doc__ or "").splitlines()[0]


class NetworkRule(Rule):
    """A rule about the network or its recipe."""

    @abstractmethod
    def judge(self, network: Network, settings: Any) -> Verdict:
        """Judge a network by the settings, of the class `Settings`."""

    def mends(self, network: Network, settings: Any) -> Iterator[Mend]:
        """Yield what would mend a network that fails, or part of it, the simplest first."""
        del network, settings
        return iter(())


class TrainingRule(Rule):
    """A rule about what trainings have reached."""

    @abstractmethod
    def judge(self, trainings: Sequence[Training], settings: Any) -> Verdict:
        """Judge the trainings of one network, one at least."""

    def least_seeds(self, settings: Any) -> int:
        """Return how many trainings it takes at least."""
        del settings
        return 1

    def is_close(self, trainings: Sequence[Training], settings: Any) -> bool:
        """Return whether chance may have decided, so that further seeds are needed."""
        del trainings, settings
        return False


_Kind = TypeVar("_Kind", bound=type[Rule])


def rule(asks: str, needs: Needs, depends: tuple[str, ...] = ()) -> Callable[[_Kind], _Kind]:
    """Declare a class as a rule: what it asks for in a few words, what it is judged by, and leans on."""

    def declared(kind: _Kind) -> _Kind:
        kind.name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind.__name__).lower()
        kind.asks, kind.needs, kind.depends = asks, needs, depends
        return kind

    return declared
