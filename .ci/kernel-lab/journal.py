#!/usr/bin/env python3
"""Host side of the write journals in `.ci/kernel`: raidctl is killed while it writes, the kernel replays its journal.

    journal.py prepare RAIDCTL WORK   WORK/journal.sh and disks for the kernel
    journal.py judge WORK LOG         compare what the kernel saw with what it should; exits 1 if anything differs

raidctl is killed where a write is in the journal, and in the members' caches, and no flush of the members has followed:
strace sends the signal. A loss of power takes any of the members' writes, so each crash is tried with several choices of
them, with all members and with as many lost as parity makes up for.

Each sector must be old or new, those that were being written too, and parity must agree. The other way round there are
fixtures: arrays whose power was cut while the kernel wrote to them by way of its journal.
"""

import itertools
import json
import lzma
import random
import re
import subprocess
import sys
from pathlib import Path

from ppl import BLOCK, DATA, MEMBERS, OURS_SECTORS, SECTOR, WRITES, Failure, run, save, torn

LAB = Path(__file__).resolve().parent
JOURNAL_SECTORS = 6144
ROOM = 1 << 9
# Level -> which members are lost, `-` being none.
LEVELS = {4: ["-", 0, 3], 5: ["-", 0, 1, 2, 3], 6: ["-", 1, "0,3", "1,2"]}


def killed(raidctl, directory, level, name):
    """An array's images, cut off in a write: each of several states that a loss of power may leave, and old and new."""
    offset, length = WRITES[name]
    rng = random.Random(f"{level} {name}")
    directory.mkdir()
    images = [directory / f"member{number}" for number in range(MEMBERS)] + [directory / "journal"]
    for image in images:
        sectors = JOURNAL_SECTORS if image.name == "journal" else OURS_SECTORS
        image.write_bytes(bytes(sectors * SECTOR))
    options = f"--level {level} --chunk 16K --size 384K --assume-clean".split()
    run(raidctl, "create", *options, "--journal", images[-1], *images[:-1])
    size = json.loads(run(raidctl, "status", "--json", *images))["size_bytes"]
    old = rng.randbytes(size)
    run(raidctl, "write", *images, stdin=old)
    data = rng.randbytes(length)
    new = old[:offset] + data + old[offset + length :]
    before = [image.read_bytes() for image in images]
    write = [raidctl, "write", "--offset", offset, *images]
    run("strace", "-f", "-y", "-e", "trace=pwrite64,fdatasync", "-s", "0", "-o", directory / "trace", *write, stdin=data)
    flushes, writes = 0, []
    for line in (directory / "trace").read_text().splitlines():
        if "fdatasync(" in line:
            flushes += 1
            # The journal is flushed between the writes of one request; the members are when all are done.
            if writes and "/member" in line:
                break
        elif found := re.search(r'pwrite64\(\d+<.*/member(\d)>, .*, (\d+), (\d+)\) = \d+$', line):
            member, count, at = map(int, found.groups())
            if at >= DATA:
                writes.append((member, at, count))
    if len(writes) < 2:
        raise Failure(f"{len(writes)} writes before the flush")
    for image, content in zip(images, before):
        image.write_bytes(content)
    kill = f"inject=fdatasync:signal=KILL:when={flushes}"
    run("strace", "-f", "-e", "trace=fdatasync", "-e", kill, "-o", "/dev/null", *write, stdin=data, codes=(137, -9))
    after = [image.read_bytes() for image in images]
    choices = [set(), *({number} for number in range(len(writes)))]
    choices += [set(rng.sample(range(len(writes)), len(writes) // 2)) for _ in range(4)]
    for number, kept in enumerate(rng.sample(choices, 3)):
        state = [bytearray(content) for content in after]
        for index, (member, at, count) in enumerate(writes):
            if index not in kept:
                state[member][at : at + count] = before[member][at : at + count]
        yield f"journal-{level}-{name}-{number}", state, old, new, (offset, offset + length)


def prepare(raidctl, work):
    script = (LAB / "journal.guest.sh").read_text()
    failures, expected = {}, []
    with open(work / "journal.disk", "wb") as disk:
        for level, name in itertools.product(LEVELS, WRITES):
            base = f"journal-{level}-{name}"
            try:
                for state, images, old, new, written in killed(raidctl, work / base, level, name):
                    save(work / f"{base}.old", old)
                    save(work / f"{base}.new", new)
                    sizes = ",".join(str(len(image) // SECTOR) for image in images)
                    for missing in LEVELS[level]:
                        first = disk.tell() // SECTOR
                        disk.writelines(images)
                        label = f"{state}-{missing}".replace(",", "+")
                        script += f"replay {label} {first} {sizes} {len(images)} {missing} {ROOM}\n"
                        facts = {"old": f"{base}.old", "new": f"{base}.new", "written": written}
                        expected.append({"name": label, "missing": str(missing), **facts})
            except (Failure, subprocess.TimeoutExpired) as failure:
                failures[base] = str(failure)
    with open(work / "journal-content", "wb") as content:
        content.truncate(max(len(expected), 1) * ROOM * BLOCK)
    (work / "journal.sh").write_text(script)
    (work / "journal.json").write_text(json.dumps({"failures": failures, "expected": expected}))


def judge(work, log):
    plan = json.loads((work / "journal.json").read_text())
    saw, good = {}, []
    for line in Path(log).read_text().splitlines():
        if line.startswith("SAW "):
            fields = dict(part.split("=", 1) for part in line.split()[1:])
            saw[fields["name"]] = fields
        elif line.strip() and not line.startswith("["):
            print(f"guest: {line}")
    for name, why in plan["failures"].items():
        print(f"KERNEL name={name} mode=journal mismatch=- content=FAILED why={why}")
        good.append(False)
    contents = open(work / "journal-content", "rb")
    for number, wanted in enumerate(plan["expected"]):
        line = saw.get(wanted["name"], {})
        missing = wanted["missing"]
        lost = 0 if missing == "-" else len(missing.split(","))
        looks = {"degraded": str(lost), "mismatch": "-" if lost else "0"}
        why = "; ".join(f"{key} {line.get(key)}, not {value}" for key, value in looks.items() if line.get(key) != value)
        if not why:
            old, new = (lzma.decompress((work / wanted[key]).read_bytes()) for key in ("old", "new"))
            contents.seek(number * ROOM * BLOCK)
            content = contents.read(len(old))
            why = torn(content, old, new, [wanted["written"]])
            # It was killed with all of it in the journal.
            why = why or (None if content == new else "not all that was in the journal is there")
        content = f"FAILED why={why}" if why else "ok"
        print(f"KERNEL name={wanted['name']} mode=journal mismatch={line.get('mismatch', '-')} content={content}")
        good.append(not why)
    print(f"{good.count(True)} passed, {good.count(False)} failed")
    return 0 if all(good) and good else 1


def main(arguments):
    match arguments:
        case ["prepare", raidctl, work]:
            return prepare(Path(raidctl).resolve(), Path(work))
        case ["judge", work, log]:
            return judge(Path(work), log)
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
