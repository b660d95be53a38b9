"""A chat model for 02_langchain: it needs no network, and says what it was shown."""

import re

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult


class Parrot(BaseChatModel):
    """Says the first statement among the memories that it was shown, and understands nothing."""

    _llm_type = "parrot"

    def _generate(self, messages, stop=None, run_manager=None, **options):
        shown = re.findall(
            r"^(?:- |<memory.*?>)(.+?)(?:</memory>)?$", messages[0].text, re.MULTILINE
        )
        known = [text for text in shown if not text.endswith("?")]
        answer = f"As far as I know: {known[0]}" if known else "I do not know that yet."
        return ChatResult(generations=[ChatGeneration(message=AIMessage(answer))])
