# Guest script: what the kernel makes of arrays with a write journal that raidctl has left. journal.py appends one line each.
#
#   replay NAME FIRST SECTORS DEVICES MISSING ROOM   start it without some members (or `-`), and keep its content
#
# The journal is the last device. It prints SAW name=.. degraded=.. mismatch=.. and the content goes to /dev/vdb, ROOM blocks
# of 4 KiB for each array.

kept=0
replay() { # name first sectors devices missing room
  name=$1 missing=,$5, room=$6; carve "$1" "$2" "$3" "$4" || return
  present="" i=0
  for image in $carved; do
    case $missing in
      *,$i,*) ;;
      *) present="$present $image" ;;
    esac
    i=$((i + 1))
  done
  saw="SAW name=$name"
  # shellcheck disable=SC2086 # a list
  if quiet mdadm --assemble --run $array $present; then
    saw="$saw degraded=$(cat $md/degraded)"
    fresh; quiet dd if=$array of=/dev/vdb bs=4k seek=$((kept * room)) conv=notrunc
    mismatch=-
    [ "$missing" != ,-, ] || verify
    echo "$saw mismatch=$mismatch"
    stop
  else
    echo "$saw degraded=refused"
  fi
  kept=$((kept + 1)); uncarve
}
