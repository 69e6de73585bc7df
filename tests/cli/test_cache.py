"""`mlx cache`: repacked weights are cached at the first load, used at the next, listed, and deleted with their model."""

from programs import MODEL, wait_for


def panels(mlx):
    return sorted((mlx.home / "cache").glob("*.panels"))


def run(mlx):
    assert mlx("run", MODEL, "Hi", "--max-tokens", "1").returncode == 0


def test_kept_at_the_first_load_and_mapped_at_the_next(own):
    mlx = own
    assert "The cache is empty" in mlx("cache").stdout
    run(mlx)
    wait_for(lambda: panels(mlx))  # they are written in the background
    (kept,) = panels(mlx)
    made = kept.stat()
    (shown,) = mlx.json("cache")["weights"]
    assert shown["model"] == MODEL and shown["size"] == made.st_size and shown["file"] == str(kept)
    assert shown["sha256"] == mlx.json("show", MODEL)["sha256"]
    assert MODEL in mlx("cache").stdout
    mlx.stop()
    run(mlx)
    assert kept.stat().st_ino == made.st_ino and panels(mlx) == [kept]


def test_clear(own):
    mlx = own
    run(mlx)
    wait_for(lambda: panels(mlx))
    cleared = mlx("cache", "--clear")
    assert cleared.returncode == 0 and "deleted" in cleared.stdout and panels(mlx) == []
    run(mlx)  # the daemon still has them in memory
    assert mlx("cache", "--clear", "--json").returncode == 2


def test_a_removed_model_leaves_none_unless_its_file_has_another_name(own):
    mlx = own
    mlx.import_model(name="second")
    run(mlx)
    wait_for(lambda: panels(mlx))
    assert mlx("rm", "second").returncode == 0 and panels(mlx)
    assert mlx("rm", MODEL).returncode == 0 and panels(mlx) == []


def test_nothing_is_kept_where_the_setting_says_so(own):
    mlx = own
    (mlx.home / "server.yaml").write_text("cache: 0\n")
    run(mlx)
    mlx.stop()
    assert not list((mlx.home / "cache").glob("*.panels*"))
