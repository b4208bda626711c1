#!/usr/bin/env python3
"""Host side of the bad blocks in `.ci/kernel`: the kernel finds bad what raidctl has put on the members' logs.

    bad_blocks.py prepare RAIDCTL FIXTURES WORK    raidctl rebuilds and writes; WORK/bad-blocks.sh and a disk
    bad_blocks.py judge WORK LOG                   compare what the kernel saw; exits 1 if anything differs
"""

import hashlib
import json
import lzma
import re
import subprocess
import sys
from pathlib import Path

SECTOR = 512
SECTORS = 1280  # of each member
MEMBERS = 3
WRITTEN = 64 << 10  # bytes from the start of the array that are written anew

GUEST = f"""
carve bad 0 {SECTORS} {MEMBERS}
quiet mdadm --assemble --readonly --run $array $carved
for i in 0 1 2; do echo "BAD $i $(cat $md/rd$i/bad_blocks | tr '\\n' ',')"; done
fresh
echo "READ $(dd if=$array bs=4k count={WRITTEN >> 12} 2>/dev/null | md5sum | cut -d' ' -f1)"
stop
"""


def prepare(raidctl, fixtures, work):
    packed = (Path(fixtures) / "bitmap" / "bad-blocks-r5.img.xz").read_bytes()
    images = lzma.decompress(packed)
    members = [work / f"bad-{number}" for number in range(MEMBERS)]
    size = SECTORS * SECTOR
    for number, member in enumerate(members):
        # The first member has no bad blocks: a blank one takes its place.
        member.write_bytes(bytes(size) if number == 0 else images[number * size : (number + 1) * size])
    new, rest = members[0], members[1:]
    rebuilt = subprocess.run([raidctl, "rebuild", "--new", new, "--degraded", *rest], capture_output=True)
    data = hashlib.sha256(b"bad blocks").digest() * (WRITTEN // 32)
    written = subprocess.run([raidctl, "write", *members], input=data, capture_output=True)
    examined = subprocess.run([raidctl, "examine", "--json", *members], capture_output=True, check=True)
    bad = [member["bad_blocks"] for member in json.loads(examined.stdout)]
    (work / "bad-blocks.disk").write_bytes(b"".join(member.read_bytes() for member in members))
    (work / "bad-blocks.sh").write_text(GUEST)
    expected = {
        "codes": [rebuilt.returncode, written.returncode],
        "bad": [sorted((each["sector"], each["sectors"]) for each in ranges) for ranges in bad],
        "md5": hashlib.md5(data).hexdigest(),
    }
    (work / "bad-blocks.json").write_text(json.dumps(expected))


def judge(work, log):
    expected = json.loads((work / "bad-blocks.json").read_text())
    text = Path(log).read_text()
    seen = {number: [] for number in range(MEMBERS)}
    for number, ranges in re.findall(r"^BAD (\d) (.*)$", text, re.M):
        pairs = (each.split() for each in ranges.split(",") if each)
        seen[int(number)] = sorted((int(start), int(length)) for start, length in pairs)
    wrong = []
    if expected["codes"] != [4, 0]:
        wrong.append(f"raidctl ended with {expected['codes']}")
    for number, ranges in enumerate(expected["bad"]):
        ranges = [tuple(each) for each in ranges]
        if seen[number] != ranges or not ranges:
            wrong.append(f"member {number}: raidctl says {ranges}, the kernel {seen[number]}")
    if f"READ {expected['md5']}" not in text:
        wrong.append("the kernel reads other bytes than were written")
    print("bad-blocks-r5", "ok" if not wrong else f"FAILED: {'; '.join(wrong)}\n{text}")
    return not wrong


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["prepare", raidctl, fixtures, work]:
            prepare(raidctl, fixtures, Path(work))
        case ["judge", work, log]:
            sys.exit(0 if judge(Path(work), log) else 1)
        case _:
            sys.exit(__doc__)
