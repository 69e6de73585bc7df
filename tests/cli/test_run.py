"""`mlx run` with one prompt: the sources of the prompt, and the output of the answer."""

import json
import signal

import pexpect
import pytest
from programs import BUILD, LONG_RUN, MODEL, MODEL_FILE, MODELS

BASE_MODEL_FILE = MODELS / "gemma-3-270m-q4_k_m.gguf"
GREEDY = ("--temperature", "0", "--max-tokens", "12")


def test_prompt_as_argument(mlx):
    run = mlx("run", MODEL, "Explain what a computer is in one sentence.", *GREEDY)
    assert run.returncode == 0
    assert "computer" in run.stdout and run.stdout.endswith("\n")


def test_prompt_on_stdin(mlx):
    asked = mlx("run", MODEL, "What is a computer?", *GREEDY)
    assert mlx("run", MODEL, *GREEDY, stdin="What is a computer?\n").stdout == asked.stdout


def test_words_and_stdin_make_one_prompt(mlx):
    tokens = [mlx.json("run", MODEL, *words, *GREEDY)["prompt_tokens"] for words in (["Hello"], ["Hello", "there"])]
    run = mlx("run", MODEL, "Hello", "there", "--json", *GREEDY, stdin="And a text that was piped in.\n")
    tokens.append(json.loads(run.stdout)["prompt_tokens"])
    assert tokens == sorted(set(tokens))


def test_json_is_one_object(mlx):
    answer = mlx.json("run", MODEL, "Tell me a story.", *GREEDY)
    assert answer["model"] == MODEL and answer["response"] and answer["tokens"] == 12 and answer["done_reason"] == "length"
    assert 0 < answer["first_token_seconds"] and 0 < answer["seconds"]


def test_the_same_seed_gives_the_same_text(mlx):
    def ask(seed):
        return mlx.json("run", MODEL, "Tell me a story.", "--temperature", "1.5", "--seed", seed, "--max-tokens", "24")["response"]

    assert ask("7") == ask("7") != ask("8")


def test_stop_and_system(mlx):
    counted = mlx.json("run", MODEL, "Count: 1, 2, 3,", "--temperature", "0", "--max-tokens", "40")["response"]
    stop = counted[len(counted) // 2 :][:3]
    stopped = mlx.json("run", MODEL, "Count: 1, 2, 3,", "--temperature", "0", "--max-tokens", "40", "--stop", stop)
    assert stop not in stopped["response"] and counted.startswith(stopped["response"])
    told = mlx.json("run", MODEL, "Count: 1, 2, 3,", "--system", "You are a pirate.", *GREEDY)
    assert told["prompt_tokens"] != stopped["prompt_tokens"]


def test_verbose_prints_timings_on_stderr(mlx):
    run = mlx("run", MODEL, "Tell me a story.", "--verbose", *GREEDY)
    assert "12 tokens in" in run.stderr and "tokens/s" in run.stderr and "tokens/s" not in run.stdout


def test_the_hint_to_larger_models_comes_once(own):
    said = [own("run", MODEL, "Hello", *GREEDY).stderr for _ in range(2)]
    assert "a very small model" in said[0] and said[1] == ""


def test_a_file_is_a_chat_model_where_it_has_a_template(mlx):
    by_name, by_file = (mlx.json("run", model, "Hello", *GREEDY) for model in (MODEL, str(MODEL_FILE)))
    assert by_file["response"] == by_name["response"] and by_file["prompt_tokens"] == by_name["prompt_tokens"]


def test_a_file_of_a_base_model_is_continued(mlx):
    if not BASE_MODEL_FILE.exists():
        pytest.skip(f"{BASE_MODEL_FILE.name} is not in MLXR_TEST_MODELS (scripts/setup test puts it there)")
    answer = mlx.json("run", str(BASE_MODEL_FILE), "One, two, three, four,", *GREEDY)
    assert answer["response"].startswith(" five, six")
    assert answer["prompt_tokens"] < 12  # no turns around it


def test_interrupted(mlx):
    run = mlx.start(*LONG_RUN)
    assert run.stdout.read(1)  # it answers
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)
    assert run.returncode == 130
    assert mlx("run", MODEL, "Hello", *GREEDY).returncode == 0


def test_a_reader_that_has_had_enough_ends_the_answer_without_a_word(mlx):
    run = mlx.start(*LONG_RUN)
    assert run.stdout.read(1)
    run.stdout.close()
    assert run.wait(60) == 0
    assert run.stderr.read() == ""


def test_a_silent_stdin_is_explained_on_a_terminal(mlx):
    # stdin is a pipe that stays open; stderr is a terminal
    script = f"sleep 60 | '{BUILD / 'bin' / 'mlx'}' run {MODEL} Hello"
    child = pexpect.spawn("bash", ["-c", script], env=mlx.environment, encoding="utf-8", timeout=60)
    child.expect_exact("Waiting for text on stdin")
    child.expect_exact("</dev/null")
    child.sendcontrol("c")
    child.expect(pexpect.EOF)
