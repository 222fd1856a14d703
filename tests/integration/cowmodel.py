#!/usr/bin/python3
"""Random file operations in a real overlay, and what a commit of them must come to.

Run by test_changes.py inside a mount namespace of its own: cowmodel.py TOOL DIR SEED ROUNDS. DIR is empty; the
first line that is wrong is printed with the seed, and the status is 1."""

import collections
import ctypes
import hashlib
import json
import os
import random
import shutil
import stat
import subprocess
import sys
import time

Entry = collections.namedtuple("Entry", "kind mode owner content mtime xattrs group")
OPTIONS = "redirect_dir=nofollow,metacopy=off,index=off"
SHIFT = 100000
LIBC = ctypes.CDLL(None)


def kind_of(st):
    return stat.S_IFMT(st.st_mode)


def xattrs_of(path, st):
    if not (stat.S_ISREG(st.st_mode) or stat.S_ISDIR(st.st_mode)):
        return ()
    names = os.listxattr(path, follow_symlinks=False)
    return tuple(sorted((n, os.getxattr(path, n, follow_symlinks=False)) for n in names
                        if n.startswith(b"user.".decode()) and not n.startswith("user.overlay.")
                        or n.startswith("system.posix_acl")))


def content_of(path, st):
    if stat.S_ISREG(st.st_mode):
        with open(path, "rb") as f:
            return hashlib.sha256(f.read()).hexdigest()
    if stat.S_ISLNK(st.st_mode):
        return os.readlink(path)
    return None


def walk(top):
    """Paths below `top` as bytes, "." first."""
    yield b"."
    stack = [b""]
    while stack:
        at = stack.pop()
        for name in sorted(os.listdir(os.path.join(top, at))):
            path = os.path.join(at, name)
            yield path
            if stat.S_ISDIR(os.lstat(os.path.join(top, path)).st_mode):
                stack.append(path)


def snapshot(top):
    """What is in a tree, by path; hard links by the first of their names."""
    found, groups = {}, {}
    for path in sorted(walk(top)):
        full = os.path.join(top, path)
        st = os.lstat(full)
        group = None
        if not stat.S_ISDIR(st.st_mode) and st.st_nlink > 1:
            group = groups.setdefault((st.st_dev, st.st_ino), path)
        found[path] = Entry(kind_of(st), stat.S_IMODE(st.st_mode) if not stat.S_ISLNK(st.st_mode) else 0,
                            (st.st_uid, st.st_gid), content_of(full, st), st.st_mtime_ns,
                            xattrs_of(full, st), group)
    names = collections.Counter(e.group for e in found.values())
    return {p: e if names[e.group] > 1 else e._replace(group=None) for p, e in found.items()}


def differences(got, wanted):
    for path in sorted(set(got) | set(wanted)):
        a, b = got.get(path), wanted.get(path)
        if a != b:
            what = [n for n in Entry._fields if a and b and getattr(a, n) != getattr(b, n)]
            yield f"{path!r}: {'/'.join(what) or ('missing' if not a else 'there')}\n   got {a}\n   not {b}"


class Operations:
    """Random operations below one directory. `log` says what was done, in the order of doing it."""

    NAMES = [b"a", b"b", b"c", b"dir", b"d.x", b"new\nline", b"\xff\xfe", "ünï".encode(), b" sp ace ", b"-n"]

    def __init__(self, top, rng, log):
        self.top, self.rng, self.log = top, rng, log
        self.touched = set()

    def full(self, path):
        return os.path.join(self.top, path)

    def paths(self, *kinds):
        return [p for p in sorted(walk(self.top)) if p != b"." and
                (not kinds or kind_of(os.lstat(self.full(p))) in kinds)]

    def dirs(self):
        return [b""] + self.paths(stat.S_IFDIR)

    def files(self):
        return self.paths(stat.S_IFREG)

    def fresh(self):
        return os.path.join(self.rng.choice(self.dirs()), self.rng.choice(self.NAMES))

    def bytes(self):
        return self.rng.randbytes(self.rng.choice([0, 1, 5, 5, 100, 5000]))

    # -- operations: True if it was one

    def create(self):
        with open(self.full(self.fresh()), "xb") as f:
            f.write(self.bytes())

    def write(self):
        with open(self.full(self.rng.choice(self.files())), "r+b") as f:
            f.write(self.bytes())

    def append(self):
        with open(self.full(self.rng.choice(self.files())), "ab") as f:
            f.write(b"more")

    def truncate(self):
        os.truncate(self.full(self.rng.choice(self.files())), self.rng.choice([0, 3, 9000]))

    def sparse(self):
        with open(self.full(self.rng.choice(self.files())), "r+b") as f:
            f.seek(self.rng.choice([1 << 20, 3 << 20]))
            f.write(b"end")
            if self.rng.random() < 0.5:
                f.truncate(5 << 20)

    def unlink(self):
        path = self.rng.choice(self.paths(stat.S_IFREG, stat.S_IFLNK, stat.S_IFIFO))
        os.unlink(self.full(path))

    def rename(self):
        path, to = self.rng.choice(self.paths()), self.fresh()
        if (to + b"/").startswith(path + b"/"):
            return
        if os.path.lexists(self.full(to)) and self.rng.random() < 0.5:
            to = self.rng.choice(self.paths())
        try:
            os.rename(self.full(path), self.full(to))
        except OSError as e:
            if e.errno != 18 or os.path.lexists(self.full(to)):
                raise
            # As mv does it with a directory that is in both layers.
            subprocess.run(["cp", "-a", "--", self.full(path), self.full(to)], check=True)
            shutil.rmtree(self.full(path))

    def mkdir(self):
        os.mkdir(self.full(self.fresh()), self.rng.choice([0o755, 0o700]))

    def rmdir(self):
        shutil.rmtree(self.full(self.rng.choice(self.paths(stat.S_IFDIR))))

    def symlink(self):
        os.symlink(self.rng.choice([b"a", b"../x", b"/etc/passwd", b"dir"]), self.full(self.fresh()))

    def fifo(self):
        os.mkfifo(self.full(self.fresh()), 0o640)

    def link(self):
        os.link(self.full(self.rng.choice(self.files())), self.full(self.fresh()))

    def chmod(self):
        path = self.rng.choice(self.paths(stat.S_IFREG, stat.S_IFDIR))
        os.chmod(self.full(path), self.rng.choice([0o600, 0o644, 0o755, 0o4755, 0o2775, 0o1777]))

    def chown(self):
        os.lchown(self.full(self.rng.choice(self.paths())), self.rng.choice([0, 7]), self.rng.choice([0, 8]))

    def utime(self):
        when = 10**18 + self.rng.randrange(10**12)
        os.utime(self.full(self.rng.choice(self.paths())), ns=(when, when), follow_symlinks=False)

    def xattr(self):
        path = self.rng.choice(self.files() + self.paths(stat.S_IFDIR))
        if self.rng.random() < 0.3:
            os.removexattr(self.full(path), b"user.one")
        else:
            os.setxattr(self.full(path), self.rng.choice([b"user.one", b"user.two"]), self.bytes()[:50])

    def acl(self):
        path = self.rng.choice(self.files() + self.paths(stat.S_IFDIR))
        entry = lambda tag, perm, who=0xffffffff: (tag.to_bytes(2, "little") + perm.to_bytes(2, "little") +
                                                   who.to_bytes(4, "little"))
        acl = (2).to_bytes(4, "little") + entry(1, 6) + entry(2, 4, 7) + entry(4, 4) + entry(16, 6) + entry(32, 0)
        default = os.path.isdir(self.full(path)) and self.rng.random() < 0.5
        os.setxattr(self.full(path), b"system.posix_acl_default" if default else b"system.posix_acl_access", acl)

    def to_dir(self):
        path = self.rng.choice(self.files())
        os.unlink(self.full(path))
        os.mkdir(self.full(path))
        with open(self.full(os.path.join(path, b"inside")), "wb") as f:
            f.write(self.bytes())

    def to_file(self):
        path = self.rng.choice(self.paths(stat.S_IFDIR))
        shutil.rmtree(self.full(path))
        with open(self.full(path), "wb") as f:
            f.write(self.bytes())

    def again(self):
        """A directory that is removed and made again."""
        path = self.rng.choice(self.paths(stat.S_IFDIR))
        names = os.listdir(self.full(path))
        shutil.rmtree(self.full(path))
        os.mkdir(self.full(path))
        if names:
            with open(self.full(os.path.join(path, self.rng.choice(names))), "wb") as f:
                f.write(self.bytes())

    def replace(self):
        """As editors save."""
        path = self.rng.choice(self.files())
        with open(self.full(path + b"~"), "xb") as f:
            f.write(self.bytes())
        os.rename(self.full(path + b"~"), self.full(path))

    def rewrite(self):
        """The same bytes, and the time put back: nothing that is to be seen."""
        path = self.full(self.rng.choice(self.files()))
        st = os.stat(path)
        with open(path, "r+b") as f:
            data = f.read(1)
            f.seek(0)
            f.write(data)
        os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))

    def touch_dir(self):
        os.utime(self.full(self.rng.choice(self.dirs())), ns=(10**18, 10**18 + self.rng.randrange(10**9)))

    def do(self, count, without=()):
        names = [n for n in ("create write append truncate sparse unlink rename mkdir rmdir symlink fifo link chmod "
                             "chown utime xattr acl to_dir to_file again replace rewrite touch_dir create mkdir "
                             "create").split() if n not in without]
        for _ in range(count):
            name = self.rng.choice(names)
            try:
                getattr(self, name)()
                self.log.append(name)
            except (OSError, IndexError, shutil.Error) as e:
                self.log.append(f"{name}: {e}")


class Failure(Exception):
    pass


class World:
    def __init__(self, tool, top, rng, shifted, userxattr):
        self.tool, self.top, self.rng = tool, top.encode(), rng
        self.shifted, self.userxattr = shifted, userxattr
        self.log = []
        self.lower, self.upper, self.work, self.merged = (os.path.join(self.top, n) for n in (b"l", b"u", b"w", b"m"))
        for path in (self.lower, self.upper, self.work, self.merged):
            os.mkdir(path)
        self.since = "0.0"
        # The sandbox goes on after a commit, instead of being started again.
        self.live = not shifted and rng.random() < 0.5
        self.mounted = False

    def settle(self):  # 5: CLOCK_REALTIME_COARSE
        """Until what has been done has other times than what will be."""
        until = time.clock_gettime_ns(time.CLOCK_REALTIME) + 9_000_000
        while time.clock_gettime_ns(5) <= until:
            pass

    def shift(self, by):
        if self.shifted:
            done = set()
            for path in walk(self.upper):
                full = os.path.join(self.upper, path)
                st = os.lstat(full)
                if st.st_ino in done:
                    continue
                done.add(st.st_ino)
                if not (stat.S_ISCHR(st.st_mode) and st.st_rdev == 0):
                    mode = stat.S_IMODE(st.st_mode)
                    os.lchown(full, st.st_uid + by, st.st_gid + by)
                    if not stat.S_ISLNK(st.st_mode):
                        os.chmod(full, mode)
                    acls = os.listxattr(full, follow_symlinks=False)
                    for name in (n for n in acls if n.startswith("system.posix_acl")):
                        acl = bytearray(os.getxattr(full, name))
                        for at in range(4, len(acl), 8):
                            if acl[at] in (2, 8):
                                who = int.from_bytes(acl[at + 4:at + 8], "little") + by
                                acl[at + 4:at + 8] = who.to_bytes(4, "little")
                        os.setxattr(full, name, bytes(acl))

    def run(self, verb, *paths, wanted=(0,), env=None):
        ids = f"{SHIFT},0,65536" if self.shifted else "0,0,0"
        if self.userxattr:
            ids += ",userxattr"
        self.shift(SHIFT)
        out = subprocess.run([self.tool, self.lower, self.upper, os.path.join(self.top, b"record"), self.since, ids,
                              verb, *paths], capture_output=True, timeout=120, env=env)
        self.shift(-SHIFT)
        if out.returncode not in wanted:
            raise Failure(f"{verb} {paths}: {out.returncode}: {out.stdout[-2000:]} {out.stderr[-2000:]}")
        return out

    def mount(self):
        options = f"lowerdir=l,upperdir=u,workdir=w,{OPTIONS}" + (",userxattr" if self.userxattr else "")
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, "m"], cwd=self.top, check=True)

    def umount(self):
        subprocess.run(["umount", "m"], cwd=self.top, check=True)

    def inside(self, count):
        """Operations in the sandbox; what is there then."""
        if not self.mounted:
            self.mount()
        was = identities(self.lower)
        Operations(self.merged, self.rng, self.log).do(count)
        seen = snapshot(self.merged)
        self.mounted = self.live
        if not self.live:
            self.umount()
        now = identities(self.lower)
        if was != now:
            raise Failure(f"touched: { {p: (was.get(p), now.get(p)) for p in was if was.get(p) != now.get(p)} }")
        return seen

    def origin(self, path):
        """The file handle of what was copied up, as overlayfs notes it."""
        name = ("user" if self.userxattr else "trusted") + ".overlay.origin"
        try:
            return os.getxattr(os.path.join(self.upper, path), name, follow_symlinks=False)[21:]
        except OSError:
            return None

    def compare(self, what, got, wanted):
        wrong = list(differences(got, wanted))
        if wrong:
            raise Failure(f"{what}: {len(wrong)} differences\n" + "\n".join(wrong[:5]))

    # -- what the list must say

    def listed(self):
        found = {}
        for change in json.loads(self.run("json").stdout)["changes"]:
            path = bytes.fromhex(change["path_hex"]) if "path_hex" in change else change["path"].encode()
            path = os.path.relpath(path, self.lower)
            found[path] = (change["change"], tuple(p for p in change.get("parts", ()) if p != "link"))
        return found

    @staticmethod
    def expected(before, after):
        """A function from two snapshots to the list."""
        found, gone = {}, set()
        for path in sorted(set(before) | set(after)):
            a, b = before.get(path), after.get(path)
            if os.path.dirname(path) in gone:
                gone.add(path)
                if not b:
                    continue
            if not b:
                found[path] = ("deleted", ())
                gone.add(path)
            elif not a or a.kind != b.kind and os.path.dirname(path) in gone:
                found[path] = ("added", ())
            else:
                if a.kind != b.kind:
                    found[path] = ("type", None)
                    gone.add(path)
                    continue
                parts = ["content"] if a.content != b.content else []
                parts += ["mode"] if a.mode != b.mode else []
                parts += ["owner"] if a.owner != b.owner else []
                parts += ["attributes"] if a.xattrs != b.xattrs else []
                shown = bool(parts)
                parts += ["time"] if a.mtime != b.mtime else []
                if shown or parts and a.kind != stat.S_IFDIR:
                    found[path] = ("modified" if "content" in parts else "metadata", tuple(parts))
        return found

    def check_list(self, before, after):
        got, wanted = self.listed(), self.expected(before, after)
        for path in sorted(set(got) | set(wanted)):
            a, b = got.get(path), wanted.get(path)
            if a == b or a and b and a[0] == b[0] and b[1] is None:
                continue
            # Another name of a file, and nothing else.
            if a == ("metadata", ()) and b is None and after[path].group is not None:
                continue
            raise Failure(f"list: {path!r} is {a}, not {b}")
        return got

    def check_tidy(self):
        left = [n for n in walk(self.lower) if b".lxe-" in n]
        if left:
            raise Failure(f"left in the source: {left}")

    def check_sparse(self):
        for path in walk(self.upper):
            full, other = os.path.join(self.upper, path), os.path.join(self.lower, path)
            st = os.lstat(full)
            if stat.S_ISREG(st.st_mode) and st.st_size > 1 << 20 and os.path.isfile(other):
                if os.lstat(other).st_blocks > st.st_blocks + 64:
                    raise Failure(f"{path!r} is not sparse any more")


def commit_all(w, before, seen):
    w.check_list(before, seen)
    w.run("apply")
    got = snapshot(w.lower)
    # To copy a file up takes it from its other names, which alone is no change.
    w.compare("after commit", got, {p: e._replace(group=got[p].group) if p in got and same_thing(before.get(p), e)
                                    else e for p, e in seen.items()})
    if w.mounted:
        w.compare("seen after commit", snapshot(w.merged), seen)
        # Somebody else's idea of the same: contents, times, links, lists, attributes.
        args = ["rsync", "-nacHAXi", "--delete", "--devices", "--specials", "m/", "l/"]
        other = subprocess.run(args, cwd=w.top, capture_output=True, timeout=60)
        if other.returncode or other.stdout:
            raise Failure(f"rsync: {other.stdout} {other.stderr}")
    w.check_tidy()
    w.check_sparse()
    left = w.run("text").stdout
    if left:
        raise Failure(f"changes after commit: {left!r}")


def commit_some(w, before, seen):
    changes = w.check_list(before, seen)
    changes.pop(b".", None)
    if not changes:
        return
    chosen = w.rng.sample(sorted(changes), max(1, len(changes) // 3))
    w.run("apply", *chosen)
    now = snapshot(w.lower)
    below = lambda p: any(p == c or p.startswith(c + b"/") for c in chosen)
    needed = lambda p: any((c + b"/").startswith(p + b"/") for c in chosen)
    for path in set(now) | set(seen) | set(before):
        if path == b".":
            continue
        wanted = seen.get(path) if below(path) else before.get(path)
        got = now.get(path)
        if not below(path) and needed(path):
            continue  # its time, at least; and it may be new
        strip = lambda e: e and e._replace(group=None)
        if strip(got) != strip(wanted):
            raise Failure(f"after a commit of {chosen}: {path!r} is {got}, not {wanted}")
    w.check_tidy()
    w.run("apply")
    # Names of one file that were carried over at different times are two files.
    strip = lambda s: {p: e._replace(group=None) for p, e in s.items()}
    w.compare("after the rest", strip(snapshot(w.lower)), strip(seen))


def same_thing(a, b):
    """But for the other names of a file, and the time of a directory."""
    strip = lambda e: e and e._replace(group=None, mtime=0 if e.kind == stat.S_IFDIR else e.mtime)
    return strip(a) == strip(b)


def identities(top):
    found = {}
    for path in walk(top):
        st = os.lstat(os.path.join(top, path))
        found[path] = (st.st_ino, st.st_ctime_ns)
    return found


def handle(path):
    """name_to_handle_at(2)"""
    buf = ctypes.create_string_buffer((128).to_bytes(4, sys.byteorder) + bytes(4 + 128))
    if LIBC.name_to_handle_at(-100, path, buf, ctypes.byref(ctypes.c_int()), 0) < 0:
        return b""
    return buf.raw[8:8 + int.from_bytes(buf.raw[:4], sys.byteorder)]


def conflicts(w, before, seen):
    """Somebody works in the source at the same time: nothing of his may be lost."""
    changes = w.check_list(before, seen)
    was = identities(w.lower)
    handles = {p: handle(os.path.join(w.lower, p)) for p in was}
    Operations(w.lower, w.rng, w.log).do(w.rng.choice([1, 1, 2, 5]))
    source, now = snapshot(w.lower), identities(w.lower)
    out = w.run("check", wanted=(0, 3))
    fields = out.stdout.split(b"\0")
    reported = {f[2:] for f in fields[0:-1:2]}
    changed = {p for p in set(was) | set(now) if not same_thing(before.get(p), source.get(p))}
    for path in changed - {b"."}:
        # What both have changed, or one has changed and the other has removed.
        mine = not same_thing(seen.get(path), before.get(path))
        if not mine or same_thing(seen.get(path), source.get(path)):
            continue
        covered = any(path == r or path.startswith(r + b"/") or r.startswith(path + b"/") for r in reported)
        lost = path not in source
        # Documented: what the sandbox has made anew does not tell what was there before.
        blind = lost and path in seen and w.origin(path) != handles[path]
        gone = lost and path not in seen
        if not covered and not blind and not gone:
            raise Failure(f"missed: {path!r}: source {before.get(path)} -> {source.get(path)}, "
                          f"sandbox {seen.get(path)}; reported {reported}; touched {w.log[-8:]}")
    touched = {p for p in set(was) | set(now) if was.get(p) != now.get(p)}
    for path in reported:
        near = any(t == path or t.startswith(path + b"/") or (path + b"/").startswith(t + b"/") or
                   os.path.dirname(t) == os.path.dirname(path) for t in touched)
        if not near and b"." not in touched:
            raise Failure(f"false alarm: {path!r}; touched {touched}")
    if reported:
        w.run("apply", wanted=(3,))
        w.compare("after a refused commit", snapshot(w.lower), source)
        w.check_tidy()
    return changes


def takes_user_xattrs(path):
    """A tmpfs does from Linux 6.6 on."""
    try:
        os.setxattr(path, "user.lxe", b"")
        os.removexattr(path, "user.lxe")
    except OSError:
        return False
    return True


def one(tool, top, seed, ops):
    rng = random.Random(seed)
    os.mkdir(top)
    w = World(tool, top, rng, rng.random() < 0.4, rng.random() < 0.3 and takes_user_xattrs(top))
    try:
        Operations(w.lower, rng, w.log).do(ops)
        w.settle()
        w.since = w.run("begin").stdout.decode().strip()
        for scenario in rng.choice([[commit_all, commit_all], [commit_some, commit_all], [commit_all, commit_some],
                                    [conflicts], [commit_all, conflicts], [conflicts]]):
            before = snapshot(w.lower)
            w.log.append("-- " + scenario.__name__)
            seen = w.inside(ops)
            w.compare("untouched", snapshot(w.lower), before)
            scenario(w, before, seen)
            w.settle()
        if w.mounted:
            w.umount()
    except Failure as e:
        print(f"seed {seed}, {ops} operations, live {w.live}, shifted {w.shifted}, userxattr {w.userxattr}: {e}\n"
              f"{w.log[-3 * ops:]}")
        return False
    shutil.rmtree(top)
    return True


def main():
    tool, top, seed, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    for i in range(rounds):
        if not one(tool, f"{top}/{i}", seed + i, 5 + (seed + i) % 40):
            sys.exit(1)
    print(f"{rounds} rounds from seed {seed}")


if __name__ == "__main__":
    main()
