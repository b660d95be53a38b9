"""Exports as people are sent them: in folders and zips, in any language, with what nobody said."""

import json
import shutil
import zipfile

import exports
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from feather_memory import Store, TenantPool
from feather_memory.cli import app
from feather_memory.importers import intake as intakes
from feather_memory.importers.entries import Entry, Refused
from feather_memory.importers.intake import Intake
from feather_memory.importers.registry import recognised
from feather_memory.importers.source import Source
from feather_memory.write.draft import made_id, new_id


def called(*arguments, code=0):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    return done


def texts(place):
    """What is remembered of something, in its order."""
    source = Source(place)
    items = recognised(source).read(source)
    return [item.record["text"] for item in items if isinstance(item, Entry)]


def discord(number, said):
    author = {"id": "7", "name": "ann", "nickname": "Annie"}
    sent = {"id": number, "timestamp": "2024-04-01T10:00:00+02:00", "content": said}
    channel = {"guild": {"name": "G"}, "channel": {"id": "9", "name": "raids"}}
    return {**channel, "messages": [{**sent, "author": author}]}


def telegram(number, said):
    sent = {"id": 1, "type": "message", "date_unixtime": "1704103260", "from": "Bo", "text": said}
    return {"name": "Bo", "type": "personal_chat", "id": number, "messages": [sent]}


CHAT = "28/02/2024, 21:04 - Ann: {}\n"
SEVERAL = {
    "channels of Discord": {
        "raids.json": discord("1", "a first"),
        "raids.json_Files/cat.txt": "no chat",
        "trades.json": discord("2", "b second"),
    },
    "chats of Telegram": {
        "ChatExport_1/result.json": telegram(1, "a first"),
        "ChatExport_2/result.json": telegram(2, "b second"),
    },
    "chats of WhatsApp": {"Ann.txt": CHAT.format("a first"), "Bo.txt": CHAT.format("b second")},
    "tables": {"a.csv": "text,time\na first,2024-01-01\n", "b.csv": "text\tx\nb second\t1\n"},
    "lines of JSON": {"a.jsonl": '{"text": "a first"}\n', "b.jsonl": '{"text": "b second"}\n'},
    "mailboxes": {
        "Takeout/archive_browser.html": "<html>",
        "Takeout/Mail/All.mbox": "From x\nTo: a@b.c\n\na first\n\nFrom y\nTo: d@e.f\n\nb second\n",
    },
}


@pytest.mark.parametrize("is_packed", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize("name", SEVERAL)
def test_files_of_one_format_are_read_from_a_folder_or_a_zip(name, is_packed, tmp_path, path):
    for member, value in SEVERAL[name].items():
        exports.written(tmp_path / "given" / member, value)
    place = tmp_path / "given"
    if is_packed:
        place = shutil.make_archive(tmp_path / "packed", "zip", place)

    done = called("import", place, "--store", path)

    assert "2 " in done.stdout
    passed = [each for each in SEVERAL[name] if each.endswith((".html", "cat.txt"))]
    assert all(each in done.stderr for each in passed)
    with Store.open(path) as store:
        assert sorted(memory.text for memory in store.iterate()) == ["a first", "b second"]
        assert store.check() == []


def test_a_zip_in_a_folder_of_downloads_is_looked_into(tmp_path):
    exports.chatgpt(tmp_path)
    folder = tmp_path / "downloads"
    exports.written(folder / "todo.txt", "buy milk")
    with zipfile.ZipFile(folder / "export.zip", "w") as archive:
        archive.write(tmp_path / "conversations.json", "conversations.json")

    assert texts(folder) == texts(tmp_path / "conversations.json") != []


def test_a_table_among_other_files_is_not_what_a_folder_is(tmp_path, path):
    """Any folder of code has some: flat files are taken where all are such."""
    exports.written(tmp_path / "given" / "rows.csv", "text,time\nsomething,2024-01-01\n")
    exports.written(tmp_path / "given" / "main.py", "print()\n")

    done = called("import", tmp_path / "given", "--store", path, code=1)

    assert "a folder of 2 files" in done.stderr
    assert not path.exists()


def test_two_formats_in_a_folder_are_refused_with_what_was_seen(tmp_path, path):
    exports.written(tmp_path / "given" / "a.json", discord("1", "a first"))
    exports.written(tmp_path / "given" / "b.txt", CHAT.format("b second"))

    done = called("import", tmp_path / "given", "--store", path, code=1)

    assert "a folder of 2 files, such as a.json, b.txt" in done.stderr


def test_a_refusal_names_the_file_that_it_is_in(tmp_path):
    exports.written(tmp_path / "given" / "a.jsonl", '{"text": "a"}\n')
    exports.written(tmp_path / "given" / "b.jsonl", '{"text": "b"}\n{"no": 1}\n')
    source = Source(tmp_path / "given")

    refused = [item for item in recognised(source).read(source) if isinstance(item, Refused)]

    assert [(item.line, item.reason) for item in refused] == [(2, "b.jsonl: no field 'text'")]


WHATSAPP = {
    "English": (
        """28/02/2024, 21:04 - Messages and calls are end-to-end encrypted.
28/02/2024, 21:05 - Ann: yes!
and bring wine
28/02/2024, 21:06 - Ann: <Media omitted>
28/02/2024, 21:07 - Ann: This message was deleted
28/02/2024, 21:08 - Ann: ok then <This message was edited>
28/02/2024, 21:09 - Ann: a < b > c, <3
""",
        ["yes!\nand bring wine", "ok then", "a < b > c, <3"],
    ),
    "German": (
        "28.02.24 um 21:04 - Ännchen: Um neun?\n28.02.24, 21:06 - Bo: <Medien ausgeschlossen>\n",
        ["Um neun?"],
    ),
    "German, of an iPhone": (
        """\u200e[28.02.24, 21:04:01] Ann: \u200eNachrichten sind verschlüsselt.\r
[28.02.24, 21:04:05] Ann: Ich ziehe nach Bern\r
\u200e[28.02.24, 21:05:05] Ann: \u200eBild weggelassen\r
[28.02.24, 21:06:05] Bo: Toll \u200e<Diese Nachricht wurde bearbeitet.>\r
""",
        ["Ich ziehe nach Bern", "Toll"],
    ),
    "English, with a mark in what is said": (
        "[28/02/2024, 21:04] Bob: call me at 10:30 - note: \u200ehello\n",
        ["call me at 10:30 - note: hello"],
    ),
    "French": ("28/02/2024 à 21:04 - Ann: On se voit demain\n", ["On se voit demain"]),
    "Spanish": ("28/2/24, 9:04\u202fp.\u00a0m. - Ana: Me mudo a Lima\n", ["Me mudo a Lima"]),
    "Portuguese": ("28/02/2024 21:04 - Ana: Mudei para o Porto\n", ["Mudei para o Porto"]),
}


@pytest.mark.parametrize("language", WHATSAPP)
def test_a_chat_of_whatsapp_is_read_in_any_language_without_what_nobody_said(language, tmp_path):
    written, said = WHATSAPP[language]
    place = tmp_path / "chat.txt"
    place.write_text(written, encoding="utf-8", newline="")
    source = Source(place)

    entries = list(recognised(source, "whatsapp").read(source))

    assert [entry.record["text"] for entry in entries] == said
    assert {entry.record["valid_from"] // 3600 for entry in entries} == {1_709_154_240 // 3600}


def test_what_an_assistant_says_to_a_tool_is_not_said(tmp_path):
    asked = dict(exports.CHATGPT[0], current_node="a")
    asked["mapping"] = dict(
        [
            exports._node("u", None, ["t"], "user", "What is the weather?", 1.0, recipient="all"),
            exports._node("t", "u", ["b"], "assistant", '{"q": "weather"}', 2.0, recipient="web"),
            exports._node("b", "t", ["a"], "assistant", "User asks", 3.0, recipient="bio"),
            exports._node("a", "b", [], "assistant", "It rains.", 4.0, recipient="all"),
        ]
    )
    place = exports.written(tmp_path / "conversations.json", [asked])

    assert texts(place) == ["What is the weather?", "It rains."]


def test_commands_and_summaries_among_a_transcript_are_not_said(tmp_path):
    head = {"parentUuid": None, "sessionId": "s", "timestamp": "2025-07-01T10:00:00Z"}

    def said(number, text, **more):
        message = {"role": "user", "content": text}
        return {**head, "type": "user", "uuid": number, "message": message, **more}

    exports.lines(tmp_path / "p" / "0.jsonl", [{"type": "summary", "summary": "S"}])
    exports.lines(
        tmp_path / "p" / "1.jsonl",
        [
            said("1", "<command-name>/clear</command-name>"),
            said("2", "<local-command-stdout>done</local-command-stdout>"),
            said("3", "[Request interrupted by user]"),
            said("4", "This session is being continued", isCompactSummary=True),
            said("5", "<b> is how bold is written"),
        ],
    )

    assert texts(tmp_path / "p") == ["<b> is how bold is written"]


def test_a_download_of_encrypted_messages_is_read(tmp_path):
    sent = {"senderName": "Jérôme", "text": "thé à cinq heures", "timestamp": 1_700_000_000_000}
    gone = {**sent, "text": "gone", "isUnsent": True}
    chat = {"participants": ["Jérôme"], "threadName": "Jérôme_3", "messages": [sent, gone]}
    exports.written(tmp_path / "given" / "Jérôme_3.json", chat)
    source = Source(tmp_path / "given")

    (entry,) = recognised(source).read(source)

    assert (entry.record["text"], entry.record["actor"]) == ("thé à cinq heures", "Jérôme")


def test_a_dry_run_shows_what_would_be_refused_too(tmp_path):
    place = exports.written(tmp_path / "rows.jsonl", '{"no": 1}\n{"text": "ok", "time": 1}\n')

    shown = called("import", place, "--dry-run")
    told = json.loads(called("import", place, "--dry-run", "--json").stdout)

    assert "no field 'text'" in shown.stdout
    assert [memory["text"] for memory in told["memories"]] == ["ok"]
    assert told["refusals"] == [{"line": 1, "reason": "no field 'text'"}]


# What an intake does with what it is given


def rows(count, groups=1):
    """Lines of which every seventh is said before, and every fifth is refused by the store."""
    for number in range(count):
        record = {"text": f"said {number // 2 if number % 7 == 0 else number}"}
        if number % 5 == 3:
            record["importance"] = 7
        if number % 3:
            record["valid_from"] = 1_700_000_000.0 + number
        yield Entry(line=number + 1, record=record, group=f"g{number % groups}")


def taken(folder, lines):
    """What is in each store after an import of some lines, and which were refused."""
    with TenantPool(folder) as pool:
        intake = Intake(pool.get, refusals=None)
        for line in lines:
            intake.take(line)
        intake.finish()
        held = {
            name: sorted((memory.id, memory.text) for memory in pool.get(name).iterate())
            for name in pool.tenants()
        }
        assert all(pool.get(name).check() == [] for name in held)
    return held, [one.line for one in intake.refused], intake.taken


@pytest.mark.parametrize(("batch", "waiting"), [(1, 1), (4, 6), (3, 1000), (16, 17)])
def test_what_is_remembered_does_not_depend_on_what_goes_in_together(
    batch, waiting, tmp_path, monkeypatch
):
    whole = taken(tmp_path / "whole", rows(60, groups=3))
    monkeypatch.setattr(intakes, "BATCH", batch)
    monkeypatch.setattr(intakes, "WAITING", waiting)

    parted = taken(tmp_path / "parted", rows(60, groups=3))

    assert parted == whole
    assert whole[1] == [line for line in range(1, 61) if (line - 1) % 5 == 3]
    assert whole[2] == 60 - len(whole[1])


def test_lines_wait_for_their_batch_in_bounds_however_many_stores_there_are(tmp_path, monkeypatch):
    monkeypatch.setattr(intakes, "WAITING", 10)
    with TenantPool(tmp_path / "pool") as pool:
        intake = Intake(pool.get)
        for line in rows(50, groups=20):
            intake.take(line)
            waiting = intake._waiting.values()
            assert sum(map(len, waiting)) == intake._count < 10
        intake.finish()
        assert intake.taken + intake.refusals == 50


@given(moments=st.lists(st.integers(0, 253_402_300_799), min_size=2, unique=True))
def test_ids_that_are_made_of_what_is_said_sort_by_its_time(moments):
    ids = [made_id(b"the same", float(moment)) for moment in sorted(moments)]

    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    assert {len(each) for each in ids} == {len(new_id(0.0))}


@pytest.mark.parametrize("at", [None, -1.0, float("nan"), float("inf"), 1e300, "soon", True])
def test_an_id_is_made_of_what_has_no_time_that_counts(at):
    assert made_id(b"x", at) == made_id(b"x", at) != made_id(b"y", at)
