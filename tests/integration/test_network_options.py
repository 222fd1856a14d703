"""The options about the network, where they end before there is any: mistakes, contradictions, secrets."""

import json
import os

import pytest

from lxe import ok, refusal, stdout_of

BAD_RULES = {
    "a:0": "'0' is no port",
    "a:65536": "'65536' is no port",
    "a:90-80": "'90-80' is a range that ends before it begins",
    "fe80::1%eth0": "has a scope, which means nothing here",
    "198.51.100.7/24": "has bits set behind its prefix",
    "a" * 254: "is a name of more than 253 bytes",
    "http://a.example": "'http' is no protocol of a rule",
    "bücher.example": "is a name with other letters than those of ASCII",
    "127.0.0.1:80": "is an address of the sandbox's own",
}


def test_a_rule_that_is_malformed_says_what_is_wrong_and_where(world):
    for rule, message in BAD_RULES.items():
        for option in ("--allow", "--deny-net"):
            done = world.run("run", "--network", "filtered", option, rule, "--", "true")
            refusal(done, says=f"{option}: rule '")
            assert message in done.stderr.decode() and b"hint: " in done.stderr
    world.assert_clean()


@pytest.mark.parametrize("words, message", [
    (["--network", "none", "--allow", "a.example"], "--allow means nothing with --network none"),
    (["--network", "none", "--publish", "1:1"], "--publish means nothing with --network none"),
    (["--deny-net", "a.example"], "--deny-net means nothing with --network none"),
    (["--network", "open", "--proxy", "http://a.example:1"],
     "--proxy means nothing with --network open"),
    (["--publish", "1:1", "--publish", "127.0.0.1:1:2"],
     "--publish '1:1/tcp' and '127.0.0.1:1:2/tcp' are the same port of the host"),
    (["--network", "host"], "--network 'host' is neither none, filtered nor open"),
    (["--publish", "80"], "--publish: '80' says no port of the host"),
    (["--subnet", "8.8.8.0/24"], "--subnet: '8.8.8.0/24' is a network of public addresses"),
    (["--proxy", "file:/nonexistent"], "read the proxy's URL from 'file:/nonexistent'"),
    (["--proxy", "env:LXE_TEST_UNSET"], "read the proxy's URL from 'env:LXE_TEST_UNSET'"),
])
def test_what_contradicts_itself_is_refused(world, words, message):
    refusal(world.run("run", *words, "--", "true"), says=message)
    world.assert_clean()


def test_a_password_is_refused_on_the_command_line_and_never_repeated(world, tmp_path):
    bad = tmp_path / "url"
    bad.write_text("http://u:s3cret@a.example:nonsense\n")
    for value in ("http://u:s3cret@a.example:1", f"file:{bad}"):
        done = world.run("run", "--proxy", value, "--", "true")
        refusal(done)
        assert b"s3cret" not in done.stderr and b"hint: " in done.stderr
    world.assert_clean()


def test_none_takes_back_what_a_profile_has(world, tmp_path):
    profile = tmp_path / "p.conf"
    profile.write_text("[run]\nnetwork = filtered\npublish = 1:1\n[allow]\na = a.example b.example:1-5\n")
    words = ("--profile", str(profile), "--network", "none")
    done = world.run("run", *words, "--", "cat", "/proc/net/dev")
    assert b"lo:" in done.stdout and ok(done).stdout.count(b":") == 1
    done = world.run("run", *words, "--allow", "c.example", "--", "true")
    refusal(done, says="--allow means nothing with --network none")
    world.assert_clean()


def test_inspect_and_the_record_say_that_there_is_none(world):
    name = "n1"
    with open(os.devnull, "r+b") as null:
        ok(world.run("create", "-T", name, "--", "true", stdin=null, stdout=null, stderr=null))
    shown = json.loads(stdout_of(world.run("inspect", name)))
    assert shown["network"] == {"mode": "none", "allow": [], "deny": [], "publish": [],
                                "proxy": None, "subnet": None}
    assert shown["blocked"] == []
    ok(world.run("destroy", "--force", name))
    reading, writing = os.pipe()
    done = world.run("run", "--result", f"fd:{writing}", "--", "true", pass_fds=(writing,))
    ok(done)
    os.close(writing)
    assert json.loads(os.read(reading, 65536))["blocked"] == []
    os.close(reading)
    world.assert_clean()
