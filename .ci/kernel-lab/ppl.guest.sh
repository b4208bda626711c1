# Guest script: what the kernel makes of arrays with partial parity logs that raidctl has left. ppl.py appends one line each.
#
#   replay NAME FIRST SECTORS MEMBERS MISSING ROOM   start it without a member (or `-`), and keep its content
#
# It prints SAW name=.. degraded=.. resync=.. mismatch=.. with what was on record before the kernel could write, but for
# its replay, in `degraded` and `resync`. The content goes to /dev/vdb, ROOM blocks of 4 KiB for each array.

kept=0
replay() { # name first sectors members missing room
  name=$1 missing=$5 room=$6; carve "$1" "$2" "$3" "$4" || return
  present="" i=0
  for image in $carved; do
    [ $i = "$missing" ] || present="$present $image"
    i=$((i + 1))
  done
  saw="SAW name=$name"
  # shellcheck disable=SC2086 # a list
  if quiet mdadm --assemble --readonly --run $array $present; then
    saw="$saw degraded=$(cat $md/degraded) resync=$(cat $md/resync_start)"
    fresh; quiet dd if=$array of=/dev/vdb bs=4k seek=$((kept * room)) conv=notrunc
    mismatch=-
    [ "$missing" != - ] || { quiet mdadm --readwrite $array; sleep 0.1; verify; }
    echo "$saw mismatch=$mismatch"
    stop
  else
    echo "$saw degraded=refused"
  fi
  kept=$((kept + 1)); uncarve
}
