"""The registry of the demo's task families: name to family."""

from __future__ import annotations

from ..base import Family
from .dates import DateFormats, DueDates, MeetingTimes
from .knowledge import Facts, SmallCode
from .labels import Sentiment, TicketRouting
from .language import Messages, Rewriting
from .lists import LetterCodes, ListLayout, Shortlist, Sorting
from .naming import AccountNames, CodeWords
from .numbers import Arithmetic, BookingFees, PackSizes, UnitConversion
from .records import JsonExtraction, TableHeadlines, TableLookup
from .series import NumberWords, Sequences

_ALL: tuple[Family, ...] = (
    Arithmetic(),
    UnitConversion(),
    PackSizes(),
    BookingFees(),
    Sequences(),
    NumberWords(),
    DateFormats(),
    DueDates(),
    MeetingTimes(),
    Sorting(),
    Shortlist(),
    LetterCodes(),
    ListLayout(),
    TableLookup(),
    TableHeadlines(),
    JsonExtraction(),
    AccountNames(),
    CodeWords(),
    Rewriting(),
    Messages(),
    Sentiment(),
    TicketRouting(),
    SmallCode(),
    Facts(),
)

FAMILIES: dict[str, Family] = {family.name: family for family in _ALL}

__all__ = ["FAMILIES"]
