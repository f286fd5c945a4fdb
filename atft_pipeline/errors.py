"""The exception tree. Each error says what was wrong with which value, and what to do about it.

AtftError
├── SettingsError        a key, value or combination of settings is refused
├── SourceError          market data cannot be had or read
│   ├── EndpointMissing  the source does not offer this endpoint
│   ├── WireError        rows do not have the form that the endpoint promises
│   ├── BadData          files or rows that would give wrong figures: every problem at once
│   └── ApiError         the API refused, or could not be reached
│       ├── AuthError        the key is missing, unknown or expired
│       ├── PlanError        the subscription does not include what was asked
│       ├── OutsideWindow    the subscription does not cover the dates that were asked
│       ├── EndpointError    path or parameters are wrong
│       ├── RateLimited      too many requests, also after the longest wait
│       └── ServerError      the server, or the way to it, failed again and again
├── ContractError        a frame and the feature contract disagree
├── LakeError            an artefact is missing, stale, corrupt or cannot be written
│   ├── ArtefactMissing
│   ├── ArtefactStale
│   └── ArtefactCorrupt
├── CalendarError        a date is outside the calendar, or not a session
├── GraphError           a graph cannot be built, or does not fit the batch
├── ModelError           a model cannot be built, or does not fit its input
├── TrainingError        training cannot go on
│   ├── DeadInput        inputs without spread
│   ├── PhaseWithoutEffect
│   └── PredictionCollapse
├── EvaluationError      folds, metrics or promotion cannot be computed
├── DeviceError          the wanted compute device or precision is not there
└── CodeError            the code that an asset's value comes from cannot be found out
"""

from __future__ import annotations

from datetime import date


class AtftError(Exception):
    """The root: a problem and its remedy.

    Args:
        problem: what is wrong: the argument, its value and the limit.
        remedy: what the reader can do about it, as an imperative sentence.
    """

    def __init__(self, problem: str, *, remedy: str) -> None:
        super().__init__(f"{problem}\n  remedy: {remedy}")
        self.problem = problem
        self.remedy = remedy

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions cross process borders by their args; the remedy is keyword-only, so it is rebuilt here.
        return (_rebuild, (type(self), self.problem, self.remedy))


def _rebuild(kind: type[AtftError], problem: str, remedy: str) -> AtftError:
    return kind(problem, remedy=remedy)


class SettingsError(AtftError):
    """A key, value or combination of settings is refused."""


class SourceError(AtftError):
    """Market data cannot be had or read."""


class EndpointMissing(SourceError):
    """The source does not offer this endpoint."""


class WireError(SourceError):
    """Rows do not have the form that the endpoint promises."""


class BadData(SourceError):
    """Files or rows that would give wrong figures; made by `jquants.findings`, every problem at once."""


class ApiError(SourceError):
    """The API refused, or could not be reached."""


class AuthError(ApiError):
    """The key is missing, unknown or expired."""


class PlanError(ApiError):
    """The subscription does not include what was asked."""


class OutsideWindow(ApiError):
    """The subscription does not cover the dates that were asked.

    Args:
        problem: see `AtftError`.
        remedy: see `AtftError`.
        first: first day that it covers; None if the API did not say.
        last: last day that it covers.
    """

    def __init__(self, problem: str, *, remedy: str, first: date | None = None, last: date | None = None) -> None:
        super().__init__(problem, remedy=remedy)
        self.first = first
        self.last = last


class EndpointError(ApiError):
    """Path or parameters are wrong."""


class RateLimited(ApiError):
    """Too many requests, also after the longest wait."""


class ServerError(ApiError):
    """The server, or the way to it, failed again and again."""


class ContractError(AtftError):
    """A frame and the feature contract disagree."""


class LakeError(AtftError):
    """An artefact is missing, stale, corrupt or cannot be written."""


class ArtefactMissing(LakeError):
    """No committed version of the artefact exists."""


class ArtefactStale(LakeError):
    """The artefact was made from other inputs, settings or code than the present ones."""


class ArtefactCorrupt(LakeError):
    """The files of the artefact differ from its manifest."""


class CalendarError(AtftError):
    """A date is outside the calendar, or is not a session."""


class GraphError(AtftError):
    """A graph cannot be built, or does not fit the batch."""


class ModelError(AtftError):
    """A model cannot be built, or does not fit its input."""


class TrainingError(AtftError):
    """Training cannot go on."""


class DeadInput(TrainingError):
    """Inputs without spread reached the model."""


class PhaseWithoutEffect(TrainingError):
    """A training phase changed neither the output nor the trainable parameters."""


class PredictionCollapse(TrainingError):
    """Predictions lost their spread over the stocks of a day."""


class EvaluationError(AtftError):
    """Folds, metrics or a promotion cannot be computed."""


class DeviceError(AtftError):
    """The wanted compute device or precision is not there."""


class CodeError(AtftError):
    """The code that an asset's value comes from cannot be found out, so that it would be stale without a word."""
