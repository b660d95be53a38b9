"""What people have, in small: a fixture for each format, written for the tests."""

from __future__ import annotations

import gzip
import json
import sqlite3
import zipfile
from contextlib import closing


def written(path, value):
    """A file with this text, or with this value as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = value if isinstance(value, str) else json.dumps(value)
    path.write_text(text, encoding="utf-8")
    return path


def lines(path, rows):
    return written(path, "".join(json.dumps(row) + "\n" for row in rows))


def _node(name, parent, children, role=None, text=None, at=0.0, **more):
    message = None
    if role:
        content = {"content_type": "text", "parts": [text]}
        message = {"id": name, "author": {"role": role}, "create_time": at, "content": content}
        message |= more
    return name, {"id": name, "message": message, "parent": parent, "children": children}


CHATGPT = [
    {
        "title": "Deploys",
        "create_time": 1_700_000_000.0,
        "conversation_id": "c1",
        "current_node": "a2",
        "mapping": dict(
            [
                _node("root", None, ["sys"]),
                _node("sys", "root", ["u1"], "system", ""),
                _node("u1", "sys", ["a1", "a2"], "user", "We deploy on Tuesdays", 1_700_000_001.5),
                _node("a1", "u1", [], "assistant", "An answer that was asked for again", 2.0),
                _node("a2", "u1", [], "assistant", "Noted: Tuesdays", 1_700_000_003.0),
            ]
        ),
    },
    {
        "title": "No current node",
        "create_time": 1_700_001_000.0,
        "id": "c2",
        "mapping": dict(
            [
                _node("v0", None, ["v1"], "user", "Hidden", 1.0,
                      metadata={"is_visually_hidden_from_conversation": True}),
                _node("v1", "v0", [], "user", "My cat is called Miso", 1_700_001_001.0),
            ]
        ),
    },
]  # fmt: skip


def chatgpt(folder):
    return written(folder / "conversations.json", CHATGPT)


def chatgpt_zip(folder):
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / "export.zip"
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr("user.json", "{}")
        archive.writestr("conversations.json", json.dumps(CHATGPT))
        archive.writestr("chat.html", "<html></html>")
    return place


def claude(folder):
    said = [
        {"uuid": "m1", "sender": "human", "text": "", "created_at": "2024-05-01T10:00:00Z",
         "content": [{"type": "text", "text": "I moved to Lisbon"}]},
        {"uuid": "m2", "sender": "assistant", "text": "Nice!",
         "created_at": "2024-05-01T10:00:09Z"},
        {"uuid": "m3", "sender": "human", "text": "", "created_at": "2024-05-01T10:01:00Z"},
    ]  # fmt: skip
    value = [{"uuid": "c", "name": "Home", "account": {"uuid": "u"}, "chat_messages": said}]
    return written(folder / "conversations.json", value)


def claude_code(folder):
    def line(kind, uuid, content, **more):
        said = {"role": kind, "content": content}
        return {"parentUuid": None, "sessionId": "s1", "type": kind, "message": said, "uuid": uuid,
                "timestamp": "2025-03-01T09:00:00.123Z", "cwd": "/app", "gitBranch": "main",
                **more}  # fmt: skip

    rows = [
        {"type": "summary", "summary": "Fixing the build", "leafUuid": "b"},
        line("user", "a", "Always run ruff before a commit"),
        line(
            "assistant", "b", [{"type": "text", "text": "I will."}, {"type": "tool_use", "id": 1}]
        ),
        line("user", "c", [{"type": "tool_result", "content": "ok"}]),
        line("user", "d", "of an agent", isSidechain=True),
    ]
    return lines(folder / "session.jsonl", rows).parent


TALK = [
    {"role": "system", "content": "You help."},
    {"role": "user", "content": "I am allergic to nuts"},
    {"role": "assistant", "content": [{"type": "text", "text": "I will remember that"}]},
]


def openai_lines(folder):
    return lines(folder / "train.jsonl", [{"messages": TALK}, {"messages": TALK[1:]}])


def openai_array(folder):
    return written(folder / "messages.json", TALK)


def sharegpt(folder):
    said = [{"from": "human", "value": "I play the cello"}, {"from": "gpt", "value": "Lovely"}]
    return written(folder / "sharegpt.json", [{"id": "x", "conversations": said}])


def mcp_memory(folder):
    rows = [
        {"type": "entity", "name": "Ada", "entityType": "person",
         "observations": ["Likes tea", "Works on Larkspur"]},
        {"type": "relation", "from": "Ada", "to": "Larkspur", "relationType": "works_on"},
        {"type": "entity", "name": "Larkspur", "entityType": "project", "observations": []},
    ]  # fmt: skip
    return lines(folder / "memory.jsonl", rows)


def slack(folder):
    users = [
        {"id": "U1", "name": "ada", "profile": {"display_name": "Ada"}},
        {"id": "U2", "name": "bo"},
    ]
    written(folder / "slack" / "users.json", users)
    written(folder / "slack" / "channels.json", [{"id": "C1", "name": "general"}])
    day = [
        {"type": "message", "user": "U1", "ts": "1700000000.000100",
         "text": "<@U2> see <https://x.org|the page> &amp; tell <#C1|general>"},
        {"type": "message", "subtype": "channel_join", "user": "U2", "ts": "1700000001.0",
         "text": "<@U2> has joined"},
        {"type": "message", "user": "U2", "ts": "1700000002.0", "text": "Done",
         "thread_ts": "1700000000.000100"},
    ]  # fmt: skip
    written(folder / "slack" / "general" / "2023-11-14.json", day)
    return folder / "slack"


def discord(folder):
    value = {
        "guild": {"id": "g", "name": "Home"},
        "channel": {"id": "c", "name": "tea"},
        "messages": [
            {"id": "1", "type": "Default", "timestamp": "2024-01-02T03:04:05.678+01:00",
             "content": "Green tea at 80 degrees", "author": {"name": "ada", "nickname": "Ada"}},
            {"id": "2", "type": "Default", "timestamp": "2024-01-02T03:05:00+01:00", "content": "",
             "author": {"name": "bo"}},
        ],
    }  # fmt: skip
    return written(folder / "tea.json", value)


def discord_package(folder):
    said = [
        {
            "ID": 7,
            "Timestamp": "2024-01-02 03:04:05",
            "Contents": "My bike is blue",
            "Attachments": "",
        }
    ]
    written(folder / "package" / "messages" / "c42" / "messages.json", said)
    written(folder / "package" / "messages" / "index.json", {"42": "bikes"})
    return folder / "package"


def telegram_chat(name, number):
    said = [
        {"id": 1, "type": "service", "date": "2023-01-01T00:00:00", "action": "create"},
        {"id": 2, "type": "message", "date": "2023-01-01T10:00:00", "date_unixtime": "1672567200",
         "from": "Ada", "text": ["See ", {"type": "bold", "text": "this"}, "!"]},
        {"id": 3, "type": "message", "date": "2023-01-01T10:01:00", "from": "Bo",
         "text": "Bo's sister is Cleo", "reply_to_message_id": 2},
    ]  # fmt: skip
    return {"name": name, "type": "personal_chat", "id": number, "messages": said}


def telegram(folder):
    return written(folder / "result.json", telegram_chat("Ada", 9))


def telegram_all(folder):
    chats = {"about": "chats", "list": [telegram_chat("Ada", 9), telegram_chat("Bo", 10)]}
    return written(
        folder / "result.json", {"about": "all", "chats": chats, "left_chats": {"list": []}}
    )


def messenger(folder):
    broken = "Caf\u00e9 at nine".encode().decode("latin-1")  # as the download has it
    value = {
        "participants": [{"name": "Ada"}, {"name": "Bo"}],
        "messages": [
            {"sender_name": "Ada", "timestamp_ms": 1_700_000_000_123, "content": broken},
            {"sender_name": "Bo", "timestamp_ms": 1_700_000_001_000, "photos": [{"uri": "a.jpg"}]},
        ],
        "title": "Bo",
        "thread_path": "inbox/bo_1",
    }
    return written(folder / "inbox" / "bo_1" / "message_1.json", value).parents[1]


WHATSAPP = (
    "13/02/2024, 21:41 - Messages and calls are end-to-end encrypted.\n"
    "13/02/2024, 21:42 - Ada: The spare key is\nunder the blue pot\n"
    "14/02/2024, 08:00 - Bo: <Media omitted>\n"
    "03/04/2024, 08:01 - Bo: Thanks\n"
)


def whatsapp(folder):
    return written(folder / "WhatsApp Chat with Bo.txt", WHATSAPP)


def whatsapp_zip(folder):
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / "Bo.zip"
    said = "\u200e[2/13/24, 9:41:05\u202fPM] Ada: The spare key is under the pot\r\n"
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr("_chat.txt", said)
    return place


def mbox(folder):
    text = (
        "From ada@x.org Tue Nov 14 22:13:20 2023\n"
        "From: Ada <ada@x.org>\nTo: bo@x.org\nSubject: =?utf-8?q?Caf=C3=A9?=\n"
        "Message-ID: <1@x.org>\nDate: Tue, 14 Nov 2023 22:13:20 +0000\n\n"
        "We meet at nine.\n>From where? From home.\n\n"
        "From bo@x.org Tue Nov 14 23:00:00 2023\n"
        "From: bo@x.org\nSubject: Re: tea\nMessage-ID: <2@x.org>\nReferences: <1@x.org>\n"
        "Date: Tue, 14 Nov 2023 23:00:00 +0000\nContent-Type: text/html\n\n"
        "<html><head><style>p {}</style></head><p>Fine &amp; good</p></html>\n"
    )
    return written(folder / "mail.mbox", text)


def notes(folder):
    written(
        folder / "vault" / "Larkspur.md",
        "---\ntags: [work, web]\ncreated: 2024-05-01\nowner: Ada\n---\n"
        "A booking site. See [[people/Ada|Ada]] and [[Nowhere]].\n",
    )
    long = "# Ada\n\nLeads [[Larkspur]].\n\n## Tea\n\n" + "Only green tea. " * 150
    written(folder / "vault" / "people" / "Ada.md", long)
    written(folder / "vault" / ".obsidian" / "app.json", {})
    return folder / "vault"


def database(place, script, *rows):
    place.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(place)) as connection, connection:
        connection.executescript(script)
        for statement, values in rows:
            connection.execute(statement, values)
    return place


def langgraph(folder):
    script = """
        create table store(prefix text not null, key text not null, value text not null,
            created_at timestamp, updated_at timestamp, expires_at timestamp, ttl_minutes real,
            primary key (prefix, key));
    """
    add = "insert into store(prefix, key, value, created_at, updated_at) values (?, ?, ?, ?, ?)"
    day = "2024-02-03 04:05:06"
    value = {"kind": "Memory", "content": {"content": "Ada is vegetarian"}}
    return database(
        folder / "store.db",
        script,
        (add, ("memories.ada", "k1", json.dumps({"text": "Ada likes tea", "n": 1}), day, day)),
        (add, ("memories.ada", "k2", json.dumps(value), day, day)),
    )


def mem0_history(folder):
    script = """
        create table history(id text primary key, memory_id text, old_memory text, new_memory text,
            event text, created_at datetime, updated_at datetime, is_deleted integer,
            actor_id text, role text);
    """
    add = "insert into history values (?, ?, ?, ?, ?, ?, ?, 0, null, null)"
    first, second, third = (f"2024-0{month}-01T00:00:00-07:00" for month in (1, 2, 3))
    return database(
        folder / "history.db",
        script,
        (add, ("1", "m", None, "Lives in Oslo", "ADD", first, None)),
        (add, ("2", "m", "Lives in Oslo", "Lives in Lisbon", "UPDATE", first, second)),
        (add, ("3", "gone", None, "Has a dog", "ADD", first, None)),
        (add, ("4", "gone", "Has a dog", None, "DELETE", first, third)),
    )


def mem0(folder):
    one = {"id": "11", "memory": "Likes pottery", "hash": "h", "metadata": {"topic": "hobby"},
           "created_at": "2024-07-01T00:00:00-07:00", "updated_at": None,
           "user_id": "ada"}  # fmt: skip
    return written(folder / "all.json", {"results": [one], "relations": []})


def locomo(folder):
    told = {
        "speaker_a": "Ada",
        "speaker_b": "Bo",
        "session_1_date_time": "1:56 pm on 8 May, 2023",
        "session_1": [
            {"speaker": "Ada", "dia_id": "D1:1", "text": "I adopted a puppy"},
            {"speaker": "Bo", "dia_id": "D1:2", "text": "Look", "blip_caption": "a cat"},
        ],
    }
    return written(
        folder / "locomo.json", [{"sample_id": "conv-1", "qa": [], "conversation": told}]
    )


def longmemeval(folder):
    value = {
        "question_id": "q1",
        "question": "Where?",
        "haystack_dates": ["2023/05/20 (Sat) 02:21"],
        "haystack_session_ids": ["s9"],
        "haystack_sessions": [[{"role": "user", "content": "I graduated in Bergen"}]],
    }
    return written(folder / "longmemeval.json", [value])


def jsonl(folder):
    return lines(folder / "chat.jsonl", [{"Text": "Ada rows", "time": 1_700_000_000, "n": 1}])


def jsonl_gz(folder):
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / "chat.jsonl.gz"
    place.write_bytes(gzip.compress(b'{"text": "Ada rows", "time": 1700000000}\n'))
    return place


def json_array(folder):
    rows = [{"message": {"content": "Ada rows", "lang": "en"}, "time": "8 May 2023"}]
    return written(folder / "rows.json", json.dumps(rows, indent=2))


def csv_table(folder):
    return written(folder / "rows.csv", "TEXT;time;room\nAda rows;31.12.2023 10:00;boats\n")


def tsv_utf16(folder):
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / "rows.txt"
    place.write_bytes("text\ttime\nAda rows\t12/31/2023\n".encode("utf-16"))
    return place
