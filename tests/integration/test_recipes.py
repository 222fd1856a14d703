"""Images made by a recipe: lxc-exec image build -f RECIPE."""

import contextlib
import json
import os
import random
import signal

import pytest

import lxe
from lxe import ok, refusal, stdout_of


@pytest.fixture
def busybox(world):
    images = json.loads(stdout_of(world.run("image", "ls", "--format", "json")))
    if not any(image["name"] == "busybox" and image["complete"] for image in images):
        ok(world.run("image", "build", "busybox"))
    yield
    lxe.poll_until(lambda: not list(world.state.glob("images/.build-*")), what="the end of all builds")
    for path in world.state.glob("images/*"):
        if path.name not in ("busybox", "host") and not path.name.startswith("."):
            ok(world.run("image", "rm", path.name))


def recipe(world, directory, text, name="made.recipe"):
    path = directory / name
    path.write_text(text)
    world.give(path)
    return str(path)


def build(world, directory, steps, *words, head="[image]\nfrom = busybox\n", **more):
    path = recipe(world, directory, f"{head}[steps]\n{steps}\n")
    return world.run("image", "build", "-f", path, *words, **more)


def names(world):
    return {image["name"] for image in json.loads(stdout_of(world.run("image", "ls", "--format", "json")))}


def inside(world, script, image="made"):
    return stdout_of(world.run("run", "--image", image, "--", "sh", "-c", script))


def test_steps_are_done_in_their_order(world, busybox, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "file").write_text("one\n")
    (data / "link").symlink_to("/nowhere")
    (tmp_path / "script").write_text("#!/bin/sh\necho script\n")
    (tmp_path / "script").chmod(0o600)
    for path in (data, data / "file", tmp_path / "script"):
        world.give(path)
    steps = """copy = data:/opt/a/data
copy-script = ./script:/bin/script:755
run = "script >/said; id -u >>/said; echo $WHO >>/said; cat /opt/a/data/file >>/said"
run-2 = "rm -r /etc/init.d /opt/a/data/link; chown 1000:1000 /said; mkdir -m 1777 /open; ln /said /again; ln -s x /soft"
copy-2 = script:/opt/a/data/file
run-late = chmod 4755 /bin/script"""
    result = build(world, tmp_path, steps, head="[image]\nfrom = busybox\n[env]\nWHO = world wide\n")
    assert ok(result).stderr == b"lxc-exec: image 'made' built\n" and result.stdout == b""
    assert inside(world, "cat /said; stat -c '%u:%g %a %h' /said /bin/script /open; readlink /soft; ls -R /opt") == (
        "script\n0\nworld wide\none\n1000:1000 644 2\n0:0 4755 1\n0:0 1777 2\nx\n"
        "/opt:\na\n\n/opt/a:\ndata\n\n/opt/a/data:\nfile\n"
    )
    assert inside(world, "head -1 /opt/a/data/file; stat -c %u:%a /opt/a/data/file; echo $WHO; ls -d /etc/init.d 2>&1 | wc -l") == (
        "#!/bin/sh\n0:600\nworld wide\n1\n"
    )
    assert "No such" in inside(world, "ls /etc/init.d 2>&1; true") and inside(world, "ls /", "busybox").find("said") < 0


def test_one_on_another_says_what_both_say(world, busybox, tmp_path):
    head = "[image]\nfrom = busybox\n[env]\nA = 1\nB = 2\n"
    ok(build(world, tmp_path, "run = echo first >/first", "first", head=head))
    head = "[image]\nfrom = first\n[env]\nB = 3\nC = 4\n"
    ok(build(world, tmp_path, 'run = "cat /first >/second; echo $A$B$C >>/second"', "second", head=head))
    assert inside(world, "cat /second; echo $A $B $C", "second") == "first\n134\n1 3 4\n"
    # What is there already is replaced, and only if it is right.
    ok(build(world, tmp_path, "run = echo third >/second", "second", head="[image]\nfrom = first\n"))
    assert inside(world, "cat /second; echo $A", "second") == "third\n1\n"
    refusal_of_step(build(world, tmp_path, "run = false", "second"), "run", 1)
    assert inside(world, "cat /second", "second") == "third\n"
    ok(world.run("create", "--image", "second", "user", "--", "sleep", "1000"))
    refusal(build(world, tmp_path, "run = false", "second"), says="image 'second' is in use by 'user'")
    ok(world.run("destroy", "--force", "user"))
    refusal(build(world, tmp_path, "", "first", head="[image]\nfrom = first\n"), says="cannot be made from itself\nhint: ")


def refusal_of_step(result, label, status, output=""):
    lines = result.stderr.decode().splitlines()
    assert result.returncode == 125 and not result.stdout, lines
    said, lines = lines[: len(output.splitlines())], lines[len(output.splitlines()) :]
    assert said == output.splitlines()
    assert lines[0].startswith("lxc-exec: build image '"), lines
    assert f": step '{label}' failed with status {status}" in lines[0] and ".recipe:" in lines[0]
    assert lines[1].startswith("hint: nothing was built"), lines


def test_a_failing_step_is_shown_with_what_it_said(world, busybox, tmp_path):
    steps = 'run = echo before\nrun-tests = "echo out; echo err >&2; exit 7"\nrun-never = touch /never'
    refusal_of_step(build(world, tmp_path, steps), "run-tests", 7, "before\nout\nerr\n")
    refusal_of_step(build(world, tmp_path, "run = kill -9 $$"), "run", 137)
    refusal_of_step(build(world, tmp_path, "run = nosuch-program", "-q"), "run", 127)
    assert "made" not in names(world)


def test_on_a_terminal_the_steps_are_shown(world, busybox, tmp_path):
    path = recipe(world, tmp_path, "[image]\nfrom = busybox\n[steps]\nrun = echo hello\ncopy = made.recipe:/r\n")
    terminal = world.pty("image", "build", "-f", path)
    assert terminal.wait() == 0
    said = [line.strip() for line in terminal.seen.decode().splitlines()]
    wanted = ["step 1 of 2: echo hello", "hello", "step 2 of 2: /r", "image 'made' built"]
    assert [line.removeprefix("lxc-exec: ") for line in said if line.removeprefix("lxc-exec: ") in wanted] == wanted
    terminal.close()


def test_a_step_has_a_pipe_and_not_the_terminal(world, busybox, tmp_path):
    """It could read from it, and what it prints would drive it; how far it is shows at once."""
    script = tmp_path / "script"
    script.write_text("test -t 1 -o -t 2 && echo terminal; printf '\\033]0;title\\007 \\303'; printf '\\244 50%%\\r'; read x </said\n")
    world.give(script)
    path = recipe(world, tmp_path, '[image]\nfrom = busybox\n[steps]\ncopy = script:/script\nrun = "mkfifo /said; sh /script"\n')
    terminal = world.pty("image", "build", "-f", path)
    terminal.expect(rb"\\x1b]0;title\\x07 \xc3\xa4 50%")
    assert b"\nterminal" not in terminal.seen and b"\x1b" not in terminal.seen
    terminal.write(b"\x03")
    assert terminal.wait() == 130
    terminal.close()


def test_much_that_a_failing_step_has_said_is_cut_in_the_middle(world, busybox, tmp_path):
    script = tmp_path / "script"
    script.write_text("echo first; seq 200000; printf '\\033[31m'; echo last; exit 3\n")
    world.give(script)
    steps = "copy = script:/script\nrun = sh /script"
    result = build(world, tmp_path, steps)
    said = result.stderr
    whole = b"first\n" + b"".join(b"%d\n" % i for i in range(1, 200001)) + b"\x1b[31mlast\n"
    head, _, rest = said.partition(b"\n[")
    left_out, _, tail = rest.partition(b" bytes are left out here]\n")
    tail = tail[: tail.index(b"lxc-exec: ")]
    assert whole.startswith(head) and whole.endswith(tail) and len(tail) > 30000 and len(head) > 30000
    assert int(left_out) == len(whole) - len(head) - len(tail)


@pytest.mark.roots("a user's limits depend on what has been delegated to him")
def test_what_steps_write_may_be_more_than_their_memory(world, busybox, tmp_path):
    steps = 'run = "head -c 64m /dev/zero >/large; head -c 64m /dev/zero >/tmp/large"\nrun-2 = rm /large'
    ok(build(world, tmp_path, steps, "--memory", "32M"))
    assert inside(world, "ls -l /tmp/large | grep -c 67108864; rm /tmp/large; ls /large 2>&1; true") == "1\nls: /large: No such file or directory\n"


def test_two_of_one_name_are_done_one_after_the_other(world, busybox, tmp_path):
    path = recipe(world, tmp_path, '[image]\nfrom = busybox\n[steps]\nrun = "echo up; sleep 1000"\n', "first")
    other = recipe(world, tmp_path, '[image]\nfrom = busybox\n[steps]\nrun = "echo second >/zz"\n')
    first = start(world, path, "made")
    terminal = world.pty("image", "build", "-f", other)
    terminal.expect("another build of image 'made' is waited for")
    ok(build(world, tmp_path, "run = true", "another"))
    assert "made" not in names(world) and b"step" not in terminal.seen
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=lxe.DEADLINE)
    assert terminal.wait() == 0
    terminal.close()
    assert inside(world, "cat /zz") == "second\n"
    assert not list(world.state.glob("images/.*"))


def test_whoever_waits_for_another_can_be_ended_and_one_that_was_killed_is_not_waited_for(world, busybox, tmp_path):
    path = recipe(world, tmp_path, '[image]\nfrom = busybox\n[steps]\nrun = "echo up; sleep 1000"\n')
    first = start(world, path)
    with world.pty("image", "build", "-f", path) as terminal:
        terminal.expect("is waited for")
        terminal.write(b"\x03")
        assert terminal.wait() in (-signal.SIGINT, 128 + signal.SIGINT)
    first.kill()
    first.communicate(timeout=lxe.DEADLINE)
    assert list(world.state.glob("images/.recipe-*"))
    ok(world.run("gc"))
    lxe.poll_until(lambda: ok(world.run("gc")) and not list(world.state.glob("images/.*")), what="the end of the lock")


def test_a_recipe_may_come_through_a_pipe_and_is_a_plain_file_otherwise(world, busybox, tmp_path):
    text = b"[image]\nfrom = busybox\n[steps]\ncopy = data:/data\n"
    (tmp_path / "data").write_text("data\n")
    for path in (tmp_path, tmp_path / "data"):
        world.give(path)
    ok(world.run("image", "build", "-f", "-", "made", input=text, cwd=tmp_path))
    assert inside(world, "cat /data") == "data\n"
    refusal(world.run("image", "build", "-f", "-", input=text), says="the image needs a name\nhint: ")
    os.mkfifo(tmp_path / "fifo")
    world.give(tmp_path / "fifo")
    for what in (tmp_path / "fifo", tmp_path, "/dev/null"):
        refusal(world.run("image", "build", "-f", str(what), "made"), says=f"read the recipe '{what}': it is no plain file\nhint: .*-f - ")
    says = "read the recipe '/dev/stdin': (it is no plain file\nhint: |permission denied)"
    refusal(world.run("image", "build", "-f", "/dev/stdin", "made", input=text), says=says)
    with world.pty("image", "build", "-f", "-", "made") as terminal:
        terminal.expect("standard input is a terminal")
    huge = b"#" * (1 << 21)
    refusal(world.run("image", "build", "-f", "-", "made", input=huge), says="read the recipe: .*")


def test_what_cannot_be_begins_nothing(world, busybox, tmp_path):
    def refused(text, says, *words, name="made.recipe"):
        path = recipe(world, tmp_path, text, name)
        refusal(world.run("image", "build", "-f", path, *words), says=says)

    good = "[image]\nfrom = busybox\n"
    refused("[image]\n", "made.recipe: it does not say from which image")
    refused(good + "[step]\nrun = x\n", "made.recipe:3: there is no section 'step'\nhint: ")
    refused(good + "[steps]\nrun = a\nrun = b\n", "made.recipe:5: 'run' is there already")
    refused(good + "[steps]\ncopy = none:/x\n", "made.recipe:4: step 'copy': open '.*/none': no such file")
    refused(good + "[steps]\ncopy = /dev/null:/x\n", "is neither a file nor a directory")
    refused("[image]\nfrom = none\n", "build image 'made': .*'none'")
    refused("[image]\nfrom = host\n", "image 'host' has no files of its own\nhint: ")
    refused(good, "image 'host' is this machine's own", "host")
    refused(good, "two words|too many words", "a", "b")
    refused(good, "'-x y' is no name of an image", name="-x y.recipe")
    refusal(world.run("image", "build", "-f", str(tmp_path / "no"), "x"), says="read the recipe '.*/no': no such file")
    refusal(world.run("image", "build", "--network", "open", "busybox"), says="--network is not for templates\nhint: ")
    refused(good, "--include is not for recipes\nhint: ", "--include", "git")
    assert names(world) <= {"busybox", "host"}


def test_nothing_is_reached_from_a_step(world, busybox, tmp_path):
    """No network unless it is asked for; and what a step leaves in the way of a copy leads nowhere."""
    script = "run = ls /sys/class/net >/links\nrun-2 = ln -s /etc /opt/out\ncopy = made.recipe:/opt/out/lxe-test-recipe"
    ok(build(world, tmp_path, script))
    assert inside(world, "cat /links; ls /etc/lxe-test-recipe") == "lo\n/etc/lxe-test-recipe\n"
    assert not os.path.exists("/etc/lxe-test-recipe")


def test_a_file_that_is_copied_stays_as_it_is(world, busybox, tmp_path):
    """Everybody may write to it; the image's own programs read what is copied, whatever they are."""
    source = tmp_path / "source"
    source.write_text("mine\n")
    source.chmod(0o666)
    evil = tmp_path / "evil"
    evil.write_text(
        '#!/bin/busybox sh\ncase "$*" in *"cat >"*) cat >/dev/null; echo theirs >/proc/self/fd/0 ;; *) exec busybox sh "$@" ;; esac\n'
    )
    steps = 'copy = evil:/bin/new:755\nrun = "mv /bin/new /bin/sh"\ncopy-2 = source:/x'
    build(world, tmp_path, steps)
    assert source.read_text() == "mine\n"


def start(world, path, *words, **how):
    """A build that has come to where a step says "up"."""
    client = world.popen("image", "build", "-v", "-f", path, *words, **how)
    while b"up" != (line := client.stderr.readline().strip()):
        assert line, client.wait()
    return client


def end(world, client, number):
    """Nothing is left of it, nor of its image."""
    client.send_signal(number)
    client.communicate(timeout=lxe.DEADLINE)
    assert client.returncode == (-9 if number == signal.SIGKILL else 128 + number)
    if number == signal.SIGKILL:
        ok(world.run("gc"))
    world.assert_clean(timeout=2.0 * lxe.SLACK)
    assert "made" not in names(world)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_ended_in_the_middle_of_a_copy_nothing_is_left(world, busybox, tmp_path, number):
    """The image's shell reads nothing, so that the copy can only wait."""
    with open(tmp_path / "large", "wb") as f:
        f.truncate(1 << 20)
    world.give(tmp_path / "large")
    evil = tmp_path / "evil"
    evil.write_text('#!/bin/busybox sh\ncase "$*" in *"cat >"*) echo up >&2; sleep 1000 ;; *) exec busybox sh "$@" ;; esac\n')
    steps = 'copy = evil:/bin/new:755\nrun = "mv /bin/new /bin/sh"\ncopy-2 = large:/x'
    path = recipe(world, tmp_path, f"[image]\nfrom = busybox\n[steps]\n{steps}\n")
    end(world, start(world, path), number)


def test_a_signal_that_is_ignored_does_not_end_it(world, busybox, tmp_path):
    """As with nohup(1)."""
    path = recipe(world, tmp_path, '[image]\nfrom = busybox\n[steps]\nrun = "echo up; sleep 0.2"\n')
    client = start(world, path, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    client.send_signal(signal.SIGHUP)
    said = client.communicate(timeout=lxe.DEADLINE)[1]
    assert client.returncode == 0 and b"image 'made' built" in said


def test_what_runs_on_does_not_end_up_in_the_image_by_halves(world, busybox, tmp_path):
    steps = 'run = "(while :; do echo x >>/grows; done) >/dev/null 2>&1 </dev/null & sleep 0.1"'
    result = build(world, tmp_path, steps)
    if result.returncode:  # seen while it grew
        refusal(result, says="read the sandbox's files: .*/grows.*\nhint: what a step leaves running")
        assert "made" not in names(world)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_ended_in_the_middle_of_a_step_nothing_is_left(world, busybox, tmp_path, number):
    path = recipe(world, tmp_path, "[image]\nfrom = busybox\n[steps]\nrun = echo up; setsid sleep 1000 & sleep 1000\n".replace("echo", '"echo').replace("1000\n", '1000"\n'))
    end(world, start(world, path), number)


def test_killed_at_any_moment_there_is_all_of_it_or_nothing(world, busybox, tmp_path):
    rng = random.Random(5)
    path = recipe(world, tmp_path, "[image]\nfrom = busybox\n[steps]\nrun = echo whole >/zz\n")
    for i in range(10):
        client = world.popen("image", "build", "-f", path, env=world.env_without_leak_check())
        lxe.pause(rng.random() * 0.4)
        # The client, or what works for it: keepers, and who reads the files.
        victims = [pid for pid in lxe.all_pids() if lxe.parent_of(pid) == client.pid] if i % 2 else [client.pid]
        for pid in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        client.communicate(timeout=lxe.DEADLINE)
        ok(world.run("gc"))
        if "made" in names(world):
            assert inside(world, "cat /zz; ls /bin/busybox") == "whole\n/bin/busybox\n"
            ok(world.run("image", "rm", "made"))
    # The keeper that put it together has heard of the end, and takes it away.
    lxe.poll_until(lambda: ok(world.run("gc")) and not list(world.state.glob("images/.build-*")), what="the end of the build")
