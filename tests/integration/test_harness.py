"""The harness against programs that are known to behave: what it reports later is not its own."""

import os
import termios

import lxe


def shell(**options):
    env = {"PATH": os.environ["PATH"], "TERM": "dumb", "PS1": "$ ", "HOME": "/"}
    return lxe.Pty(["/bin/bash", "--norc", "--noprofile", "-i"], env, **options)


def test_a_shell_on_a_pty_has_job_control_and_a_size():
    with shell(rows=31, cols=97) as pty:
        pty.write("stty size; echo tty=$(tty)\n")
        pty.expect(rb"31 97\r\n")
        assert pty.expect(rb"tty=(\S+)\r\n")[1].decode() == os.ttyname(pty.slave)
        pty.resize(10, 20)
        pty.write("stty size\n")
        pty.expect(rb"10 20\r\n")
        pty.write("sleep 100 &\nkill %1; echo $-\n")
        assert b"m" in pty.expect(rb"\n(\w+)\r\n")[1]
        pty.write("exit 7\n")
        assert pty.wait() == 7


def test_raw_mode_of_the_program_is_visible_from_outside():
    with shell() as pty:
        pty.expect(rb"\$ ")
        pty.write("stty raw -echo; echo now; read x\n")
        pty.expect(rb"[\r\n]now")
        lxe.poll_until(pty.is_raw)
        assert not pty.termios()[1] & termios.OPOST


def test_a_hang_up_reaches_the_program():
    with shell() as pty:
        pty.expect(rb"\$ ")
        pty.hang_up()
        assert pty.wait(10) == -1


def test_the_watch_sees_directories_that_are_already_gone(tmp_path):
    watch = lxe.DirectoryWatch(tmp_path)
    (tmp_path / "here").mkdir()
    (tmp_path / "here").rmdir()
    (tmp_path / "file").write_text("")
    assert watch.take() == {"here"}
    watch.close()


def test_the_leak_check_finds_what_is_left():
    world = lxe.World()
    try:
        (world.sandboxes / "0123456789ab").mkdir()
        left = lxe.Pty(["/bin/cat"], world.env())
        found = "\n".join(world.leftovers())
        assert "sandbox directory" in found and f"process {left.pid}" in found
        left.close()
        (world.sandboxes / "0123456789ab").rmdir()
        assert world.leftovers() == []
    finally:
        world.close()
