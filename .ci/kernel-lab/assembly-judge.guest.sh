# Guest script: what the kernel and mdadm make of each assembly fixture. make-fixtures appends an `outcome` line each.
# The arrays are assembled without --force and read-only, so that nothing is mended on the way.

outcome() { # name first sectors members
  name=$1; carve "$1" "$2" "$3" "$4"
  mdadm --assemble --readonly --run $array $carved </dev/null >/tmp/assemble.log 2>&1
  if [ -e $md/degraded ]; then
    echo "OUTCOME name=$name started=ok degraded=$(cat $md/degraded) resync=$(cat $md/resync_start) md5=$(digest $array)"
  else
    echo "OUTCOME name=$name started=no"
  fi
  sed 's/^/SAYS /' /tmp/assemble.log
  for image in $carved; do
    mdadm --examine $image | awk -v name="$name" '
      /Update Time|Checksum|UUID|Name|Creation|Avail|Used|Array Size|Layout|Magic|Version/ {next}
      /Events|State|Device Role|Recovery Offset|Resync|Feature/ {sub(/^ */, ""); line = line "; " $0}
      END {print "EXAMINE " name substr(line, 2)}'
  done
  mdadm --stop $array >/dev/null 2>&1
  uncarve
}
