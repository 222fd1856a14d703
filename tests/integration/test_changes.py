"""The engine behind diff, commit and discard (src/changes), on overlays that the tests mount themselves."""

import os
import random
import subprocess
import sys

import pytest

import lxe

pytestmark = pytest.mark.roots("only root mounts an overlay without a namespace")

TOOL = lxe.BIN.parent / "test-changes"
MODEL = os.path.join(os.path.dirname(__file__), "cowmodel.py")


def apart(script, *args, timeout=100, env=None):
    """A shell script in a mount namespace of its own."""
    return subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-euc", script, "sh", *map(str, args)],
                          capture_output=True, text=True, errors="backslashreplace", timeout=timeout,
                          env=env and dict(os.environ, **env))


@pytest.mark.parametrize("seed", [1, None])
def test_a_commit_is_what_the_sandbox_saw(tmp_path, seed):
    """None: another one each time, which a failure tells."""
    seed, rounds = seed or random.randrange(10**9), 12
    done = apart('mount -t tmpfs tmpfs "$1"; exec "$2" -B "$3" "$4" "$1" "$5" "$6"',
                 tmp_path, sys.executable, MODEL, TOOL, seed, rounds)
    assert done.returncode == 0, done.stdout + done.stderr


def test_without_an_exchange_of_names(tmp_path):
    done = apart('mount -t tmpfs tmpfs "$1"; exec "$2" -B "$3" "$4" "$1" 100 6',
                 tmp_path, sys.executable, MODEL, TOOL, env={"LXE_NO_EXCHANGE": "1"})
    assert done.returncode == 0, done.stdout + done.stderr


class Layers:
    """A source with a sandbox's work over it, done by a shell script in an overlay."""

    def __init__(self, top, prepare, work, fs="tmpfs -o size=64m"):
        self.top = top
        # `settle` passes the tick of the clock by which files are stamped.
        self.prepare = f"""
            tool=$2; cd "$1"; mount -t {fs} tmpfs .; cd "$1"
            changes() {{ "$tool" l u record $since 0,0,0 "$@"; }}
            settle() {{ sleep 0.02; }}
            setup() {{
                rm -rf l u w m record; mkdir -p l u w m; cd l; {prepare}
                cd ..; settle; since=0.0; since=$(changes begin)
                mount -t overlay overlay m -o \\
                    lowerdir=l,upperdir=u,workdir=w,redirect_dir=nofollow,metacopy=off,index=off
                cd m; {work}
                cd ..; umount m
            }}
            setup
        """

    def run(self, script, env=None):
        return apart(self.prepare + script, self.top, TOOL, env=env)

    def ok(self, script, env=None):
        done = self.run(script, env)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def test_a_patch_is_what_patch_applies(tmp_path):
    layers = Layers(
        tmp_path,
        r"""seq 50 >long; printf 'no end' >noend; echo x >'with blank'; echo x >old; mkdir tree; echo t >tree/t
        echo q >"$(printf 'q\001\\')"; ln -s a link; echo r >run; : >empty; printf 'a\0b' >binary""",
        r"""sed -i 's/^25$/changed/' long; printf 'no end\nstill' >noend; echo y >>'with blank'; rm old; rm -r tree
        echo z >>"$(printf 'q\001\\')"; ln -sfn b link; chmod 755 run;
        rm empty; : >made; printf 'one\ntwo' >added; ln -s added newlink; printf 'a\0c' >binary; mkfifo pipe""")
    out = layers.ok(r"""
        cp -a l copy; changes patch >p; grep '^Binary files' p
        cd copy; patch -s -p1 <../p; cd ..; changes apply
        diff -r --no-dereference copy l || true; stat -c %a copy/run; readlink copy/link copy/newlink
    """)
    assert out == ("Binary files a/binary and b/binary differ\nBinary files copy/binary and l/binary differ\n"
                   "Only in l: pipe\n755\nb\nadded\n")


def test_text_is_escaped_and_says_what_one_should_see(tmp_path):
    layers = Layers(tmp_path, "echo x >a; echo y >b; mkdir d e; echo z >e/z",
                    r"""chmod 4755 a; ln b c; rm -r e; echo 1 >"$(printf 'esc\033[31m\nA fake')"; touch d""")
    assert layers.ok("changes text") == (
        "m l/a (mode 0644 -> 4755, setuid)\n"
        "A l/c (link to l/b)\n"
        "D l/e/\n"
        "A l/esc\\x1b[31m\\x0aA fake\n")


def test_a_full_disk_changes_nothing(tmp_path):
    layers = Layers(
        tmp_path, "mkdir -p ../l ../img; cd ..; truncate -s 8M disk; mkfs.ext4 -q -m 0 disk; mount -o loop disk l; cd l; "
        "echo old >a; mkdir d; echo gone >d/gone; head -c 2M /dev/urandom >filler",
        "echo new >a; rm -r d; head -c 3M /dev/urandom >z1; head -c 6M /dev/urandom >z2; mkdir n; echo n >n/n")
    out = layers.ok("""
        before=$(cd l; find . -printf '%P %y %m %T@ %s\\n' | sort; cat a)
        changes apply && exit 9
        [ "$before" = "$(cd l; find . -printf '%P %y %m %T@ %s\\n' | sort; cat a)" ] || exit 8
        changes apply a; cat l/a; changes text; umount l
    """)
    assert out.splitlines()[0] == "new"
    assert [line.split()[1] for line in out.splitlines()[1:]] == ["l/d/", "l/n/", "l/n/n", "l/z1", "l/z2"]


def test_what_the_source_has_changed_is_refused_and_named(tmp_path):
    layers = Layers(tmp_path, "echo 1 >a; echo 1 >b; mkdir d; echo 1 >d/x; echo 1 >d/y; echo 1 >g",
                    "echo sandbox >a; echo sandbox >b; rm -r d; echo sandbox >n; echo sandbox >>g")
    done = layers.run("""
        echo host >l/a; echo host >l/d/y; echo host >l/n; rm l/g
        changes apply || status=$?
        cat l/a l/b l/d/x l/d/y l/n; ls -A l | tr '\\n' ' '; echo $status; changes apply b; cat l/b
    """)
    assert done.stdout == "host\n1\n1\nhost\nhost\na b d n 3\nsandbox\n", done.stderr
    assert "the source has changed since the sandbox began: 'a', 'd/y', 'g' and more" in done.stderr


def test_nothing_leads_out_of_the_source(tmp_path):
    """A symlink in place of a directory, in the source or in the layer, is never followed."""
    layers = Layers(tmp_path, "mkdir d ../outside; echo 1 >d/x; echo keep >../outside/x",
                    "echo sandbox >d/x; echo new >d/new; ln -s /etc abs; ln -s ../outside rel; mkfifo f; mknod dev c 1 3")
    done = layers.run("""
        mv l/d l/d2; ln -s ../outside l/d
        changes apply || echo refused; cat outside/x; ls outside; rm l/d; mv l/d2 l/d
        mkdir u2; mv u/d u2/; ln -s ../outside u/d; changes text; changes apply || echo refused; ls outside; ls l/d
    """)
    lines = done.stdout.splitlines()
    assert lines[:3] == ["refused", "keep", "x"], done.stdout + done.stderr
    assert "A l/dev (a device, not carried over)" in lines
    assert lines[-2:] == ["x", "x"] or "refused" in lines[3:], done.stdout


def test_few_changes_among_many_files(tmp_path):
    layers = Layers(
        tmp_path,
        "for d in $(seq 20); do mkdir $d; (cd $d; seq 1000 | xargs touch -d @1000000000); done",
        "for d in $(seq 10); do (cd $d; for f in $(seq 100); do echo $f >$f; done); done", fs="tmpfs -o size=512m,nr_inodes=500k")
    done = layers.run("""
        for i in 1 2 3; do LXE_TIMED=1 changes text 2>>times >list; done
        sort -n times | head -1; wc -l <list; changes apply; changes text | wc -l; cat l/7/77
    """)
    ms, rows, left, content = done.stdout.split()
    assert (rows, left, content) == ("1000", "0", "77"), done.stderr
    assert float(ms) < 50 * lxe.SLACK, ms


def test_a_commit_that_is_killed_is_completed_by_the_next(tmp_path):
    """At random moments: every file is old or new, and the second commit leaves what the first would have."""
    layers = Layers(
        tmp_path,
        "mkdir d t; for i in $(seq 60); do echo old >$i; echo old >d/$i; echo old >t/$i; done; ln 1 link1",
        "for i in $(seq 60); do echo new >$i; echo new >d/$i; done; rm -r t; echo file >t; mkdir n n/n; echo new >n/n/f; "
        "chmod 700 d; ln n/n/f l2")
    out = layers.ok("""
        for delay in $DELAYS; do
            setup
            changes apply & pid=$!
            sleep $delay; kill -9 $pid 2>/dev/null || true; wait $pid 2>/dev/null || true
            for i in $(seq 60); do
                case $(cat l/$i l/d/$i) in old?old | old?new | new?old | new?new) ;; *) echo torn $delay $i; exit 9 ;; esac
            done
            changes apply || { echo not completed: $delay; exit 8; }
            [ -z "$(changes text)" ] && [ "$(ls -A l | grep -c lxe-)" = 0 ] || { echo left over: $delay; exit 7; }
            [ "$(cat l/t l/60 l/d/60 l/n/n/f)" = "$(printf 'file\\nnew\\nnew\\nnew')" ] || exit 6
            echo done
        done
    """, env={"DELAYS": " ".join(f"{random.uniform(0.0005, 0.012):.4f}" for _ in range(12))})
    assert out.count("done") == 12


def test_a_failure_in_the_middle_is_undone(tmp_path):
    """One name that cannot be exchanged, because something is mounted on it: those before it get their old files back."""
    layers = Layers(
        tmp_path, "echo other >../other; mkdir d t; for i in a b c d/x m n t/x; do echo old >$i; done; touch -d @1000000000 d",
        "for i in a b c d/x m n; do echo new >$i; done; rm -r t; echo file >t; mkdir fresh; chmod 700 d; rm c")
    for env in ({}, {"LXE_NO_EXCHANGE": "1"}):
        done = layers.run("""
            look() { (cd l; find . -printf '%P %y %m %T@ %s %i\\n' | sort; cat a b c d/x n t/x); }
            mount --bind other l/m; before=$(look)
            changes apply && exit 9
            [ "$before" = "$(look)" ] || { look; exit 8; }
            umount l/m; changes apply; changes text; cat l/a l/b l/d/x l/m l/n l/t; stat -c %a l/d; ls l
        """, env=env)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.split() == "new new new new new file 700 a b d fresh m n t".split()
        assert "put in place 'm'" in done.stderr


def test_capabilities_of_a_file_are_roots_to_give(tmp_path):
    """They stay with a file of which only mode and time change, and go with its owner or content; none is carried over."""
    cap = "python3 -c 'import os, sys; [os.setxattr(n, \"security.capability\", bytes.fromhex(sys.argv[1])) for n in sys.argv[2:]]' " \
          "0100000200200000000000000000000000000000"
    layers = Layers(tmp_path, f"for i in mode owner content; do echo x >$i; done; {cap} mode owner content",
                    f"chmod 700 mode; touch mode; chown 7 owner; echo y >content; echo n >new; {cap} new")
    out = layers.ok("""changes apply; cd l; python3 -c 'import os
for n in sorted(os.listdir(".")): print(n, "security.capability" in os.listxattr(n))'""")
    assert out == "content False\nmode True\nnew False\nowner False\n"


def test_what_was_written_right_before_is_no_conflict(tmp_path):
    work = """
        tool=$2; cd "$1"; mount -t tmpfs tmpfs .; cd "$1"
        for round in $(seq 30); do
            rm -rf l u w m record; mkdir l u w m; for i in 1 2 3; do echo $i >l/a; stat l/a >/dev/null; done
            since=$("$tool" l u record 0.0 0,0,0 begin)
            mount -t overlay overlay m -o lowerdir=l,upperdir=u,workdir=w,redirect_dir=nofollow,metacopy=off,index=off
            echo new >m/a; umount m; "$tool" l u record $since 0,0,0 apply
        done
    """
    done = apart(work, tmp_path, TOOL)
    assert done.returncode == 0, done.stderr
