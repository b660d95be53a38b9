"""What every agent's adapter needs and no framework's: it imports from here and `feather_memory`.

Whose store a call is for (`Source`, and `tenant_rule` by what the call says), from a question to
what a model is shown (`recalled`, and as a part of a prompt `told`), a conversation into memories
(`remembering`), facts from turns beside the answer (`Extraction`), what users do with an answer
(`done`), what a model does with a fact (`save_fact`, `correct`), what is unlike each other
(`diverse`), and what to do while the memory fails (`Bearing`, `Outbox`). It offers what an adapter
imports; the rest is of its files.
"""

from feather_memory.agent.acts import Act, correct, done, save_fact, take_back
from feather_memory.agent.choice import diverse, diverse_by_direction, vectors_of
from feather_memory.agent.conversation import (
    Remembering,
    Role,
    Said,
    Save,
    checked_save,
    embedded,
    ids_of,
    latest_known,
    named_vectors,
    remembered_of,
    remembering,
    same_id,
    sound_text,
    unremembered,
    with_vectors,
    worth,
)
from feather_memory.agent.exchanges import (
    exchanged,
    exchanges_of,
    forget_exchanges,
    last_exchanges,
)
from feather_memory.agent.extraction import Extraction
from feather_memory.agent.facts import (
    INSTRUCTIONS,
    Extract,
    Fact,
    facts_in,
    keys_of,
    request_of,
    take_facts,
)
from feather_memory.agent.outage import (
    UNAVAILABLE,
    Bearing,
    Exchange,
    OnError,
    OutageEvent,
    Outbox,
    checked_on_error,
    is_outage,
)
from feather_memory.agent.outcome import Outcome, outcome_of, what_became
from feather_memory.agent.places import (
    Opener,
    address_at,
    known_place,
    written_place,
)
from feather_memory.agent.prompt import (
    NOTE,
    Budget,
    is_fenced,
    one_line,
    without_last,
)
from feather_memory.agent.recall import (
    Recalled,
    RecallEvent,
    RecallOptions,
    asks_nothing,
    both,
    logged,
    question_of,
    recalled,
    told,
    unseen,
)
from feather_memory.agent.refusal import reject
from feather_memory.agent.source import (
    Opened,
    Reader,
    Source,
    named_in,
)
from feather_memory.agent.tenancy import (
    CallFields,
    TenantRule,
    TenantTemplate,
    one_tenant,
    tenant_rule,
)
from feather_memory.agent.turns import (
    RECALLED,
    STAMP,
    answer_of,
    known_turn,
    named_too,
    shown_in,
    shown_too,
    stamp,
    stamp_in,
    turn_of,
)
from feather_memory.model.later import FITTING
from feather_memory.model.memory import EXCHANGE, MESSAGE, TURN
from feather_memory.model.origin import checked as checked_origin
from feather_memory.model.origin import of_role as origin_of
from feather_memory.model.words import approximate_tokens

__all__ = [
    "EXCHANGE",
    "FITTING",
    "INSTRUCTIONS",
    "MESSAGE",
    "NOTE",
    "RECALLED",
    "STAMP",
    "TURN",
    "UNAVAILABLE",
    "Act",
    "Bearing",
    "Budget",
    "CallFields",
    "Exchange",
    "Extract",
    "Extraction",
    "Fact",
    "OnError",
    "Opened",
    "Opener",
    "OutageEvent",
    "Outbox",
    "Outcome",
    "Reader",
    "RecallEvent",
    "RecallOptions",
    "Recalled",
    "Remembering",
    "Role",
    "Said",
    "Save",
    "Source",
    "TenantRule",
    "TenantTemplate",
    "address_at",
    "answer_of",
    "approximate_tokens",
    "asks_nothing",
    "both",
    "checked_on_error",
    "checked_origin",
    "checked_save",
    "correct",
    "diverse",
    "diverse_by_direction",
    "done",
    "embedded",
    "exchanged",
    "exchanges_of",
    "facts_in",
    "forget_exchanges",
    "ids_of",
    "is_fenced",
    "is_outage",
    "keys_of",
    "known_place",
    "known_turn",
    "last_exchanges",
    "latest_known",
    "logged",
    "named_in",
    "named_too",
    "named_vectors",
    "one_line",
    "one_tenant",
    "origin_of",
    "outcome_of",
    "question_of",
    "recalled",
    "reject",
    "remembered_of",
    "remembering",
    "request_of",
    "same_id",
    "save_fact",
    "shown_in",
    "shown_too",
    "sound_text",
    "stamp",
    "stamp_in",
    "take_back",
    "take_facts",
    "tenant_rule",
    "told",
    "turn_of",
    "unremembered",
    "unseen",
    "vectors_of",
    "what_became",
    "with_vectors",
    "without_last",
    "worth",
    "written_place",
]
