"""Sandboxes of lxc-exec for Python programs, by nothing but the public C ABI (lxc-exec(3)).

    import lxc_exec

    with lxc_exec.run(["sleep", "1000"], memory="512M") as sandbox:
        process = sandbox.exec(["sh", "-c", "echo hello"], stdout=1)
        print(process.wait().exit_code)

Timeouts are in seconds, None means no limit. A handle that is closed ends what it stands for, unless
disarm() was called. Failures are raised as Error, an OSError with a hint; a limit that has passed as
TimeoutError.
"""

import ctypes
import errno
import json
import os
import signal as signals

_P, _PP, _S, _I = ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p), ctypes.c_char_p, ctypes.c_int
_U, _N = ctypes.c_uint, ctypes.c_ssize_t
_WORDS = ctypes.POINTER(ctypes.c_char_p)
_EACH = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char, ctypes.c_char_p, ctypes.c_char_p)

_SIGNATURES = {
    "lxe_version": (_S,),
    "lxe_error_new": (_P,),
    "lxe_error_free": (None, _P),
    "lxe_error_message": (_S, _P),
    "lxe_error_hint": (_S, _P),
    "lxe_options_new": (_I, _PP, _P),
    "lxe_options_set": (_I, _P, _S, _S, _P),
    "lxe_options_command": (_I, _P, _WORDS, _P),
    "lxe_options_stdio": (_I, _P, _I, _I, _I, _P),
    "lxe_options_pty": (_I, _P, _U, _U, _P),
    "lxe_options_free": (None, _P),
    "lxe_create": (_I, _P, _I, _PP, _P),
    "lxe_start": (_I, _P, _I, _P),
    "lxe_run": (_I, _P, _I, _PP, _P),
    "lxe_attach": (_I, _S, _I, _PP, _P),
    "lxe_id": (_S, _P),
    "lxe_name": (_S, _P),
    "lxe_state": (_S, _P),
    "lxe_sandbox_process": (_P, _P),
    "lxe_sandbox_disarm": (_I, _P, _P),
    "lxe_destroy": (_I, _P, _I, _P),
    "lxe_sandbox_close": (None, _P),
    "lxe_diff": (_I, _P, _WORDS, _EACH, _P, _I, _P),
    "lxe_commit": (_I, _P, _WORDS, _EACH, _P, _I, _P),
    "lxe_discard": (_I, _P, _I, _P),
    "lxe_snapshot": (_I, _P, _S, _I, _P),
    "lxe_snapshot_remove": (_I, _P, _S, _I, _P),
    "lxe_restore": (_I, _P, _S, _I, _P),
    "lxe_fork": (_I, _P, _S, _S, _I, _P),
    "lxe_exec": (_I, _P, _P, _I, _PP, _P),
    "lxe_pid": (_I, _P),
    "lxe_fd": (_I, _P),
    "lxe_wait": (_I, _P, _I, _P),
    "lxe_try_wait": (_I, _P, _P),
    "lxe_kill": (_I, _P, _I, _I, _P),
    "lxe_drain": (_I, _P, _I, _P),
    "lxe_pty_fd": (_I, _P),
    "lxe_pty_read": (_N, _P, _P, ctypes.c_size_t, _I, _P),
    "lxe_resize": (_I, _P, _U, _U, _P),
    "lxe_process_disarm": (_I, _P, _P),
    "lxe_process_close": (None, _P),
    "lxe_result_exit_code": (_I, _P),
    "lxe_result_signal": (_I, _P),
    "lxe_result_cause": (_S, _P),
    "lxe_result_message": (_S, _P),
    "lxe_result_json": (_S, _P),
}


def _load():
    library = ctypes.CDLL(os.environ.get("LXC_EXEC_LIBRARY", "liblxc-exec.so.0"))
    for name, (result, *arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


_lib = _load()
version = _lib.lxe_version().decode()


class Error(OSError):
    """What went wrong, and perhaps a remedy."""

    def __init__(self, code, message, hint=""):
        super().__init__(code, message)
        self.hint = hint
        self.conflicts = []  # of a commit that was refused with ESTALE


def _check(function, *arguments):
    """Call it with an error value behind its arguments; what is negative is raised."""
    error = _lib.lxe_error_new()
    try:
        result = function(*arguments, error)
        if result >= 0:
            return result
        message = _lib.lxe_error_message(error).decode(errors="replace")
        hint = _lib.lxe_error_hint(error).decode(errors="replace")
    finally:
        _lib.lxe_error_free(error)
    if result == -errno.ETIMEDOUT:
        raise TimeoutError(errno.ETIMEDOUT, message)
    raise Error(-result, message, hint)


def _ms(timeout):
    return -1 if timeout is None else int(timeout * 1000)


def _descriptor(file):
    return -1 if file is None else file if isinstance(file, int) else file.fileno()


class _Options:
    def __init__(self, argv, stdin=None, stdout=None, stderr=None, pty=None, env=None, **options):
        handle = _P()
        _check(_lib.lxe_options_new, ctypes.byref(handle))
        self.handle = handle
        _check(_lib.lxe_options_command, handle, _words(argv))
        if pty:
            _check(_lib.lxe_options_pty, handle, *pty)
        else:
            files = [_descriptor(file) for file in (stdin, stdout, stderr)]
            _check(_lib.lxe_options_stdio, handle, *files)
        for name, value in (env or {}).items():
            self.set("env", f"{name}={value}")
        for name, value in options.items():
            self.set(name.replace("_", "-"), value)

    def set(self, name, value):
        if isinstance(value, bool):
            value = "yes" if value else "no"
        _check(_lib.lxe_options_set, self.handle, name.encode(), os.fsencode(str(value)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        _lib.lxe_options_free(self.handle)


def _words(words):
    words = [os.fsencode(word) for word in words]
    return (_S * (len(words) + 1))(*words, None)


class Change:
    """One of what a sandbox has changed: its letter, its path on the host, and all there is to know."""

    def __init__(self, kind, path, record):
        self.kind, self.path = kind.decode(), os.fsdecode(path)
        self.record = json.loads(record)

    def __repr__(self):
        return f"{self.kind} {self.path}"


class Result:
    """How a command ended."""

    def __init__(self, handle):
        self.exit_code = _lib.lxe_result_exit_code(handle)
        self.signal = _lib.lxe_result_signal(handle)
        self.cause = _lib.lxe_result_cause(handle).decode()
        self.message = _lib.lxe_result_message(handle).decode(errors="replace")
        self.record = json.loads(_lib.lxe_result_json(handle))


class Process:
    """A command in a sandbox."""

    def __init__(self, handle, sandbox):
        self.handle = handle
        self.sandbox = sandbox  # a sandbox's own command lives in its handle

    @property
    def pid(self):
        return _lib.lxe_pid(self.handle)

    def fileno(self):
        """Readable when something has happened: for select and poll; then ask try_wait()."""
        return _lib.lxe_fd(self.handle)

    def wait(self, timeout=None):
        _check(_lib.lxe_wait, self.handle, _ms(timeout))
        return Result(self.handle)

    def try_wait(self):
        return Result(self.handle) if _check(_lib.lxe_try_wait, self.handle) else None

    def kill(self, signal=signals.SIGKILL, timeout=None):
        _check(_lib.lxe_kill, self.handle, int(signal), _ms(timeout))

    def drain(self, timeout=None):
        _check(_lib.lxe_drain, self.handle, _ms(timeout))
        return Result(self.handle)

    @property
    def pty(self):
        """The master of its terminal, to be polled and written to."""
        return _check(lambda handle, _: _lib.lxe_pty_fd(handle), self.handle)

    def read(self, size=65536, timeout=None):
        """What its terminal shows; nothing when nobody holds it any more."""
        buffer = ctypes.create_string_buffer(size)
        n = _check(_lib.lxe_pty_read, self.handle, buffer, size, _ms(timeout))
        return buffer.raw[:n]

    def resize(self, rows, cols):
        _check(_lib.lxe_resize, self.handle, rows, cols)

    def disarm(self):
        _check(_lib.lxe_process_disarm, self.handle)

    def close(self):
        handle, self.handle = self.handle, None
        _lib.lxe_process_close(handle)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Sandbox:
    """A container and its own command."""

    def __init__(self, handle):
        self.handle = handle
        self.process = Process(_lib.lxe_sandbox_process(handle), self)

    @property
    def id(self):
        return _lib.lxe_id(self.handle).decode()

    @property
    def name(self):
        return _lib.lxe_name(self.handle).decode()

    @property
    def state(self):
        return _lib.lxe_state(self.handle).decode()

    def start(self, timeout=None):
        _check(_lib.lxe_start, self.handle, _ms(timeout))

    def exec(self, argv, timeout_start=None, **options):
        handle = _P()
        with _Options(argv, **options) as o:
            _check(_lib.lxe_exec, self.handle, o.handle, _ms(timeout_start), ctypes.byref(handle))
        return Process(handle.value, None)

    def wait(self, timeout=None):
        return self.process.wait(timeout)

    def disarm(self):
        _check(_lib.lxe_sandbox_disarm, self.handle)

    def _changes(self, function, paths, timeout):
        heard = []
        each = _EACH(lambda _, kind, path, record: heard.append(Change(kind, path, record)) or 0)
        try:
            _check(function, self.handle, _words(paths) if paths else None, each, None, _ms(timeout))
        except Error as e:
            e.conflicts = heard
            raise
        return heard

    def diff(self, *paths, timeout=None):
        """What it has changed in its copy-on-write binds: a list of Change."""
        return self._changes(_lib.lxe_diff, paths, timeout)

    def commit(self, *paths, timeout=None):
        """Carry it over, all or these paths; returns what was."""
        return self._changes(_lib.lxe_commit, paths, timeout)

    def discard(self, timeout=None):
        _check(_lib.lxe_discard, self.handle, _ms(timeout))

    def snapshot(self, name, timeout=None):
        _check(_lib.lxe_snapshot, self.handle, os.fsencode(name), _ms(timeout))

    def snapshot_remove(self, name, timeout=None):
        _check(_lib.lxe_snapshot_remove, self.handle, os.fsencode(name), _ms(timeout))

    def restore(self, name, timeout=None):
        _check(_lib.lxe_restore, self.handle, os.fsencode(name), _ms(timeout))

    def fork(self, name, snapshot=None, timeout=None):
        """Another sandbox with its files, stopped; it is found by attach()."""
        _check(_lib.lxe_fork, self.handle, os.fsencode(snapshot) if snapshot else None, os.fsencode(name), _ms(timeout))

    def destroy(self, timeout=None):
        _check(_lib.lxe_destroy, self.handle, _ms(timeout))

    def close(self):
        handle, self.handle, self.process.handle = self.handle, None, None
        _lib.lxe_sandbox_close(handle)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _new(make, argv, timeout, options):
    handle = _P()
    with _Options(argv, **options) as o:
        _check(make, o.handle, _ms(timeout), ctypes.byref(handle))
    return Sandbox(handle.value)


def create(argv, timeout_start=None, **options):
    """A sandbox whose command is parked right before its execve. Options as on the command line."""
    return _new(_lib.lxe_create, argv, timeout_start, options)


def run(argv, timeout_start=None, **options):
    """The same, and the command is started."""
    return _new(_lib.lxe_run, argv, timeout_start, options)


def attach(name, timeout=None):
    """One that is there, by name or id; closing it does not end it."""
    handle = _P()
    _check(_lib.lxe_attach, os.fsencode(name), _ms(timeout), ctypes.byref(handle))
    return Sandbox(handle.value)
