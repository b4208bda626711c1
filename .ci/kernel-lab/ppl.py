#!/usr/bin/env python3
"""Host side of the partial parity logs in `.ci/kernel`: one side dies while it writes, the other replays.

    ppl.py prepare WORK               WORK/ppl-1.sh and disks for the kernel to be cut off on
    ppl.py work RAIDCTL WORK LOG      raidctl replays what the kernel left and is killed itself; WORK/ppl-2.sh
    ppl.py judge WORK LOG             compare what the kernel saw with what it should; exits 1 if anything differs

raidctl is killed where the writes of a command have reached the members' caches and no flush has followed: strace sends
the signal. A loss of power takes any of those writes, so each crash is tried with several choices of them.

What was not being written must come out as it was, with all members and with any one lost. With all of them, each sector
that was being written is old or new.
"""

import itertools
import json
import lzma
import os
import random
import re
import struct
import subprocess
import sys
from pathlib import Path

LAB = Path(__file__).resolve().parent
SECTOR, BLOCK = 512, 4096
SEEDS = (0x5EED, 0xC0DE)
HELD = 4  # the kernel's arrays: of each another member is held back

MEMBERS = 4
OURS_SECTORS = 4096
DATA = 1 << 20  # where the data of a member begins, in both sides' arrays of this size
CREATE = "--level 5 --chunk 16K --size 384K --ppl --assume-clean".split()
# Name -> offset and length of the write that is cut off.
WRITES = {
    "block": (5 * BLOCK, BLOCK),
    "across": (50_000, 20_000),
    "odd-row": (3 * 49_152 - 3_000, 52_000),
}
LOSSES = ["-", *range(MEMBERS)]


class Failure(Exception):
    """One array went wrong; the others go on."""


def run(*arguments, stdin=b"", codes=(0,)):
    done = subprocess.run([str(word) for word in arguments], input=stdin, capture_output=True, timeout=300, check=False)
    if done.returncode not in codes:
        raise Failure(f"{arguments[1]}: exit {done.returncode}: {done.stderr.decode(errors='replace').strip()[-200:]}")
    return done.stdout


def pattern(seed):
    return b"".join(struct.pack("<Q", seed << 32 | word) for word in range((2 << 20) // 8))


def prepare(work):
    script = (LAB / "log.guest.sh").read_text() + "log=ppl\n"
    for held in range(HELD):
        script += f"use {held}; create kernel-held-{held} 5 {MEMBERS}; in_flight {held}\n"
    (work / "ppl-1.sh").write_text(script + "sleep 3\npower_cut\n")
    (work / "ppl-1.disk").write_bytes(bytes(64 << 20))
    for name, seed in zip(("ppl-old", "ppl-new"), SEEDS):
        (work / name).write_bytes(pattern(seed))


def torn(content, old, new, written):
    """What is wrong with the content of an array that was cut off: a word, or None."""
    if len(content) != len(old):
        return f"{len(content)} bytes of {len(old)}"
    for at in range(0, len(old), SECTOR):
        sector = slice(at, at + SECTOR)
        if content[sector] == old[sector]:
            continue
        if not any(start < at + SECTOR and at < end for start, end in written):
            return f"sector {at // SECTOR} has changed, and nobody wrote to it"
        if new is not None and content[sector] != new[sector]:
            return f"sector {at // SECTOR} is neither old nor new"
    return None


def expect(why):
    if why:
        raise Failure(why)


def in_flight():
    """What the guest writes when it is cut off, in bytes."""
    text = (LAB / "log.guest.sh").read_text()
    blocks = [(int(at), int(count)) for at, count in re.findall(r"^  overwrite /dev/vdc (\d+) (\d+)\b", text, re.M)]
    blocks += [(int(at), 1) for at in re.search(r"for at in ([\d ]+); do overwrite /dev/vdc", text)[1].split()]
    return [(at * BLOCK, (at + count) * BLOCK) for at, count in blocks]


def copy(images, directory, missing):
    directory.mkdir(exist_ok=True)
    kept = []
    for number, image in enumerate(images):
        if number != missing:
            kept.append(directory / f"member{number}")
            kept[-1].write_bytes(image)
    return kept


def after_kernel(raidctl, work, row, disk):
    """raidctl replays what the kernel left, with each member lost; the images that all of them make together."""
    length = int(row["sectors"]) * SECTOR
    images = [disk[int(at) * SECTOR :][:length] for at in row["at"].split(",")]
    old, new = (pattern(seed)[: int(row["size"])] for seed in SEEDS)
    for missing in LOSSES:
        there = copy(images, work / f"{row['name']}-{missing}", missing)
        options = [] if missing == "-" else ["--degraded"]
        run(raidctl, "resync", *options, *there)
        content = run(raidctl, "read", *there)
        try:
            expect(torn(content, old, new if missing == "-" else None, in_flight()))
            if missing == "-":
                if content == old:
                    raise Failure("nothing was in flight")
                run(raidctl, "check", *there)
                whole = content
                for lost in range(MEMBERS):
                    if run(raidctl, "read", *there[:lost], *there[lost + 1 :]) != whole:
                        raise Failure(f"reads something else without member {lost} after the replay")
        except Failure as failure:
            raise Failure(f"without {missing}: {failure}") from failure
        yield missing, there, content


def killed(raidctl, directory, name):
    """Images of an array, cut off in a write: each of several states that a loss of power may leave, and old and new."""
    offset, length = WRITES[name]
    rng = random.Random(name)
    directory.mkdir()
    images = [directory / f"member{number}" for number in range(MEMBERS)]
    for image in images:
        image.write_bytes(bytes(OURS_SECTORS * SECTOR))
    run(raidctl, "create", *CREATE, *images)
    old = rng.randbytes(json.loads(run(raidctl, "status", "--json", *images))["size_bytes"])
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
            if writes:
                break
        elif found := re.search(r'pwrite64\(\d+<.*/member(\d)>, .*, (\d+), (\d+)\) = \d+$', line):
            member, count, at = map(int, found.groups())
            if at >= DATA:
                writes.append((member, at, count))
    if not 2 <= len(writes) <= 16:
        raise Failure(f"{len(writes)} writes before the flush")
    for image, content in zip(images, before):
        image.write_bytes(content)
    kill = f"inject=fdatasync:signal=KILL:when={flushes}"
    run("strace", "-f", "-e", "trace=fdatasync", "-e", kill, "-o", "/dev/null", *write, stdin=data, codes=(137, -9))
    after = [image.read_bytes() for image in images]
    choices = [set(kept) for count in range(len(writes) + 1) for kept in itertools.combinations(range(len(writes)), count)]
    for number, kept in enumerate(choices if len(choices) <= 4 else rng.sample(choices[1:-1], 3)):
        state = [bytearray(content) for content in after]
        for index, (member, at, count) in enumerate(writes):
            if index not in kept:
                state[member][at : at + count] = before[member][at : at + count]
        yield f"killed-{name}-{number}", state, old, new, (offset, offset + length)


def save(path, content):
    path.write_bytes(lzma.compress(content, preset=0))


def work_all(raidctl, work, log):
    script = (LAB / "ppl.guest.sh").read_text()
    failures, expected, disk = {}, [], open(work / "ppl-2.disk", "wb")
    room = 1 << 9

    def hand_over(name, images, missing, facts):
        nonlocal script
        sectors = len(images[0]) // SECTOR
        script += f"replay {name} {disk.tell() // SECTOR} {sectors} {MEMBERS} {missing} {room}\n"
        disk.writelines(images)
        expected.append({"name": name, "missing": missing, **facts})

    lines = Path(log).read_text().splitlines()
    rows = [dict(part.split("=", 1) for part in line.split()[1:]) for line in lines if line.startswith("ARRAY ")]
    for line in lines:
        if line.startswith("FAILED"):
            failures["guest"] = line
    left = (work / "ppl-1.disk").read_bytes()
    names = {f"kernel-held-{held}" for held in range(HELD)} - {row["name"] for row in rows}
    failures.update({name: "the kernel left nothing" for name in names})
    for row in rows:
        try:
            for missing, images, content in after_kernel(raidctl, work, row, left):
                save(work / f"{row['name']}-{missing}.old", content)
                members = [image.read_bytes() for image in images]
                if missing != "-":
                    members.insert(missing, bytes(len(members[0])))
                if missing not in ("-", int(row["held"])):
                    continue
                facts = {"old": f"{row['name']}-{missing}.old", "written": []}
                hand_over(f"{row['name']}-{missing}", members, missing, facts)
        except (Failure, subprocess.TimeoutExpired) as failure:
            failures[row["name"]] = str(failure)
    for name in WRITES:
        try:
            for state, images, old, new, written in killed(raidctl, work / f"killed-{name}", name):
                save(work / f"killed-{name}.old", old)
                save(work / f"killed-{name}.new", new)
                facts = {"old": f"killed-{name}.old", "new": f"killed-{name}.new", "written": [written]}
                for missing in LOSSES:
                    hand_over(f"{state}-{missing}", images, missing, facts)
        except (Failure, subprocess.TimeoutExpired) as failure:
            failures[f"killed-{name}"] = str(failure)
    disk.close()
    with open(work / "ppl-content", "wb") as content:
        content.truncate(max(len(expected), 1) * room * BLOCK)
    (work / "ppl-2.sh").write_text(script)
    (work / "ppl.json").write_text(json.dumps({"failures": failures, "expected": expected, "room": room * BLOCK}))


def judge(work, log):
    plan = json.loads((work / "ppl.json").read_text())
    saw, good = {}, []
    for line in Path(log).read_text().splitlines():
        if line.startswith("SAW "):
            fields = dict(part.split("=", 1) for part in line.split()[1:])
            saw[fields["name"]] = fields
        elif line.strip() and not line.startswith("["):
            print(f"guest: {line}")
    for name, why in plan["failures"].items():
        print(f"KERNEL name={name} mode=ppl mismatch=- content=FAILED why={why}")
        good.append(False)
    contents = open(work / "ppl-content", "rb")
    for number, wanted in enumerate(plan["expected"]):
        line = saw.get(wanted["name"], {})
        whole = wanted["missing"] == "-"
        looks = {"degraded": "0" if whole else "1", "mismatch": "0" if whole else "-"}
        if whole:
            looks["resync"] = "none"  # the logs had entries: what they say is enough
        why = "; ".join(f"{key} {line.get(key)}, not {value}" for key, value in looks.items() if line.get(key) != value)
        if not why:
            old, new = (lzma.decompress((work / wanted[key]).read_bytes()) if key in wanted else None for key in ("old", "new"))
            contents.seek(number * plan["room"])
            why = torn(contents.read(len(old)), old, new if whole else None, wanted["written"])
        content = f"FAILED why={why}" if why else "ok"
        print(f"KERNEL name={wanted['name']} mode=ppl mismatch={line.get('mismatch', '-')} content={content}")
        good.append(not why)
    print(f"{good.count(True)} passed, {good.count(False)} failed")
    return 0 if all(good) and good else 1


def main(arguments):
    match arguments:
        case ["prepare", work]:
            return prepare(Path(work))
        case ["work", raidctl, work, log]:
            return work_all(os.path.realpath(raidctl), Path(work), log)
        case ["judge", work, log]:
            return judge(Path(work), log)
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
