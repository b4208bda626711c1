# Guest script: what the kernel makes of the logs of each log fixture. make-fixtures appends an `outcome` line each.
# The arrays are started read-only: the log is replayed, and nothing else is written.

outcome() { # name log first sectors devices missing: missing is a list of members with commas around them, or -
  name=$1 log=$2 missing=$6; carve "$1" "$3" "$4" "$5"
  present="" i=0
  for image in $carved; do
    case $missing in *,$i,*) ;; *) present="$present $image" ;; esac
    i=$((i + 1))
  done
  mdadm --assemble --readonly --run $array $present </dev/null >/tmp/assemble.log 2>&1
  if [ -e $md/degraded ]; then
    degraded=$(cat $md/degraded) resync=$(cat $md/resync_start)
    fresh; content=$(digest $array)
    quiet mdadm --stop $array; fresh
    # The data areas, and the areas of the logs: that of a journal is the data area of its device.
    [ "$log" = ppl ] && data=4096 || data=256
    areas=""
    for image in $carved; do areas="$areas${areas:+,}$(dd if=$image bs=512 skip=$data 2>/dev/null | md5sum | cut -d' ' -f1)"; done
    logs=-
    [ "$log" = ppl ] && logs="" && for image in $carved; do
      logs="$logs${logs:+,}$(dd if=$image bs=512 skip=16 count=2048 2>/dev/null | md5sum | cut -d' ' -f1)"
    done
    echo "OUTCOME name=$name missing=$missing degraded=$degraded resync=$resync md5=$content areas=$areas logs=$logs"
  else
    echo "FAILED: $name without $missing: $(cat /tmp/assemble.log)"
  fi
  dmesg -c | grep md/raid | sed "s/^/SAYS $name $missing /"
  uncarve
}
