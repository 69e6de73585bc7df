"""The chat on a terminal, with pexpect as the user."""

import json
import re
import stat

import pexpect
import pytest
from programs import BUILD, LONG_RUN, MODEL, MODELS

PROMPT = ">>> "
UP, LEFT, CTRL_A, CTRL_C, CTRL_D = "\033[A", "\033[D", "\x01", "\x03", "\x04"


class Chat:
    def __init__(self, child):
        self.child = child
        self.at_prompt()

    def at_prompt(self):
        """Waits for the prompt; what was written before it, without what steers the terminal."""
        self.child.expect_exact(PROMPT)
        return re.sub(r"\033\[[0-9;?]*[A-Za-z]", "", self.child.before)

    def enter(self, text):
        self.child.send(text + "\r")

    def say(self, text):
        self.enter(text)
        return self.at_prompt()

    def type(self, keys, until):
        """Keys that edit a line, which is drawn again with its prompt: waits for what they lead to, then for the next prompt."""
        self.child.send(keys)
        self.child.expect(until)
        self.at_prompt()

    def messages(self):
        return int(re.search(r"messages +(\d+)", self.say("/show"))[1])

    def leave(self, keys=CTRL_D):
        self.child.send(keys)
        self.child.expect(pexpect.EOF)
        self.child.close()
        return self.child.exitstatus


@pytest.fixture
def chat(mlx):
    (mlx.home / "logs" / "history").unlink(missing_ok=True)
    return lambda *words, max_tokens=12: Chat(mlx.on_terminal("run", MODEL, "--temperature", "0", "--max-tokens", max_tokens, *words))


def test_a_conversation(chat):
    one = chat()
    assert "computer" in one.say("What is a computer?")
    assert one.messages() == 2
    one.say("Why?")
    assert one.messages() == 4
    assert "forgotten" in one.say("/clear")
    assert one.messages() == 0
    assert one.leave() == 0


def test_bye_leaves(chat):
    assert chat().leave("/bye\r") == 0


def test_help_names_every_command(chat):
    one = chat()
    said = one.say("/help")
    for word in ("/set", "/show", "/edit", "/save", "/load", "/clear", "/bye", '"""', "Ctrl-C", "Ctrl-D"):
        assert word in said
    assert one.say("/?").endswith(said.split("/help", 1)[1])
    assert "Unknown command /nope" in one.say("/nope")
    assert "Did you mean /clear?" in one.say("/claer")
    assert one.messages() == 0
    one.leave()


def test_set(chat):
    one = chat()
    one.say("/set temperature 0.25")
    one.say("/set system You are a pirate.")
    said = one.say("/show")
    assert re.search(r"temperature +0\.25", said) and re.search(r"system +You are a pirate\.", said)
    assert "from 0 to 2" in one.say("/set temperature hot")
    assert "warmth: Unknown parameter" in one.say("/set warmth 1")
    one.leave()


def test_ctrl_c_stops_the_answer_and_not_the_program(chat):
    one = chat(max_tokens=2000)
    one.enter(LONG_RUN[2])
    one.child.expect_exact("chapter.\r\n")  # the echo
    one.child.expect("[a-z]+ [a-z]+")
    one.child.send(CTRL_C)
    assert "(stopped)" in one.at_prompt()
    one.say("/set max_tokens 8")
    assert one.say("Hello") and one.messages() == 4
    assert one.leave() == 0


def test_ctrl_c_at_the_prompt_drops_the_line(chat):
    one = chat()
    one.child.send("half a question")
    one.child.expect_exact("half a question")
    one.child.send(CTRL_C)
    assert "To leave: Ctrl-D or /bye" in one.at_prompt()
    assert one.messages() == 0
    one.leave()


def test_a_line_can_be_edited(chat):
    one = chat()
    one.type("show" + CTRL_A + "/\r", "messages +0")
    one.type("/sow" + LEFT * 2 + "h\r", "messages +0")
    one.leave()


def test_history_comes_back_also_in_the_next_chat(chat, mlx):
    one = chat()
    one.say("/set seed 7")
    one.say("/set seed 8")
    one.leave()
    assert (mlx.home / "logs" / "history").stat().st_mode & 0o777 == 0o600
    one = chat()
    one.say("/set seed 9")
    one.child.send(UP * 3 + "\r")  # draws lines and their prompts on the way
    one.enter("/show")
    one.child.expect(r"seed +7\r")
    one.at_prompt()
    one.leave()


def test_input_of_several_lines(chat):
    one = chat()
    one.enter('"""What is')
    one.child.expect_exact("... ")
    one.enter("a computer?")
    one.child.expect_exact("... ")
    one.enter('"""')
    assert "computer" in one.at_prompt()
    one.enter("And what is \\")
    one.child.expect_exact("... ")
    assert one.say("a mouse?")
    assert one.messages() == 4
    one.enter('"""/bye')  # text, not a command
    one.child.expect_exact("... ")
    assert one.say('"""')
    assert one.messages() == 6
    one.leave()


def test_ctrl_c_leaves_an_input_of_several_lines(chat):
    one = chat()
    one.enter('"""What is')
    one.child.expect_exact("... ")
    one.child.send(CTRL_C)
    one.at_prompt()
    assert one.messages() == 0
    one.leave()


def test_letters_of_every_width_can_be_typed(chat):
    one = chat()
    one.say("/set system Größe 模型 🙂")
    assert "Größe 模型 🙂" in one.say("/show")
    one.leave()


def test_a_failed_answer_is_said_and_the_chat_goes_on(chat):
    one = chat("--ctx", "64")
    assert "64" in one.say("many words " * 100)
    assert one.messages() == 0
    one.leave()


def test_a_base_model_continues(mlx):
    file = MODELS / "gemma-3-270m-q4_k_m.gguf"
    if not file.exists():
        pytest.skip(f"{file.name} is not in MLXR_TEST_MODELS (scripts/setup test puts it there)")
    child = mlx.on_terminal("run", str(file), "--temperature", "0", "--max-tokens", "8")
    child.expect_exact("base model")
    one = Chat(child)
    assert "five, six" in one.say("One, two, three, four,")
    one.leave()


PASTE = "\033[200~{}\033[201~"


def saved_messages(one, file):
    assert "Saved" in one.say(f"/save {file}")
    return [message["content"] for message in json.loads(file.read_text())["messages"] if message["role"] == "user"]


def test_pasted_lines_are_one_message(chat, tmp_path):
    one = chat()
    one.child.send("Explain: " + PASTE.format("def f(x):\r\treturn x\rf(2)\r"))
    one.child.expect_exact("f(2)")
    one.enter("")
    one.at_prompt()
    assert saved_messages(one, tmp_path / "chat.json") == ["Explain: def f(x):\n\treturn x\nf(2)"]
    one.leave()


def test_a_long_paste_is_shown_as_a_placeholder_and_sent_whole(chat, tmp_path):
    one = chat()
    text = [f"line {n} Größe 模型" for n in range(30)]
    one.child.send(PASTE.format("\r".join(text)))
    one.child.expect_exact("[paste 1: 30 lines]")
    one.enter("")
    one.at_prompt()
    assert saved_messages(one, tmp_path / "chat.json") == ["\n".join(text)]
    one.leave()


def test_a_pasted_command_of_several_lines_is_text(chat):
    one = chat()
    one.child.send(PASTE.format("/bye\rnow"))
    one.child.expect_exact("now")
    one.enter("")
    one.at_prompt()
    assert one.messages() == 2
    one.leave()


def test_a_line_can_be_edited_after_ctrl_z_and_fg(mlx):
    shell = pexpect.spawn("bash", ["--norc", "-i"], env={**mlx.environment, "PS1": "shell$ "}, encoding="utf-8", timeout=60, dimensions=(24, 80))
    shell.expect_exact("shell$ ")
    shell.sendline(f"{BUILD / 'bin' / 'mlx'} run {MODEL}")
    one = Chat(shell)
    shell.send("/sow")
    shell.expect_exact("/sow")
    shell.sendcontrol("z")
    shell.expect_exact("Stopped")
    shell.expect_exact("shell$ ")
    shell.sendline("fg")
    shell.expect_exact(">>> /sow")
    shell.send(LEFT * 2 + "h\r")
    shell.expect("messages +0")
    one.at_prompt()
    shell.send(CTRL_D)
    shell.expect_exact("shell$ ")
    shell.close()


def test_a_resized_terminal_draws_the_prompt_where_it_begins(chat):
    one = chat()
    one.child.send("x" * 60)
    one.child.expect_exact("x" * 60)
    one.child.setwinsize(24, 40)  # the 64 columns are on two lines now
    one.child.expect_exact("\033[1A\r\033[J")
    one.child.expect_exact(PROMPT)
    one.type(CTRL_A + "/nope \r", "Unknown command /nope")
    one.leave()


def test_chats_at_a_time_share_the_history(chat, mlx):
    first, second = chat(), chat()
    first.say("/set seed 7")
    second.say("/set seed 8")
    first.leave()
    second.leave()
    history = (mlx.home / "logs" / "history").read_text()
    assert "seed\\0407" in history and "seed\\0408" in history


def test_an_answer_is_wrapped_between_words(mlx):
    ask = ("run", MODEL, "Explain what a computer is.", "--temperature", "0", "--max-tokens", "60")
    plain = mlx(*ask).stdout
    child = mlx.on_terminal(*ask, columns=40)
    wrapped = re.sub(r"\033\[[0-9;?]*[A-Za-z]|\r", "", child.read())
    lines = wrapped.split("Loading")[-1].splitlines()
    assert max(map(len, plain.splitlines())) > 40 >= max(map(len, lines))
    assert " ".join(wrapped.split()) == " ".join(plain.split())


def test_help_fits_a_narrow_terminal(mlx):
    one = Chat(mlx.on_terminal("run", MODEL, columns=40))
    assert max(map(len, one.say("/help").splitlines())) <= 40
    one.leave()


def test_a_conversation_is_saved_and_continued(chat, tmp_path):
    file = tmp_path / "chat.json"
    one = chat()
    one.say("/set system You are a pirate.")
    one.say("Hello")
    assert "Saved 2 messages" in one.say(f"/save {file}")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    one.leave()
    one = chat()
    assert "Loaded 2 messages" in one.say(f"/load {file}")
    assert one.messages() == 2 and "You are a pirate." in one.say("/show")
    assert "Saved 2 messages" in one.say(f"/save {file}")  # the same file again
    one.leave()


def test_save_and_load_leave_other_files_alone(chat, tmp_path):
    other = tmp_path / "notes.txt"
    other.write_text("mine")
    one = chat()
    assert "not a saved conversation" in one.say(f"/save {other}")
    assert "not a saved conversation" in one.say(f"/load {other}")
    assert "nosuch" in one.say(f"/load {tmp_path}/nosuch.json")
    assert "needs a file" in one.say("/save")
    assert other.read_text() == "mine" and one.messages() == 0
    one.leave()


def test_a_message_from_an_editor(mlx, tmp_path):
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nprintf "%s and\\nmore\\n" "$(cat "$2")" >"$2"\n')
    editor.chmod(0o755)
    mlx.environment["EDITOR"] = f"{editor} --wait"
    try:
        one = Chat(mlx.on_terminal("run", MODEL, "--max-tokens", "4"))
        one.say("/edit Hello")
        assert saved_messages(one, tmp_path / "chat.json") == ["Hello and\nmore"]
        one.leave()
        mlx.environment["EDITOR"] = "/nonexistent/editor"
        one = Chat(mlx.on_terminal("run", MODEL))
        assert "Cannot start the editor '/nonexistent/editor'" in one.say("/edit")
        assert one.messages() == 0
        one.leave()
    finally:
        del mlx.environment["EDITOR"]


def test_a_model_that_loads_is_announced(own):
    child = own.on_terminal("run", MODEL)
    child.expect_exact(f"Loading {MODEL}...")
    Chat(child).leave()
