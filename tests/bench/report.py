"""Tables for people, and the same figures for programs."""

STATS = ("n", "min", "p50", "p90", "p99")


class Section:
    """One table: rows of figures, the targets they are held to, and notes."""

    def __init__(self, key, title, share=None, columns=STATS, best=None):
        self.key, self.title, self.columns = key, title, columns
        self.share = share or ("x plain" if best else None)
        self.rows, self.targets, self.notes = [], [], []

    def row(self, name, stats, share=None, note=""):
        self.rows.append({"name": name, **stats, "ratio": share, "note": note})

    def cells(self, name, **values):
        self.rows.append({"name": name, **values, "ratio": None, "note": ""})

    def note(self, text):
        self.notes.append(text)

    def target(self, name, value, bound, unit, at_least=False):
        ok = value >= bound if at_least else value <= bound
        self.targets.append(
            {"name": name, "value": value, "bound": bound, "unit": unit, "at_least": at_least, "ok": ok}
        )

    def as_dict(self):
        keys = ("key", "title", "rows", "targets", "notes")
        return {name: getattr(self, name) for name in keys}


def number(value):
    if isinstance(value, int):
        return str(value)
    if value < 1:
        return f"{value:.3f}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def target_line(target):
    sign = ">=" if target["at_least"] else "<="
    unit = f" {target['unit']}" if target["unit"] else ""
    verdict = "ok" if target["ok"] else "MISSED"
    what = f"{number(target['value'])}{unit} ({sign} {target['bound']:g}{unit})"
    return f"  {target['name'] + ':':<32}{what:<28}{verdict}"


def text(section):
    head = "".join(f"{name:>9}" for name in section.columns)
    lines = [section.title, f"{'':26}{head}" + (f"{section.share:>14}" if section.share else "")]
    for row in section.rows:
        cells = "".join(f"{number(row[name]):>9}" for name in section.columns)
        share = f"{row['ratio']:>14.2f}" if row["ratio"] is not None else ""
        note = f"   {row['note']}" if row["note"] else ""
        lines.append(f"  {row['name']:<24}{cells}{share}{note}")
    lines += [f"  {note}" for note in section.notes]
    lines += [target_line(target) for target in section.targets]
    return "\n".join(lines)
