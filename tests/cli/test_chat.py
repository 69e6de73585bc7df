"""The chat, typed on a terminal: pexpect is the person."""

import re

import pexpect
import pytest
from programs import LONG_RUN, MODEL, MODELS

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
    for word in ("/set", "/show", "/clear", "/bye", '"""', "Ctrl-C", "Ctrl-D"):
        assert word in said
    assert one.say("/?").endswith(said.split("/help", 1)[1])
    assert "no command /nope" in one.say("/nope")
    assert one.messages() == 0
    one.leave()


def test_set(chat):
    one = chat()
    one.say("/set temperature 0.25")
    one.say("/set system You are a pirate.")
    said = one.say("/show")
    assert re.search(r"temperature +0\.25", said) and re.search(r"system +You are a pirate\.", said)
    assert "from 0 to 2" in one.say("/set temperature hot")
    assert "no parameter warmth" in one.say("/set warmth 1")
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
    assert "/bye leaves" in one.at_prompt()
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
