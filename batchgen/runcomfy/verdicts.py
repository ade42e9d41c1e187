"""What an HTTP answer means for a job and its money, as pure rules.

The API's `error_code` comes first, whatever the HTTP status, 200 included; then the status. The questions differ: for a
POST it is whether the server may have taken it, for a GET whether the request asked for can still be collected.
"""

from __future__ import annotations

import re

from batchgen import errors
from batchgen.errors import ErrorInfo, Stage
from batchgen.runcomfy import envelope, reading
from batchgen.runcomfy.envelope import Envelope

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")

_BALANCE = frozenset((400002, 10001))
_TOKEN = frozenset((400004, 401001))
_MODEL = frozenset((400001,))
_NO_ANSWER_YET = frozenset((408, 425))


def is_request_id(text: str) -> bool:
    """Tell whether a text has the form of a request id: it goes into paths, so nothing else may pass."""
    return _REQUEST_ID.fullmatch(text) is not None


def accepted(answer: Envelope) -> str:
    """Return the request id of a POST that was taken.

    Raises Refused, Ambiguous, Rejected, ModelRejected, Forbidden, TokenError or BalanceError.
    """
    success = 200 <= answer.status < 300
    given = answer.content.get("request_id") if answer.content else None
    if success and isinstance(given, str) and is_request_id(given):
        # Even beside an error_code: an id can be asked and shows what became of it, a dropped one is paid for and
        # gone. If the server made nothing of it, status answers 404 and the job ends as lost, unpaid.
        return given
    if success and given is not None:
        what = f"the server took it under an id of unknown form, {_shown(given, answer)}"
        raise errors.Ambiguous(_submit("bad_answer", answer, what))
    _raise_for_account(answer)
    _raise_clear_no(answer)
    if success:
        what = "an answer without a request id" if answer.readable else "an answer that broke off or was too large"
        raise errors.Ambiguous(_submit("bad_answer", answer, what))
    what = "an error that leaves open whether it was taken"
    named = f" (it names the request {_shown(given, answer)})" if given is not None else ""
    raise errors.Ambiguous(_submit("server_error", answer, what + named))


def _shown(given: object, answer: Envelope) -> str:
    text = str(given) if isinstance(given, str | int | float) else f"a JSON {type(given).__name__}"
    return f'"{errors.printable(envelope.safe(text, answer.secret), 200)}"'


def _raise_for_account(answer: Envelope) -> None:
    if answer.code in _BALANCE or _meant(answer) == 402:
        raise errors.BalanceError(f"the account has no balance left: {_words(answer)}; top it up on runcomfy.com")
    if answer.code in _TOKEN or _meant(answer) == 401:
        raise token_error(answer)


def _raise_clear_no(answer: Envelope) -> None:
    """Raise for an answer by which the server certainly did not take the POST; return where that is open."""
    code, status, meant = answer.code, answer.status, _meant(answer)
    if 300 <= status < 400:
        raise errors.Rejected(_submit("redirect", answer, "a redirect, which is never followed; check the API's base"))
    if code in _MODEL or meant == 404:
        raise errors.ModelRejected(_submit("model", answer, "the server does not know this model"))
    if meant == 403:
        raise errors.Forbidden(_submit("forbidden", answer, "the server refuses access"))
    if status == 429 and meant < 500:
        raise errors.Refused(_submit("rate_limited", answer, "too many requests"), answer.retry_after)
    if meant == 413:
        raise errors.Rejected(_submit("too_large", answer, "the input is too large"))
    if 400 <= meant < 500 and meant != 429 and meant not in _NO_ANSWER_YET:
        raise errors.Rejected(_submit("invalid_input", answer, "the server does not take this input"))


def _meant(answer: Envelope) -> int:
    """The HTTP status an answer stands for: a code's first three digits where they are an error's, else its own."""
    if answer.code is not None and 400_000 <= answer.code <= 599_999:
        return answer.code // 1000
    return answer.status


def usable(answer: Envelope, stage: Stage = Stage.RUN) -> dict[str, object]:
    """Return the JSON object that a GET, or a cancel, brought.

    Raises TokenError, Gone, or Transient for everything that says nothing about what was asked for. Beside a
    documented end an `error_code` is the run's own, and the object stands. Beside any other `status` the codes of
    TokenError and Gone come first, so that a token's trouble never ends a job; the object stands only if it names the
    request, because `{"status": "error", "error_code": 500001}` may be the API's word for its own trouble.
    """
    content = answer.content if 200 <= answer.status < 300 else None
    if content is not None and (answer.code is None or reading.has_documented_end(content)):
        return content
    if answer.code in _TOKEN or _meant(answer) in (401, 403):
        raise token_error(answer)
    if _meant(answer) in (404, 410):
        raise errors.Gone(_info("gone", stage, answer, "the server does not know it (any more)"))
    if content is not None and reading.names_request(content):
        return content
    raise errors.Transient(_info(_transient_kind(answer), stage, answer, _unusable(answer)), answer.retry_after)


def _transient_kind(answer: Envelope) -> str:
    if answer.status == 429:
        return "rate_limited"
    return "bad_answer" if answer.status < 400 and answer.code is None else "server_error"


def _unusable(answer: Envelope) -> str:
    if not answer.readable:
        return "the answer broke off or was too large"
    if 300 <= answer.status < 400:
        return "a redirect, which is never followed"
    return "an answer that cannot be read" if answer.status < 300 and answer.code is None else "no usable answer"


def refuses_parameter(answer: Envelope) -> bool:
    """Tell whether an answer may be about a query parameter, not about the token, the account, or the request."""
    told = (401, 402, 403, 404, 408, 410, 425, 429)
    clear = answer.code in _BALANCE | _TOKEN | _MODEL or _meant(answer) in told
    return 400 <= answer.status < 500 and _meant(answer) < 500 and not clear


def token_error(answer: Envelope) -> errors.TokenError:
    """Return the error of a token that the API does not take."""
    return errors.TokenError(
        f"the API does not take the token: {_words(answer)}; set RUNCOMFY_TOKEN to a valid one from your profile page "
        "on runcomfy.com and run the same command again"
    )


def _submit(kind: str, answer: Envelope, what: str) -> ErrorInfo:
    return _info(kind, Stage.SUBMIT, answer, what)


def _info(kind: str, stage: Stage, answer: Envelope, what: str) -> ErrorInfo:
    return ErrorInfo(kind, stage, errors.printable(f"{what}: {_words(answer)}"), answer.code, answer.status)


def _words(answer: Envelope) -> str:
    code = f", error_code {answer.code}" if answer.code is not None else ""
    return f"HTTP {answer.status}{code}" + (f", {answer.message}" if answer.message else "")
